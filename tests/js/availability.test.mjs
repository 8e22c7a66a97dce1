import assert from "node:assert/strict";
import test from "node:test";

import { Availability, dayStateOf, leftOf, stateOf } from "../../widget_static/widget/availability.js";

const YOGA = "yoga.20261126T0830Z.60";
const DAY = { from: "2026-11-26", to: "2026-11-26" };
const NOW = Date.parse("2026-11-21T12:00:00Z");

function slot({ id = YOGA, held = 0, booked = 0, version = 0, frees_at = null, state = "open" } = {}) {
  return {
    id,
    starts_at: "2026-11-26T08:30:00Z",
    ends_at: "2026-11-26T09:30:00Z",
    capacity: 12,
    held,
    booked,
    left: 12 - held - booked,
    state,
    version,
    frees_at,
  };
}

function answer({ epoch = 1, slots = [slot()], notice_minutes = 0, why_not = {} } = {}) {
  const head = { service: "yoga", zone: "Europe/Berlin", ...DAY, notice_minutes, epoch, schedule_version: 1 };
  return { ...head, feed_id: `${epoch}.1-0`, slots, why_not };
}

const update = (seats) => ({ slot: YOGA, held: 0, booked: 0, frees_at: null, ...seats });

/** Knows what these answers told, one after another. */
async function knowing(...answers) {
  const availability = new Availability(async () => answers.shift());
  await availability.need("yoga", [DAY]);
  return availability;
}

test("days are asked for once", async () => {
  let asked = 0;
  const availability = new Availability(async () => {
    asked += 1;
    return answer();
  });

  await availability.need("yoga", [DAY]);
  await availability.need("yoga", [DAY]);

  assert.equal(asked, 1);
});

test("seats never go back to an older version", async () => {
  const availability = await knowing(answer());

  availability.apply([update({ booked: 5, version: 9 })]);
  assert.deepEqual(availability.apply([update({ booked: 3, version: 8 })]), []);
  assert.deepEqual(availability.apply([update({ booked: 5, version: 9 })]), []);
  assert.equal(availability.slot(YOGA).booked, 5);
});

test("a service whose seats no longer depend on people counts from the beginning", async () => {
  const byShift = answer({ slots: [slot({ held: 1, version: 3 * 2 ** 32 + 5 })] });
  const availability = await knowing(byShift, answer({ slots: [slot({ booked: 2, version: 7 })] }));
  availability.doubt();
  await availability.need("yoga", [DAY]);

  assert.equal(availability.slot(YOGA).booked, 2);
  assert.equal(availability.apply([update({ booked: 3, version: 8 })]).length, 1);
});

test("news of an epoch that has ended is older than any answer of the next", async () => {
  const availability = await knowing(answer({ epoch: 8, slots: [slot({ booked: 3, version: 3 })] }));

  assert.deepEqual(availability.apply([update({ booked: 9, version: 40 })], 6), []);
  assert.equal(availability.slot(YOGA).booked, 3);
  availability.apply([update({ booked: 4, version: 4 })], 8);
  assert.equal(availability.slot(YOGA).booked, 4);
});

test("news that overtakes the answer it belongs to is not lost", async () => {
  const availability = new Availability(async () => {
    availability.apply([update({ held: 2, version: 4 })]);
    return answer({ slots: [slot({ version: 3 })] });
  });

  await availability.need("yoga", [DAY]);

  assert.equal(availability.slot(YOGA).held, 2);
});

test("an answer that is older than the news does not undo it", async () => {
  const availability = await knowing(answer(), answer({ slots: [slot({ version: 1 })] }));
  availability.apply([update({ booked: 12, version: 7 })]);
  availability.doubt();

  await availability.need("yoga", [DAY]);

  assert.equal(leftOf(availability.slot(YOGA)), 0);
});

test("after a reset a lower version counts", async () => {
  const availability = await knowing(
    answer({ slots: [slot({ booked: 9, version: 40 })] }),
    answer({ epoch: 2, slots: [slot({ booked: 3, version: 1 })] }),
  );

  availability.reset(2);
  await availability.need("yoga", [DAY]);

  assert.equal(availability.slot(YOGA).booked, 3);
});

test("an answer from before the reset is thrown away", async () => {
  const availability = await knowing(
    answer({ epoch: 2 }),
    answer({ epoch: 1, slots: [slot({ booked: 9, version: 40 })] }),
  );
  availability.doubt();

  await availability.need("yoga", [DAY]);

  assert.equal(availability.slot(YOGA).booked, 0);
});

test("a slot that is not offered any more is gone", async () => {
  const availability = await knowing(answer(), answer({ slots: [] }));
  availability.doubt();

  await availability.need("yoga", [DAY]);

  assert.equal(availability.slot(YOGA), undefined);
});

test("a slot without seats left is held while somebody may give theirs back, and else full", async () => {
  const availability = await knowing(answer());
  const states = [
    { booked: 11, held: 0 },
    { booked: 11, held: 1 },
    { booked: 12, held: 0 },
  ].map((seats, index) => stateOf(availability.apply([update({ ...seats, version: index + 1 })])[0], NOW));

  assert.deepEqual(states, ["open", "held", "full"]);
  assert.equal(stateOf(availability.slot(YOGA), availability.slot(YOGA).startsMs), "closed");
});

test("a day is held when nothing is free and something may free up", async () => {
  const availability = await knowing(answer());
  const one = availability.apply([update({ booked: 12, version: 1 })])[0];
  const other = availability.apply([update({ booked: 11, held: 1, version: 2 })])[0];

  assert.equal(dayStateOf([one, other], NOW), "held");
  assert.equal(dayStateOf([one], NOW), "full");
  assert.equal(dayStateOf([], NOW), null);
});

test("a slot closes when it starts too soon, and one that the operator has closed is closed", async () => {
  const availability = await knowing(answer({ notice_minutes: 120 }));
  const { startsMs } = availability.slot(YOGA);

  assert.equal(stateOf(availability.slot(YOGA), startsMs - 120 * 60_000 - 1), "open");
  assert.equal(stateOf(availability.slot(YOGA), startsMs - 120 * 60_000), "closed");
  const closed = await knowing(answer({ slots: [slot({ state: "closed" })] }));
  assert.equal(stateOf(closed.slot(YOGA), NOW), "closed");
  assert.equal(dayStateOf([closed.slot(YOGA)], NOW), null);
});

test("why a day has nothing is what was told of it, or what its slots show", async () => {
  const why = (availability, nowMs = NOW, slots = []) =>
    availability.whyNot(slots, { service: "yoga", days: [DAY.from], nowMs });

  assert.equal(why(await knowing(answer({ slots: [], why_not: { [DAY.from]: "blackout" } }))), "blackout");
  assert.equal(why(await knowing(answer({ slots: [] }))), "outside_opening_hours");
  const soon = await knowing(answer({ notice_minutes: 120 }));
  const late = soon.slot(YOGA).startsMs - 1;
  assert.equal(why(soon, late, [soon.slot(YOGA)]), "too_soon");
  assert.equal(why(soon, late + 1, [soon.slot(YOGA)]), "outside_opening_hours");
  const closed = await knowing(answer({ slots: [slot({ state: "closed" })], why_not: { [DAY.from]: "too_far" } }));
  assert.equal(why(closed, NOW, [closed.slot(YOGA)]), "too_far", "what is true of all of the day comes first");
});

test("a day of the visitor that spans two of the site's has the reason that either of them tells", async () => {
  const availability = await knowing(answer({ slots: [], why_not: { "2026-11-26": "no_shifts" } }));
  const asked = { service: "yoga", nowMs: NOW };

  assert.equal(availability.whyNot([], { ...asked, days: ["2026-11-25", "2026-11-26"] }), "no_shifts");
  assert.equal(availability.whyNot([], { ...asked, days: ["2026-11-26", "2026-11-27"] }), "no_shifts");
  assert.equal(availability.whyNot([], { ...asked, days: ["2026-11-27", "2026-11-28"] }), "outside_opening_hours");
});

test("a reason is forgotten when an answer comes without it", async () => {
  const availability = await knowing(answer({ slots: [], why_not: { [DAY.from]: "closed" } }), answer({ slots: [] }));
  availability.doubt();

  await availability.need("yoga", [DAY]);

  assert.equal(availability.whyNot([], { service: "yoga", days: [DAY.from], nowMs: NOW }), "outside_opening_hours");
});
