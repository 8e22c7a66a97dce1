import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { all } from "./dom.mjs";
import { Ended } from "../../widget_static/widget/ended.js";
import { Words } from "../../widget_static/widget/words.js";

const english = JSON.parse(readFileSync(new URL("../../widget_static/locales/en.json", import.meta.url), "utf8"));
const NOW_MS = Date.parse("2026-11-21T12:00:00Z");
const slot = { id: "yoga.1", capacity: 1, held: 0, booked: 1, isClosed: false, untilMs: NOW_MS + 1 };
const choice = { slot, seats: 1, service: { id: "yoga" } };

/** What is said of these times, which are now like this, and on which buttons. */
function said(...now) {
  const ended = new Ended(new Words(english, "en-GB"), { announce() {} });
  const choices = now.map((_, place) => ({ ...choice, slot: { ...slot, id: `yoga.${place}` } }));
  ended.show(choices, { slotOf: (id) => now[id.split(".")[1]], nowMs: NOW_MS, wasBooked: false, isUnpaid: false });
  return [ended.element.textContent, all(ended.element, "button").map(({ textContent }) => textContent)];
}

test("of what is not offered any more nobody is told that somebody else has taken it", () => {
  for (const now of [[undefined], [{ ...slot, isClosed: true }], [{ ...slot, untilMs: NOW_MS }, undefined]]) {
    const [sentence, buttons] = said(...now);

    assert.match(sentence, /not offered any more/);
    assert.deepEqual(buttons, ["Choose another time"]);
  }
});

test("what somebody else has by now, or holds, is said to be so", () => {
  assert.match(said(slot)[0], /taken by now/);
  assert.match(said(undefined, slot)[0], /taken by now/);
  assert.match(said({ ...slot, booked: 0, held: 1 })[0], /holding it now/);
  assert.match(said({ ...slot, booked: 0 })[0], /still free/);
});
