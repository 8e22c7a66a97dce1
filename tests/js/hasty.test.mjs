import assert from "node:assert/strict";
import test from "node:test";

import { passOverHasty } from "../../widget_static/widget/hasty.js";

/** A page whose clicks are heard, and what comes of them. */
function opens() {
  /** @type {(event: any) => void} */ let hear = () => {};
  passOverHasty({ addEventListener: (_, listener) => (hear = listener) });
  return (thing, { detail = 1, at = 0, x = 0, pointerType = "mouse" } = {}) => {
    let isHeard = true;
    const stop = () => (isHeard = false);
    const closest = (wanted) => (wanted === "label" ? (thing.label ?? null) : thing);
    hear({ target: { closest }, detail, pointerType, timeStamp: at, screenX: x, screenY: 0, preventDefault() {}, stopImmediatePropagation: stop });
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

test("what is pressed with the keyboard always counts", () => {
  const click = opens();

  assert.ok(click(cancel));
  assert.ok(click(yes, { detail: 0, at: 10 }));
});

test("the click that follows on the field of a label is no second one", () => {
  const click = opens();
  const field = {};

  assert.ok(click({ label: { control: field } }));
  assert.ok(click(field, { at: 1 }));
});
