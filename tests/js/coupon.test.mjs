import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { all, page, press, settled } from "./dom.mjs";
import { Refused } from "../../widget_static/widget/api.js";
import { priceOf, wantedOf } from "../../widget_static/widget/choices.js";
import { Coupon } from "../../widget_static/widget/coupon.js";
import { Summary } from "../../widget_static/widget/summary.js";
import { Words } from "../../widget_static/widget/words.js";

Object.assign(Object.getPrototypeOf(page.createElement("p")), { contains: () => false, querySelector: () => null });

const WORDS = new Words(JSON.parse(readFileSync(new URL("../../widget_static/locales/en.json", import.meta.url), "utf8")), "en-GB");
const euros = (amount) => ({ amount, currency: "EUR" });
const HALF = { subject: '[["piano",2400]]', coupon: "Half", full: euros(2400), discount: euros(1200), total: euros(1200) };
const PIANO = { id: "piano", name: "Piano", price: euros(1200), questions: [], cancel_until_minutes: 0, attendees_shown: "nobody" };
const CHOICE = { slot: { id: "piano.20261126T0900Z.60", startsMs: 0, endsMs: 0 }, seats: 2, service: PIANO };
const VIOLIN = { ...CHOICE, slot: { ...CHOICE.slot, id: "violin.20261126T0900Z.60" }, service: { ...PIANO, id: "violin" } };
const unknown = new Refused(409, { code: "coupon_refused", reason: "unknown" }, null);

/** Her field, with a server that answers what is planned, each when it is told to. */
function annas(typed = { code: "", quote: null }) {
  const [asked, heard] = [[], []];
  const coupon = new Coupon(WORDS, typed, {
    ask: (code) => new Promise((resolve, reject) => asked.push({ code, resolve, reject })),
    onPrice: () => heard.push("price"),
    announce: (text) => heard.push(text),
  });
  const type = (code) => {
    coupon.input.value = code;
    coupon.input.dispatchEvent(new Event("input"));
  };
  return { coupon, typed, asked, heard, type };
}

test("a code is worth what the server says, and can be taken away again", async () => {
  const { coupon, typed, asked, heard, type } = annas();
  type(" half ");
  assert.equal(coupon.isOpen, true);

  press(coupon.element, "Apply");
  asked[0].resolve(HALF);
  await settled();

  assert.equal(asked[0].code, "half");
  assert.deepEqual(heard, ["price", "Half takes €12.00 off: €12.00 instead of €24.00."]);
  assert.equal(coupon.isOpen, false);
  assert.deepEqual(priceOf([CHOICE], { coupon: typed }), euros(1200));
  press(coupon.element, "Remove");
  assert.deepEqual(typed, { code: "", quote: null });
  assert.deepEqual(priceOf([CHOICE], { coupon: typed }), euros(2400));
});

test("why it does not count is said at the field, and what was typed stays", async () => {
  const { coupon, typed, asked, type } = annas();
  type("nonsense");

  press(coupon.element, "Apply");
  asked[0].reject(unknown);
  await settled();

  assert.equal(coupon.problem.textContent, "We don’t know this code. Please look whether it is typed right.");
  assert.deepEqual(typed, { code: "nonsense", quote: null });
  assert.equal(all(coupon.element, "input")[0].attributes.get("aria-invalid"), "true");
});

test("what is answered to a code that is not the last one any more is passed over", async () => {
  const { coupon, typed, asked, type } = annas();
  type("first");
  press(coupon.element, "Apply");
  type("second");

  asked[0].resolve(HALF);
  await settled();

  assert.deepEqual(typed, { code: "second", quote: null });
  assert.equal(coupon.isOpen, true);
});

test("a code that is refused when it is used takes nothing off any more", async () => {
  const typed = { code: "half", quote: HALF };
  const { coupon, heard } = annas(typed);
  assert.equal(coupon.worth.hidden, false);

  coupon.refuse(new Refused(409, { code: "coupon_refused", reason: "used_up" }, null));

  assert.equal(typed.quote, null);
  assert.deepEqual(heard, ["price", "This code has been used as often as it may be."]);
  assert.deepEqual([coupon.worth.hidden, coupon.entry.hidden], [true, false]);
});

test("it is sent as its operator wrote it, and what it was worth for other seats does not count", () => {
  const typed = { name: "Anna", email: "anna@example.org", attendees: [], coupon: { code: "half", quote: HALF } };
  const at = { zone: "UTC", locale: "en" };

  assert.equal(wantedOf([CHOICE], typed, at).coupon, "Half");
  assert.deepEqual(priceOf([{ ...CHOICE, seats: 1 }], typed), euros(1200));
  assert.equal("coupon" in wantedOf([CHOICE], { ...typed, coupon: { code: "half", quote: null } }, at), false);
});

test("what a code is worth for one service is no promise for another of the same price, however late it is said", async () => {
  const [typed, asked] = [{ name: "Anna", email: "anna@example.org", attendees: [] }, []];
  const onCode = (code, [{ slot }]) => new Promise((resolve) => asked.push({ code, slot, resolve }));
  const at = { words: WORDS, zone: "UTC", site: { coupons: true, holds_on: true, zone: "UTC" }, nowMs: 0 };
  const summary = (choice) => new Summary(at, [choice], typed, { onCode, announce: () => {} });
  const { subject: _, ...answer } = HALF;
  const first = summary(CHOICE);
  first.coupon.input.value = "half";
  first.coupon.input.dispatchEvent(new Event("input"));
  void first.coupon.apply();
  void first.coupon.apply();
  asked[0].resolve(answer);
  await settled();
  assert.equal(priceOf([CHOICE], typed).amount, 2400);
  asked[1].resolve(answer);
  await settled();
  assert.equal(priceOf([CHOICE], typed).amount, 1200);
  void first.coupon.apply();

  summary(VIOLIN);
  asked[2].resolve(answer);
  await settled();

  assert.deepEqual(asked.map(({ slot }) => slot), [...Array(3).fill(CHOICE.slot.id), VIOLIN.slot.id]);
  assert.deepEqual(typed.coupon, { code: "half", quote: null });
  assert.equal(priceOf([VIOLIN], typed).amount, 2400);
  assert.equal(priceOf([VIOLIN], { coupon: { code: "half", quote: HALF } }).amount, 2400);
  assert.equal("coupon" in wantedOf([VIOLIN], typed, at), false);
});

test("what a code is worth for several times counts for just these, and is asked for again when one is added", async () => {
  const [typed, asked] = [{ name: "Anna", email: "anna@example.org", attendees: [], coupon: { code: "half", quote: HALF } }, []];
  const onCode = (code, lines) => new Promise((resolve) => asked.push({ code, lines, resolve }));
  const at = { words: WORDS, zone: "UTC", site: { coupons: true, holds_on: true, zone: "UTC" }, nowMs: 0 };

  const summary = new Summary(at, [CHOICE, VIOLIN], typed, { onCode, announce: () => {} });

  assert.equal(priceOf([CHOICE, VIOLIN], typed).amount, 4800);
  assert.deepEqual(asked.map(({ code, lines }) => [code, lines.length]), [["half", 2]]);
  asked[0].resolve({ coupon: "Half", full: euros(4800), discount: euros(1200), total: euros(3600) });
  await settled();
  assert.equal(priceOf([CHOICE, VIOLIN], typed).amount, 3600);
  assert.equal(priceOf([CHOICE], typed).amount, 2400);
  assert.equal(all(summary.element, "p").filter(({ textContent }) => textContent === "€36.00 in total").length, 1);
});
