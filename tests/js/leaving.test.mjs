import assert from "node:assert/strict";
import { test } from "node:test";
import { page } from "./dom.mjs";

/** As much of a form as these scripts ask for. */
class Form extends EventTarget {
  dataset = { next: "0", length: "60" };
  undo = Object.assign(new EventTarget(), { hidden: true, focus() {} });

  constructor(note, { isTyped = false } = {}) {
    super();
    this.note = { textContent: note };
    this.hasAttribute = () => isTyped;
  }

  querySelector(selector) {
    return { "[data-unsaved]": this.note, "[data-undo]": this.undo }[selector] ?? null;
  }

  querySelectorAll() {
    return [];
  }
}

let leave;
globalThis.addEventListener = (type, listener) => { if (type === "beforeunload") leave = listener; };
globalThis.HTMLFormElement = Form;
globalThis.HTMLInputElement = globalThis.HTMLSelectElement = class {};
const { askBeforeLeaving } = await import("../../widget_static/admin/leaving.js");

function isAsked() {
  let asked = false;
  leave({ preventDefault: () => { asked = true; } });
  return asked;
}

test("who has typed something is asked before they leave, and not once it is sent", () => {
  const form = new Form("Nothing to save.");
  askBeforeLeaving(form);
  assert.equal(isAsked(), false);
  form.dispatchEvent(new Event("input"));
  assert.equal(isAsked(), true);
  form.dispatchEvent(new Event("submit"));
  assert.equal(isAsked(), false);
});

test("what came back with a form is typed, too", () => {
  for (const form of [new Form("Not saved yet"), new Form("Nothing to save.", { isTyped: true })]) {
    askBeforeLeaving(form);
    assert.equal(isAsked(), true);
  }
});

test("a calendar with a copied day has something to save, whatever is undone after that", async () => {
  const form = new Form("Not saved yet");
  page.querySelector = () => form;
  await import("../../widget_static/admin/calendar.js");
  const field = { closest: () => null, focus() {}, type: "text", name: "copies", value: "2" };
  form.dispatchEvent(Object.defineProperty(new Event("change"), "target", { value: field }));
  form.undo.dispatchEvent(new Event("click"));
  assert.equal(form.note.textContent, "Not saved yet");
  assert.equal(isAsked(), true);
  form.dispatchEvent(new Event("submit"));
  assert.equal(isAsked(), false);
});
