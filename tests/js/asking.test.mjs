import assert from "node:assert/strict";
import test from "node:test";

import { asks, wantedOf } from "../../widget_static/widget/choices.js";

const YOGA = { id: "yoga", name: "Yoga", price: { amount: 0, currency: "EUR" }, questions: [], attendees_shown: "nobody", attendee_emails: true };
const TYPED = { name: "Anna", email: "", attendees: ["Anna", "Cleo"], addresses: ["", "cleo@example.org"] };

test("a form is shown anew when its service costs or asks for something else, and not when it is only described in other words", () => {
  const changes = [{ attendee_emails: false }, { attendees_shown: "emails" }, { price: { amount: 900, currency: "EUR" } }];

  for (const change of changes) assert.notEqual(asks({ ...YOGA, ...change }), asks(YOGA));
  assert.equal(asks({ ...YOGA, name: "Gentle yoga", description: "An hour." }), asks(YOGA));
});

test("names of others are kept, and not sent for who comes alone", () => {
  const [slot, at] = [{ id: "yoga.20261126T0900Z.60" }, { zone: "UTC", locale: "en" }];
  const sent = (seats) => wantedOf([{ slot, seats, service: YOGA }], TYPED, at);

  assert.equal("attendees" in sent(1), false);
  assert.equal("attendee_emails" in sent(1), false);
  assert.deepEqual(sent(2).attendees, [["Anna", "Cleo"]]);
});

test("addresses are kept, and sent only for as long as they are asked for", () => {
  const [slot, at] = [{ id: "yoga.20261126T0900Z.60" }, { zone: "UTC", locale: "en" }];
  const sent = (service) => wantedOf([{ slot, seats: 2, service }], TYPED, at);

  assert.deepEqual(sent(YOGA).attendee_emails, [["", "cleo@example.org"]]);
  assert.equal("attendee_emails" in sent({ ...YOGA, attendee_emails: false }), false);
  assert.deepEqual(sent({ ...YOGA, attendee_emails: false }).attendees, [["Anna", "Cleo"]]);
});

test("who comes and what was answered is sent for each of several times, as far as its seats and its service go", () => {
  const at = { zone: "UTC", locale: "en" };
  const choice = (id, seats, service) => ({ slot: { id }, seats, service });
  const level = { ...YOGA, questions: [{ id: "level" }] };
  const talk = { ...YOGA, id: "talk", attendee_emails: false };
  const choices = [choice("yoga.1", 2, level), choice("yoga.2", 1, level), choice("talk.1", 3, talk)];

  const sent = wantedOf(choices, { ...TYPED, attendees: ["Anna", " Cleo ", "Dan"], answers: { level: "New" } }, at);

  assert.deepEqual(sent.lines, [{ slot: "yoga.1", seats: 2 }, { slot: "yoga.2", seats: 1 }, { slot: "talk.1", seats: 3 }]);
  assert.deepEqual(sent.attendees, [["Anna", "Cleo"], [], ["Anna", "Cleo", "Dan"]]);
  assert.deepEqual(sent.attendee_emails, [["", "cleo@example.org"], [], []]);
  assert.deepEqual(sent.answers, [{ level: "New" }, { level: "New" }, {}]);
});
