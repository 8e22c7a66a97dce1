import assert from "node:assert/strict";
import test from "node:test";

import { answersTo } from "../../widget_static/widget/questions.js";

const questions = ["level", "mat", "from"].map((id) => ({ id }));

test("what was answered is sent, and nothing else", () => {
  const typed = { level: " Some ", mat: false, from: "  ", shoes: "of another service" };

  assert.deepEqual(answersTo(questions, typed), { level: "Some", mat: false });
  assert.deepEqual(answersTo(questions, {}), {});
  assert.deepEqual(answersTo([], typed), {});
});
