import assert from "node:assert/strict";
import test from "node:test";

import { passOverHasty } from "../../widget_static/widget/hasty.js";

/** A page whose clicks are heard, and what comes of them. */
function opens() {
  /** @type {Record<string, (event: any) => void>} */ const hear = {};
  passOverHasty({ addEventListener: (kind, listener) => (hear[kind] = listener) });
  return (thing, { detail = 1, at = 0, x = 0, pointerType = "mouse" } = {}) => {
    if (pointerType) hear.pointerdown({ pointerType });
    let isHeard = true;
    const stop = () => (isHeard = false);
    const closest = (wanted) => (wanted === "label" ? (thing.label ?? null) : thing);
    hear.click({ target: { closest }, detail, timeStamp: at, screenX: x, screenY: 0, preventDefault() {}, stopImmediatePropagation: stop });
    return isHeard;
  };
}

const cancel = { name: "Cancel booking" };
const yes = { name: "Yes, cancel it" };

test("the second click of a double one does not answer the question that the first has asked", () => {
  const click = opens();

  assert.ok(click(cancel));
  assert.ok(!click(yes, { detail: 2, at: 480 }), "however slow the device lets a double click be");
  assert.ok(!click(yes, { detail: 3, at: 900 }));
  assert.ok(click(yes, { at: 1_400 }));
});

test("nor does a finger that taps twice, which nobody counts", () => {
  const click = opens();

  const pointerType = "touch";

  assert.ok(click(cancel, { pointerType }));
  assert.ok(!click(yes, { pointerType, at: 200, x: 12 }));
  assert.ok(!click(yes, { pointerType, at: 500, x: 12 }), "a third time");
  assert.ok(click(yes, { pointerType, at: 1_000 }));
});

test("quick clicks on the same thing all count, and so do those elsewhere", () => {
  const click = opens();

  assert.ok(click(cancel));
  assert.ok(click(cancel, { detail: 2, at: 100 }));
  assert.ok(click(yes, { at: 150, x: 90, pointerType: "touch" }));
});

test("a mouse that comes back fast, and counts this as a new click, is believed", () => {
  const click = opens();

  assert.ok(click(cancel));
  assert.ok(click(yes, { at: 100 }));
});

test("what is pressed with the keyboard always counts, also between two taps", () => {
  const click = opens();
  const press = { detail: 0, pointerType: "" };

  assert.ok(click(cancel));
  assert.ok(click(yes, { ...press, at: 10 }));
  assert.ok(click(cancel, { ...press, at: 20 }), "Enter, twice");
  assert.ok(click(yes, { pointerType: "touch", at: 900 }));
  assert.ok(click(cancel, { ...press, at: 910 }));
});

test("nor is anything passed over that a screen reader or a switch presses without a pointer", () => {
  const click = opens();

  assert.ok(click(cancel, { pointerType: "touch" }));
  assert.ok(click(yes, { pointerType: "", at: 100 }));
  assert.ok(click(cancel, { pointerType: "", at: 200, detail: 2 }));
});

test("the click that follows on the field of a label is no second one, nor is one beside the label", () => {
  const click = opens();
  const field = {};

  assert.ok(click({ label: { control: field } }));
  assert.ok(click(field, { pointerType: "", at: 1 }));
  assert.ok(click(field, { detail: 2, at: 100 }));
});
