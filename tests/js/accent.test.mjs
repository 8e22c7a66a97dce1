import assert from "node:assert/strict";
import test from "node:test";

import { accentColours, contrast, parse } from "../../widget_static/widget/accent.js";

const ACCENTS = [
  "#2f6f5e",
  "#ffffff",
  "#000000",
  "#ffd400",
  "#ff0000",
  "#00ff00",
  "#0000ff",
  "#7f7f7f",
  "#e8d9ff",
  "#16191d",
];
const SURFACES = { light: "#ffffff", dark: "#16191d" };

for (const theme of ["light", "dark"]) {
  test(`any accent is readable on ${theme}: text 4.5 to 1, lines 3 to 1`, () => {
    for (const accent of ACCENTS) {
      const colours = accentColours(accent, theme);
      const ratio = (one, other) => contrast(parse(one), parse(other));

      assert.ok(ratio(colours["--on-accent"], colours["--accent"]) >= 4.5, `${accent}: text on the accent`);
      assert.ok(ratio(colours["--on-accent"], colours["--accent-strong"]) >= 4.5, `${accent}: text under the pointer`);
      assert.ok(ratio(colours["--accent-text"], colours["--accent-soft"]) >= 4.5, `${accent}: text on the soft accent`);
      assert.ok(ratio(colours["--accent-text"], SURFACES[theme]) >= 4.5, `${accent}: text on the surface`);
      assert.ok(ratio(colours["--accent-line"], SURFACES[theme]) >= 3, `${accent}: the line around a button`);
    }
  });
}

test("an accent that is no colour falls back to ours", () => {
  assert.deepEqual(accentColours("teal", "light"), accentColours("#2f6f5e", "light"));
});
