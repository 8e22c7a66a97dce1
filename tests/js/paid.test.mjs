import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { page, settled } from "./dom.mjs";
import { Paid } from "../../widget_static/paid.js";
import { ServerClock } from "../../widget_static/widget/clock.js";
import { stepOf } from "../../widget_static/widget/payment.js";
import { Words } from "../../widget_static/widget/words.js";

const WORDS = new Words(JSON.parse(readFileSync(new URL("../../widget_static/locales/en.json", import.meta.url), "utf8")), "en-GB");
const CLAIM = { id: "o".repeat(22), secret: "s".repeat(22) };
const NOW = Date.parse("2026-11-21T12:00:00Z");
const nothing = { amount: 0, currency: "EUR" };

function orderThat(state, paid = nothing) {
  const payment = { state, pay_url: "https://pay.example", pay_until: "2026-11-21T12:15:00Z", paid };
  return { state, total: { amount: 4500, currency: "EUR" }, payment };
}

/** Anna's order page in one tab, shown as the page does it: the payment only for as long as nothing is booked. */
function annas(t, plan) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const asked = [];
  const ask = async () => {
    asked.push("asked");
    return { order: plan.shift() };
  };
  const clock = new ServerClock({ ticks: () => 0, wall: () => NOW });
  const steps = [];
  const paid = new Paid({ api: { askPayment: ask, order: ask }, words: WORDS, clock, claim: CLAIM }, false, (order) => {
    steps.push(stepOf(order));
    if (stepOf(order) !== "booked") paid.show(order, "UTC");
  });
  return { paid, clock, steps, asked };
}

async function seenAgain() {
  page.dispatchEvent(new Event("visibilitychange"));
  await settled();
}

test("once it is booked, nothing counts down any more", async (t) => {
  const { paid, clock, steps } = annas(t, [orderThat("paid")]);

  paid.show(orderThat("open"), "UTC");
  assert.ok(clock.isHolding);
  await settled();

  assert.deepEqual(steps, ["booked"]);
  assert.equal(clock.isHolding, false);
});

test("a payment that was given up claims nothing about seats, and another one is found when the page is seen again", async (t) => {
  const { paid, steps, asked } = annas(t, [orderThat("expired"), orderThat("expired"), orderThat("open"), orderThat("paid")]);
  paid.show(orderThat("open"), "UTC");
  await settled();
  assert.deepEqual(steps, ["over"]);
  assert.doesNotMatch(paid.place.textContent, /given back|time to pay is over/);
  t.mock.timers.tick(60_000);
  await settled();
  assert.equal(asked.length, 1, "nobody asks while it is not looked at");

  await seenAgain();
  await seenAgain();
  assert.deepEqual(steps, ["over", "waiting"]);
  await seenAgain();
  await seenAgain();

  assert.deepEqual(steps, ["over", "waiting", "booked"]);
  assert.equal(asked.length, 4);
});

test("whoever opens the page of such an order finds the later payment, too", async (t) => {
  const { paid, steps } = annas(t, [orderThat("open"), orderThat("paid")]);
  paid.show(orderThat("expired"), "UTC");

  await seenAgain();
  await seenAgain();

  assert.deepEqual(steps, ["waiting", "booked"]);
});

test("that a payment came too late is said only where it did", () => {
  const euros45 = { amount: 4500, currency: "EUR" };
  const said = (tooLate) => {
    const order = orderThat("voided", euros45);
    const clock = new ServerClock({ ticks: () => 0, wall: () => NOW });
    const paid = new Paid({ api: {}, words: WORDS, clock, claim: CLAIM }, false, () => {});
    return paid.show({ ...order, payment: { ...order.payment, state: "ended", too_late: tooLate } }, "UTC").textContent;
  };

  assert.match(said(true), /^Your payment came too late for these seats/);
  assert.match(said(false), /^Your payment could not be completed, so nothing is booked\. You get your €45\.00 back/);
});
