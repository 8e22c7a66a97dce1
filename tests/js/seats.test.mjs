import assert from "node:assert/strict";
import test from "node:test";

import "./dom.mjs";
import { SeatStepper } from "../../widget_static/widget/seats.js";

const words = { say: (key) => key };

test("seats that were chosen before are chosen again once there are so many, and not after it was told that there are fewer", () => {
  const stepper = new SeatStepper(words);
  stepper.want(3);
  assert.equal(stepper.count, 1);
  assert.equal(stepper.limit(5), false);
  assert.equal(stepper.count, 3);

  assert.equal(stepper.limit(1), true);
  assert.equal(stepper.limit(5), false);
  assert.equal(stepper.count, 1);
});
