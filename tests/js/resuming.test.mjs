import assert from "node:assert/strict";
import test from "node:test";

import { resumed } from "../../widget_static/widget/resuming.js";
import { Refused } from "../../widget_static/widget/api.js";

const CLAIM = { id: "h".repeat(22), secret: "s".repeat(22) };
const SLOT = "piano.20261126T0830Z.60";
const LINES = [{ slot: SLOT, seats: 2 }];
const PIANO = { id: "piano", name: "Piano", place: "in_person", price: { amount: 1200, currency: "EUR" } };
const OFFERED = { id: SLOT, startsMs: Date.parse("2026-11-26T08:30:00Z"), endsMs: Date.parse("2026-11-26T09:30:00Z"), version: 3 };
const ANSWER = {
  order: {
    total: { amount: 2400, currency: "EUR" },
    bookings: [
      { slot: SLOT, service: "piano", service_name: "Piano", place: "in_person",
        starts_at: "2026-11-26T08:30:00Z", ends_at: "2026-11-26T09:30:00Z", seats: 2 },
    ],
  },
};

/** What anna's page finds, where these services and slots are offered. */
async function found(state, { services = [PIANO], slot = OFFERED, answer = ANSWER, lines = LINES } = {}) {
  const api = {
    checkout: async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return resumed({ api, services, slotOf: async (id) => (id === SLOT ? slot : undefined) }, CLAIM, { state, lines });
}

test("what is held goes on where it is still offered, and else not at all", async () => {
  assert.deepEqual(await found("held"), { choices: [{ slot: OFFERED, seats: 2, service: PIANO }], answer: null });
  assert.deepEqual((await found("held", { services: [] })).choices, []);
  assert.deepEqual((await found("held", { slot: null })).choices, []);
});

test("of several times that are held, those go on that are still offered", async () => {
  const lines = [{ slot: "piano.20261203T0830Z.60", seats: 1 }, ...LINES];

  const { choices } = await found("held", { lines });

  assert.deepEqual(choices.map(({ slot }) => slot.id), [SLOT]);
});

test("what is being paid goes on, whatever is offered by now", async () => {
  const free = { ...PIANO, price: { amount: 0, currency: "EUR" } };
  for (const offered of [{}, { services: [free] }, { slot: null }, { services: [] }]) {
    const { choices, answer } = await found("paying", offered);
    const [choice] = choices;

    assert.equal(answer, ANSWER);
    assert.equal(choice.seats, 2);
    assert.deepEqual([choice.slot.startsMs, choice.slot.endsMs], [OFFERED.startsMs, OFFERED.endsMs]);
    assert.deepEqual([choice.service.name, choice.service.place], ["Piano", "in_person"]);
  }
});

test("all times that are being paid go on, in the order in which they are held", async () => {
  const other = { ...ANSWER.order.bookings[0], slot: "piano.20261203T0830Z.60", starts_at: "2026-12-03T08:30:00Z" };
  const answer = { order: { ...ANSWER.order, bookings: [...ANSWER.order.bookings, other] } };
  const lines = [...LINES, { slot: other.slot, seats: 1 }];

  const { choices } = await found("paying", { lines, answer });

  assert.deepEqual(choices.map(({ slot, seats }) => [slot.id, slot.startsMs, seats]), [
    [SLOT, OFFERED.startsMs, 2],
    [other.slot, Date.parse(other.starts_at), 1],
  ]);
});

test("what was never to be paid is refused as the server refuses it", async () => {
  await assert.rejects(found("confirmed", { answer: new Refused(404, { code: "not_found" }, null) }), Refused);
});
