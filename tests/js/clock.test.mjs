import assert from "node:assert/strict";
import test from "node:test";

import { ServerClock } from "../../widget_static/widget/clock.js";

const NOON = Date.parse("2026-11-21T12:00:00Z");

/** A device whose ticks and clock the test moves. */
function device({ wall = NOON, ticks = 1_000 } = {}) {
  const at = { wall, ticks };
  const clock = new ServerClock({ ticks: () => at.ticks, wall: () => at.wall });
  const pass = (ms) => {
    at.ticks += ms;
    at.wall += ms;
  };
  return { at, clock, pass };
}

test("a device clock that is an hour wrong does not matter", () => {
  const { clock, pass } = device({ wall: NOON - 3_600_000 });

  clock.learn("2026-11-21T12:00:00Z", clock.ticks());
  pass(5_000);

  assert.equal(clock.now(), NOON + 5_000);
  assert.equal(clock.isDoubtful, false);
});

test("an answer that took long is not taken for more exact than it is", () => {
  const { clock, pass } = device();
  const asked = clock.ticks();
  pass(400);

  clock.learn("2026-11-21T12:00:00Z", asked);

  assert.equal(clock.now(), NOON + 200);
});

test("what was sent long ago and is read late does not turn time back", () => {
  const { clock, pass } = device();
  clock.learn("2026-11-21T12:00:00Z", clock.ticks());
  pass(60_000);

  clock.learn("2026-11-21T12:00:10Z");

  assert.equal(clock.now(), NOON + 60_000);
});

test("after sleep time has gone on, and the server is to be asked", () => {
  const { at, clock } = device();
  clock.learn("2026-11-21T12:00:00Z", clock.ticks());
  at.wall += 300_000;

  assert.equal(clock.now(), NOON + 300_000);
  assert.equal(clock.isDoubtful, true);
  clock.learn("2026-11-21T12:05:01Z", clock.ticks());
  assert.equal(clock.now(), NOON + 301_000);
  assert.equal(clock.isDoubtful, false);
});

test("a device clock set by an hour meanwhile is found out by the next answer", () => {
  const { at, clock, pass } = device();
  clock.learn("2026-11-21T12:00:00Z", clock.ticks());
  at.wall += 3_600_000;
  pass(1_000);

  clock.learn("2026-11-21T12:00:01Z", clock.ticks());

  assert.equal(clock.now(), NOON + 1_000);
});

test("while a hold runs the time of its answers counts, not that of another machine", () => {
  const { clock, pass } = device();
  clock.learn("2026-11-21T12:00:00Z", clock.ticks());
  clock.isHolding = true;
  pass(1_000);

  clock.learn("2026-11-21T12:00:04Z");
  assert.equal(clock.now(), NOON + 1_000);
  clock.learn("2026-11-21T12:00:02Z", clock.ticks());
  assert.equal(clock.now(), NOON + 2_000);

  clock.isHolding = false;
  clock.learn("2026-11-21T12:00:04Z");
  assert.equal(clock.now(), NOON + 4_000);
});
