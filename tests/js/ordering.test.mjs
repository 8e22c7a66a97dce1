import assert from "node:assert/strict";
import test from "node:test";

import { all, page as browser, settled } from "./dom.mjs";
import { Refused } from "../../widget_static/widget/api.js";
import { ServerClock } from "../../widget_static/widget/clock.js";
import { Ordering } from "../../widget_static/widget/ordering.js";
import { Words } from "../../widget_static/widget/words.js";

const NOW_MS = Date.parse("2030-01-01T08:00:00Z");
const service = (amount = 0) => ({ id: "yoga", name: "Yoga", price: { amount, currency: "EUR" }, questions: [], place: "in_person", cancel_until_minutes: 0 });
const slot = (hour) => ({ id: `yoga.20300103T${hour}00Z.60`, startsMs: NOW_MS + hour * 3_600_000, endsMs: NOW_MS + (hour + 1) * 3_600_000, untilMs: NOW_MS + hour * 3_600_000, capacity: 4, held: 0, booked: 0, version: 1 });
const choice = (hour) => ({ slot: slot(hour), seats: 1, service: service() });
const UNTIL = "2099-01-01T00:00:00Z";
const held = (...hours) => ({ hold: { state: "held", lines: hours.map((hour) => ({ slot: slot(hour).id, seats: 1 })), version: 1, expires_at: UNTIL, limit_at: UNTIL } });
const full = new Refused(409, { code: "slot_full", left: 0, slot: slot(10).id }, null);

/** Somebody on the way from a time to its booking; what becomes of `find` and `hold` is for each test to say. */
function annas(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const [focused, released, answers] = [[], [], {}];
  const later = (name) => () => new Promise((resolve, reject) => (answers[name] = { resolve, reject }));
  const api = { findHold: later("find"), hold: later("hold"), change: later("change"), release: async ({ id }) => void released.push(id) };
  const [stage, side] = [browser.createElement("div"), browser.createElement("div")];
  const around = { stage, side, name() {}, announce() {}, calm() {}, warn() {}, focus: () => focused.push("title") };
  const offer = { site: { holds_on: true, hold_minutes: 10, zone: "UTC" }, services: [service()] };
  const availability = { slot: (id) => slot(Number(id.slice(14, 16))), between: () => [] };
  const host = { tell() {}, keepTyped() {} };
  const clock = Object.assign(new ServerClock(), { now: () => NOW_MS });
  const typed = { name: "", email: "", attendees: [] };
  const at = { api, words: new Words({}, "en-GB"), clock, availability, host, page: around, zone: { current: "UTC" }, offer, typed, visitor: "v" };
  const ordering = new Ordering(at, { onStep() {}, refresh: async () => {}, slotOf: async (id) => availability.slot(id) });
  const chosen = () => ordering.chosen.choices.map(({ slot: { id } }) => id);
  return { ordering, chosen, answers, released, focused, stage, offer };
}

const before = { id: "before", secret: "s", visitor: "v" };

test("a hold of before, found while another time is just being taken, goes on where that cannot be had", async (t) => {
  const { ordering, chosen, answers, released } = annas(t);
  const resuming = ordering.resume(before);
  const adding = assert.rejects(ordering.add(choice(10)), full);

  answers.find.resolve(held(12));
  await settled();
  answers.hold.reject(full);
  await Promise.all([adding, resuming]);

  assert.deepEqual([chosen(), ordering.chosen.keeper.current.id, released], [[slot(12).id], "before", []]);
});

test("and is given back where it is had", async (t) => {
  const { ordering, chosen, answers, released } = annas(t);
  const resuming = ordering.resume(before);
  const adding = ordering.add(choice(10));

  answers.find.resolve(held(12));
  await settled();
  answers.hold.resolve(held(10));
  await Promise.all([adding, resuming]);

  assert.deepEqual([chosen(), released], [[slot(10).id], ["before"]]);
});

test("whoever is at a button while what they have chosen gets another price is at the title then, and not nowhere", async (t) => {
  const { ordering, answers, focused, stage, offer } = annas(t);
  const adding = ordering.add(choice(10));
  answers.hold.resolve(held(10));
  await adding;
  focused.length = 0;

  browser.activeElement = all(stage, "button").at(-1);
  offer.services = [service(900)];
  ordering.scheduleMoved();

  assert.deepEqual(focused, ["title"]);
});

test("whoever is at the cross of a time when all are over is at what can be done then", async (t) => {
  const { ordering, answers, stage } = annas(t);
  for (const [hours, name] of [[[10], "hold"], [[10, 11], "change"]]) {
    const adding = ordering.add(choice(hours.at(-1)));
    answers[name].resolve(held(...hours));
    await adding;
  }
  const cross = all(stage, "button").find((button) => button.attributes.get("class")?.includes("remove"));

  cross.focus();
  ordering.chosen.keeper.forget();

  assert.equal(browser.activeElement.textContent, "ended.again");
});
