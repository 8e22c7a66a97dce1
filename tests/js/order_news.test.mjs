import assert from "node:assert/strict";
import test from "node:test";

import { page, settled } from "./dom.mjs";
import { OrderNews } from "../../widget_static/order_news.js";

const YOGA = "yoga.20261126T0900Z.60";

/** Anna's order page, and a feed that tells what it is made to. */
function annas(t, order = { slots: [YOGA], isRefunding: false, isOver: false }, answer = async () => true) {
  let nowMs = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0);
  t.mock.method(performance, "now", () => nowMs);
  const streams = [];
  t.mock.method(globalThis, "fetch", async () => {
    const stream = new ReadableStream({ start: (controller) => streams.push(controller) });
    return new Response(stream);
  });
  const looks = [];
  const news = new OrderNews("/feed", () => order, () => {
    looks.push(nowMs);
    return answer();
  });
  const passes = async (ms) => {
    for (let left = ms; left > 0; left -= 500) {
      nowMs += 500;
      t.mock.timers.tick(500);
      await settled();
    }
  };
  const tells = async (kind, data) => {
    streams.at(-1).enqueue(new TextEncoder().encode(`event: ${kind}\nid: 1.1-0\ndata: ${JSON.stringify(data)}\n\n`));
    await new Promise((resolve) => setImmediate(resolve));
    await settled();
  };
  return { news, looks, passes, tells, streams };
}

const booked = (count, slot = YOGA) => ({ slots: [{ slot, booked: count, held: 1, version: count }] });

test("an order is asked for anew when seats of its time are booked or given back, and not for what is only held", async (t) => {
  const { news, looks, passes, tells } = annas(t);
  news.begin();
  await passes(500);
  await tells("hello", {});
  await passes(500);
  await tells("seats", booked(3));
  await passes(4_000);
  const before = looks.length;

  await tells("seats", booked(3));
  await tells("seats", booked(9, "lesson.20261126T0900Z.60"));
  await passes(5_000);
  assert.equal(looks.length, before);
  await tells("seats", booked(2));
  await passes(1_000);
  assert.equal(looks.length, before + 1);
  await tells("schedule", { version: 2 });
  await passes(4_000);
  assert.equal(looks.length, before + 2);
});

test("however much happens, it is asked for every three seconds at most", async (t) => {
  const { news, looks, passes, tells } = annas(t);
  news.begin();
  await passes(500);

  for (let count = 1; count <= 20; count += 1) {
    await tells("seats", booked(count));
    await passes(500);
  }

  assert.ok(looks.length <= 5, String(looks));
  assert.ok(looks.length >= 3, String(looks));
});

test("money on its way is asked after more often, and nobody is asked for ever", async (t) => {
  const { news, looks, passes } = annas(t, { slots: [YOGA], isRefunding: true, isOver: false });
  news.begin();

  await passes(60_000);
  assert.equal(looks.length, 4);
  await passes(3_600_000);
  assert.equal(looks.length, 60);
  page.dispatchEvent(new Event("visibilitychange"));
  await passes(16_000);
  assert.equal(looks.length, 62);
});

test("what is told while it is looking is looked for afterwards, and one look waits for the other", async (t) => {
  const answers = [];
  const { news, looks, passes, tells } = annas(t, undefined, () => new Promise((resolve) => answers.push(resolve)));
  news.begin();
  await passes(500);
  await tells("hello", {});
  await passes(500);
  assert.equal(looks.length, 1);

  await tells("seats", booked(2));
  await passes(9_000);
  assert.equal(looks.length, 1);
  answers.shift()(true);
  await passes(1_000);
  assert.equal(looks.length, 2);
});

test("what has to wait is looked for again, soon", async (t) => {
  const busy = { isBusy: true };
  const { news, looks, passes, tells } = annas(t, undefined, async () => !busy.isBusy);
  news.begin();
  await passes(500);
  await tells("hello", {});
  await passes(30_000);
  assert.equal(looks.length, 10);

  busy.isBusy = false;
  await passes(9_000);
  assert.equal(looks.length, 11);
});

test("pages of a large class do not all ask in one moment", async (t) => {
  const { news, looks, passes, tells } = annas(t);
  t.mock.method(Math, "random", () => 0.5);
  news.begin();
  await passes(500);
  await tells("hello", {});
  await passes(5_000);
  assert.equal(looks.length, 1);

  await tells("seats", booked(200));
  await passes(3_000);
  assert.equal(looks.length, 1);
  await passes(1_500);
  assert.equal(looks.length, 2);
});

test("what is over is not listened for, and looked at again only by who comes back to it", async (t) => {
  const order = { slots: [YOGA], isRefunding: false, isOver: false };
  const { news, looks, passes, streams } = annas(t, order);
  news.begin();
  await passes(61_000);
  assert.deepEqual([streams.length, looks.length], [1, 1]);
  order.isOver = true;
  await passes(600_000);
  assert.equal(looks.length, 2);

  page.dispatchEvent(new Event("visibilitychange"));
  await passes(1_000);
  assert.deepEqual([streams.length, looks.length], [1, 3]);
});
