import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { all, press, settled } from "./dom.mjs";
import { Refused } from "../../widget_static/widget/api.js";
import { isMovePaid, PayingMove } from "../../widget_static/paying_move.js";
import { ServerClock } from "../../widget_static/widget/clock.js";
import { Words } from "../../widget_static/widget/words.js";

const WORDS = new Words(JSON.parse(readFileSync(new URL("../../widget_static/locales/en.json", import.meta.url), "utf8")), "en-GB");
const CLAIM = { id: "o".repeat(22), secret: "s".repeat(22) };
const NOW = Date.parse("2026-11-21T12:00:00Z");
const [HERE, THERE] = ["yoga.20261126T0900Z.60", "yoga.20261127T0900Z.60"];

function orderThat(state) {
  const times = [{ slot: THERE, starts_at: "2026-11-27T09:00:00Z", ends_at: "2026-11-27T10:00:00Z", leaves: HERE }];
  const pay = { amount: { amount: 500, currency: "EUR" }, times, pay_url: "https://pay.example", pay_until: "2026-11-21T12:15:00Z" };
  return { state: "paid", bookings: [{ slot: HERE }], payment: { move: state && { state, ...pay } } };
}

/** Anna's order page, which shows what she has to pay for her move, and what she is told by then. */
function annas(t, plan, { isBelieved = false } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const [heard, asked] = [[], []];
  const answer = (how) => async () => {
    asked.push(how);
    const next = plan.shift();
    if (next instanceof Error) throw next;
    return { order: next };
  };
  const api = { askPayment: answer("asked"), order: answer("looked"), giveUpMove: answer("gave up") };
  const clock = new ServerClock({ ticks: () => 0, wall: () => NOW });
  const paying = new PayingMove({ api, words: WORDS, clock, claim: CLAIM, zone: () => "UTC" }, isBelieved, (order) => heard.push(order));
  return { paying, heard, asked };
}

test("what is to be paid for a move stands at the booking that moves, until it has", async (t) => {
  const { paying, heard } = annas(t, [orderThat(null)]);

  assert.equal(paying.show(orderThat("open"), THERE), null);
  const shown = paying.show(orderThat("open"), HERE);
  assert.match(shown.textContent, /Pay €5.00 until 12:15, and your booking moves to .*27 November at 9:00/);
  assert.equal(all(shown, "a")[0].attributes.get("href"), "https://pay.example");
  await settled();
  assert.deepEqual(heard, [orderThat(null)]);
  assert.equal(paying.isWatching, false);
});

test("whoever keeps the present time is told why where that cannot be", async (t) => {
  const busy = new Refused(409, { code: "paying" }, null);
  const { paying, heard, asked } = annas(t, [orderThat("open"), busy, orderThat(null)]);
  const shown = paying.show(orderThat("open"), HERE);
  await settled();

  press(shown, "Keep the present time");
  await settled();
  assert.match(paying.told.textContent, /just being confirmed/);
  press(shown, "Keep the present time");
  await settled();

  assert.deepEqual(asked, ["asked", "gave up", "gave up"]);
  assert.deepEqual(heard, [orderThat(null)]);
});

test("whoever comes back from the pay page is not asked to pay once more", (t) => {
  const { paying } = annas(t, [orderThat("open")], { isBelieved: true });

  const shown = paying.show(orderThat("open"), HERE);
  assert.match(shown.textContent, /just asking for your payment/);
  assert.equal(all(shown, "a").length, 0);
});

test("a move that was paid for nothing says that the booking stays and the money comes back", (t) => {
  const { paying } = annas(t, []);

  for (const state of ["returning", "ended"]) {
    assert.match(paying.show(orderThat(state), HERE).textContent, /stays as it was, and you get your €5.00 back/);
    assert.equal(isMovePaid(orderThat(state)), false);
  }
  assert.equal(paying.show(orderThat("ended"), THERE), null);
});
