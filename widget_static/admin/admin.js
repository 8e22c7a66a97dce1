// @ts-check
// What makes the admin pages more comfortable. Without it they do all the same.

import { copyButton } from "./copy.js";
import { accentField, needs, unsavedNote, warning, zoneClock } from "./fields.js";
import { askBeforeLeaving } from "./leaving.js";
import { menu, printButton, showCurrent } from "./lists.js";
import { livePart } from "./live.js";
import { preview } from "./preview.js";
import { readSetupCode, revealButton } from "./password.js";
import { showChosenDay } from "./week.js";

/**
 * @template {Element} E
 * @param {string} selector
 * @param {(element: E) => void} enhance
 */
function each(selector, enhance) {
  for (const element of document.querySelectorAll(selector)) enhance(/** @type {E} */ (element));
}

each("[data-reveal]", revealButton);
each("[data-setup]", readSetupCode);
each("[data-copy]", copyButton);
each("[data-warns]", warning);
each("[data-needs]", needs);
each("[data-clock]", zoneClock);
each("[data-accent]", accentField);
each("[data-settings]", unsavedNote);
each("body:not(.door) main form[method=post]:not([data-calendar])", askBeforeLeaving);
each("[data-preview]", preview);
each("[data-live]", livePart);
each(".drawing .chosen", showChosenDay);
each("[data-print]", printButton);
each("[aria-current]", showCurrent);
each("[data-menu]", menu);
// Whoever goes back to a page that has answered a form would see the browser's own, as no page is kept. From here on, this
// entry of the history asks for the page anew. Not earlier: until then, to load it again brings back what was typed.
addEventListener("submit", () => history.replaceState(history.state, "", location.href));
// Last, so that the page has its final shape: what the server has to say comes first.
/** @type {HTMLElement | null} */ (document.querySelector("[data-focus], [aria-invalid=true]"))?.focus();
