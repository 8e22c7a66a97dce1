// @ts-check
/** The only place that hands a customer the calendar file of their order. The secret stays out of every address. */

import { element, icon } from "./widget/elements.js";
import { sentenceFor } from "./widget/problems.js";

/**
 * A button, and beneath it what went wrong, if anything.
 * @param {() => Promise<string>} fetchFile
 * @param {import("./widget/words.js").Words} words
 */
export function calendarButton(fetchFile, words) {
  const problem = element("p", { class: "notice is-problem", role: "alert", hidden: true });
  const button = element(
    "button",
    { type: "button", class: "button", onclick: () => void download() },
    icon("clock"),
    words.say("order.calendar"),
  );
  const download = async () => {
    button.disabled = true;
    problem.hidden = true;
    try {
      save(await fetchFile());
    } catch (trouble) {
      problem.replaceChildren(sentenceFor(trouble, words));
      problem.hidden = false;
    }
    button.disabled = false;
  };
  return element("div", { class: "calendar" }, element("div", { class: "row" }, button), problem);
}

/** @param {string} text */
function save(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
  element("a", { href: url, download: "booking.ics" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
