import assert from "node:assert/strict";
import test from "node:test";

import { page as browser, settled } from "./dom.mjs";
import { Paying } from "../../widget_static/widget/paying.js";
import { Words } from "../../widget_static/widget/words.js";

const UNTIL = "2026-11-21T12:15:00Z";
const CHOICE = { slot: { id: "yoga.1", startsMs: 0, endsMs: 1 }, seats: 1, service: { name: "Yoga", price: { amount: 900, currency: "EUR" } } };
const inState = (state) => ({ order: { state, total: CHOICE.service.price, payment: { pay_until: UNTIL, pay_url: "https://pay.example/1" } } });

/** Somebody in the step of paying, whose server says next what they expect of it; and where their focus went. */
function paying() {
  const [focused, answers] = [[], [inState("open")]];
  const around = { side: {}, name() {}, announce() {}, calm() {}, focus: () => focused.push("title") };
  const api = { checkout: async () => answers.at(-1), askPayment: async () => answers.at(-1) };
  const at = { api, words: new Words({}, "en-GB"), clock: { now: () => 0 }, page: around, zone: "UTC", site: { zone: "UTC" } };
  const view = new Paying(at, [CHOICE], { id: "1", secret: "2" }, {});
  view.begin(answers[0], null);
  focused.length = 0;
  return { view, focused, answers };
}

for (const [where, focusedLater] of [["leave", ["title"]], ["open", ["title"]], ["ticket", []]])
  test(`a focus on "${where}" ${focusedLater.length ? "goes to the title" : "stays"} once it is paid and being confirmed`, async () => {
    const { view, focused, answers } = paying();
    browser.activeElement = view[where];

    answers.push(inState("authorised"));
    await view.look();
    await settled();
    view.stop();

    assert.ok(view.leave.hidden);
    assert.deepEqual(focused, focusedLater);
  });
