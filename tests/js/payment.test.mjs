import assert from "node:assert/strict";
import test from "node:test";

import { Refused, Unreachable } from "../../widget_static/widget/api.js";
import { send } from "../../widget_static/widget/confirming.js";
import { HoldKeeper } from "../../widget_static/widget/hold.js";
import { PaymentWatch, stepOf } from "../../widget_static/widget/payment.js";

const LINES = [{ slot: "yoga.20261126T0830Z.60", seats: 2 }];
const ANNA = { lines: LINES, customer: { name: "Anna", email: "anna@example.org", zone: "UTC", locale: "en" } };
const UNTIL = "2026-11-21T12:15:00Z";

/** A page that can be hidden and seen again, in place of a browser's. */
const page = Object.assign(new EventTarget(), { hidden: false });
globalThis.document = page;
globalThis.addEventListener = () => {};
globalThis.removeEventListener = () => {};

const opened = (payment = {}) => ({ order: { state: "open", payment: { pay_until: UNTIL, ...payment } }, server_now: UNTIL });

/** Answers what is planned, and keeps how it was asked. */
function asked(plan) {
  const questions = [];
  const ask = async (atStripe) => {
    questions.push(atStripe);
    const next = plan.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  return { questions, ask };
}

function watching(plan) {
  const { questions, ask } = asked(plan);
  const [answers, problems] = [[], []];
  const watch = new PaymentWatch(ask, {
    onAnswer: (answer) => answers.push(answer) && answer === "paid",
    onProblem: (problem) => problems.push(problem),
  });
  return { watch, questions, answers, problems };
}

test("an order means what its own state and that of its payment say", () => {
  const payment = (state, amount = 0) => ({ state, paid: { amount, currency: "EUR" } });

  assert.equal(stepOf({ state: "open", payment: payment("open") }), "waiting");
  assert.equal(stepOf({ state: "open", payment: { ...payment("offering", 2400), offered: [{ id: "a" }] } }), "choosing");
  assert.equal(stepOf({ state: "open", payment: { ...payment("offering", 2400), offered: [] } }), "confirming");
  assert.equal(stepOf({ state: "authorised", payment: payment("capturing") }), "confirming");
  assert.equal(stepOf({ state: "paid", payment: payment("paid") }), "booked");
  assert.equal(stepOf({ state: "refunded", payment: payment("paid") }), "booked");
  assert.equal(stepOf({ state: "paid", payment: null }), "booked");
  assert.equal(stepOf({ state: "expired", payment: payment("ended") }), "over");
  assert.equal(stepOf({ state: "voided", payment: payment("ended", 2400) }), "returned");
  assert.equal(stepOf({ state: "voided", payment: payment("returning", 2400) }), "returned");
  assert.equal(stepOf({ state: "voided", payment: payment("returning") }), "waiting");
});

test("whoever comes back to the page has the payment asked for at once, and once it is decided nobody asks", async () => {
  const { watch, questions, answers } = watching(["open", "paid", "paid"]);
  watch.start(true);
  await Promise.resolve();

  page.dispatchEvent(new Event("visibilitychange"));
  await new Promise(setImmediate);
  page.dispatchEvent(new Event("visibilitychange"));
  await watch.look();

  assert.deepEqual(questions, [true, true]);
  assert.deepEqual(answers, ["open", "paid"]);
});

test("news that come while it is asked lead to one more question, and no more", async () => {
  const { watch, questions } = watching(["open", "open", "open"]);

  await Promise.all([watch.look(), watch.look(), watch.look(true), watch.look()]);
  watch.stop();

  assert.deepEqual(questions, [false, true]);
});

test("a question that fails is told, and asked again later", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { watch, answers, problems } = watching([new Unreachable("offline"), "paid"]);
  await watch.look();

  context.mock.timers.tick(15_000);
  await new Promise(setImmediate);

  assert.equal(problems.length, 1);
  assert.deepEqual(answers, ["paid"]);
});

test("without news it is asked ever more slowly, but never less than every half minute", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { watch, questions } = watching(Array(200).fill("open"));
  watch.start(false);

  const counts = [];
  for (let minute = 0; minute < 5; minute += 1) {
    const before = questions.length;
    for (let second = 0; second < 60; second += 1) {
      context.mock.timers.tick(1_000);
      await new Promise(setImmediate);
    }
    counts.push(questions.length - before);
  }
  watch.stop();

  assert.ok(counts[0] > counts[4], String(counts));
  assert.ok(counts[4] >= 2, String(counts));
});

test("a checkout that is sent again is the same, and while it is open the hold is being paid", async () => {
  const sent = [];
  const plan = [new Unreachable("lost"), opened()];
  const api = {
    hold: async (claim) => ({ hold: held(claim.id) }),
    checkout: async (method, claim, body) => {
      sent.push([method, claim.id, JSON.stringify(body)]);
      const next = plan.shift();
      if (next instanceof Error) throw next;
      return next;
    },
  };
  const keeper = new HoldKeeper(api, () => {});
  const { id } = await keeper.take(LINES);

  await send({ api, keeper }, ANNA, { isHeld: true, isPriced: true });

  assert.equal(sent.length, 2);
  assert.deepEqual(sent[0], sent[1]);
  assert.deepEqual([keeper.current.id, keeper.current.state, keeper.current.expiresMs], [id, "paying", Date.parse(UNTIL)]);
});

test("a checkout that is refused leaves the hold as it was", async () => {
  const api = {
    hold: async (claim) => ({ hold: held(claim.id) }),
    checkout: async () => {
      throw new Refused(409, { code: "payment_refused" }, null);
    },
  };
  const keeper = new HoldKeeper(api, () => {});
  await keeper.take(LINES);

  await assert.rejects(send({ api, keeper }, ANNA, { isHeld: true, isPriced: true }), { code: "payment_refused" });
  assert.equal(keeper.current.state, "held");
});

test("where no holds are taken, seats are taken with the checkout, under an id that is used again if nobody answers", async () => {
  const ids = [];
  const api = {
    checkout: async (_, { id }) => {
      ids.push(id);
      if (ids.length === 1) throw new Refused(500, { code: "failed" }, null);
      return opened();
    },
  };
  const keeper = new HoldKeeper(api, () => {});

  await assert.rejects(send({ api, keeper }, ANNA, { isHeld: false, isPriced: true }), { code: "failed" });
  await send({ api, keeper }, ANNA, { isHeld: false, isPriced: true });

  assert.equal(ids[0], ids[1]);
  assert.equal(keeper.current.id, ids[0]);
});

function held(id) {
  return { id, state: "held", lines: LINES, expires_at: UNTIL, limit_at: UNTIL, version: 1 };
}
