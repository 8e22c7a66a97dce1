import assert from "node:assert/strict";
import test from "node:test";

import { Words } from "../../widget_static/widget/words.js";

const english = new Words({ "price.free": "Free" }, "en");
/** Browsers part a code and its number by a space that does not break. */
const money = (amount, currency) => english.money({ amount, currency }).replaceAll("\u00a0", " ");

test("an amount is what will be charged, in whatever unit its currency is counted", () => {
  assert.equal(money(1250, "EUR"), "€12.50");
  assert.equal(money(1250, "JPY"), "¥1,250");
  assert.equal(money(1250, "KWD"), "KWD 1.250");
});

test("currencies that browsers write without decimals are still counted in hundredths", () => {
  for (const currency of ["COP", "HUF", "IDR", "PKR", "RSD"]) {
    assert.match(money(500_000, currency), /^\w+ 5,000(\.00)?$/);
    assert.equal(money(17_550, currency), `${currency} 175.50`);
  }
});
