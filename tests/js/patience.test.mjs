import assert from "node:assert/strict";
import test from "node:test";

import { Refused, Unreachable } from "../../widget_static/widget/api.js";
import { patiently } from "../../widget_static/widget/patience.js";

const busy = (retryAfterMs) => new Refused(503, { code: "unavailable" }, retryAfterMs);

/** Fails with these, then answers; notes how long was waited. */
async function asked(...problems) {
  const waits = [];
  const ask = async () => {
    const problem = problems.shift();
    if (problem) throw problem;
    return "answer";
  };
  const answer = await patiently(ask, {
    wait: async (ms) => {
      waits.push(ms);
    },
  });
  return { answer, waits };
}

test("nobody is asked again sooner than they said", async () => {
  const { answer, waits } = await asked(busy(3_000));

  assert.equal(answer, "answer");
  assert.ok(waits[0] >= 3_000 && waits[0] <= 4_500);
});

test("each wait without an answer is longer", async () => {
  const { waits } = await asked(new Unreachable(), new Unreachable(), new Unreachable());

  assert.ok(waits[0] < waits[1] && waits[1] < waits[2]);
});

test("patience ends", async () => {
  await assert.rejects(asked(busy(0), busy(0), busy(0), busy(0), busy(0)), { code: "unavailable" });
});

test("a minute is for the visitor to decide about, not to sit through", async () => {
  await assert.rejects(asked(new Refused(429, { code: "hold_budget_spent" }, 60_000)), { code: "hold_budget_spent" });
});

test("a no is a no", async () => {
  await assert.rejects(asked(new Refused(409, { code: "slot_full" }, null)), { code: "slot_full" });
});
