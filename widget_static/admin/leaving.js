// @ts-check
// Asks before a page is left on which somebody has typed what they have not sent: browsers bring back only a part of it.

import { NOT_SAVED } from "./fields.js";

/** @param {HTMLFormElement} form */
export function askBeforeLeaving(form) {
  let isTyped = form.hasAttribute("data-typed") || form.querySelector("[data-unsaved]")?.textContent === NOT_SAVED;
  let isSent = false;
  form.addEventListener("input", () => { isTyped = true; });
  form.addEventListener("submit", () => { isSent = true; });
  addEventListener("beforeunload", (event) => {
    if (isTyped && !isSent) event.preventDefault();
  });
}
