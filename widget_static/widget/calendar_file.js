// @ts-check
/** The only place that hands a customer the calendar file of their order. The secret stays out of every address. */

import { reach, Refused, retryAfterMs } from "./api.js";
import { element, icon } from "./elements.js";
import { sentenceFor } from "./problems.js";

/** Programs that fetch what is saved later than the click have so long for it. */
const KEPT_MS = 60_000;

/**
 * A button, and beneath it what went wrong, if anything.
 * @param {import("./api.js").Api} api
 * @param {import("./api.js").Claim} claim  of the order
 * @param {import("./words.js").Words} words
 * @param {string} [key]  what it says
 */
export function calendarButton(api, claim, words, key = "order.calendar") {
  const problem = element("p", { class: "notice is-problem", role: "alert", hidden: true });
  const button = element(
    "button",
    { type: "button", class: "button", onclick: () => void download() },
    icon("clock"),
    words.say(key),
  );
  const download = async () => {
    button.disabled = true;
    problem.hidden = true;
    try {
      save(await fetchFile(api, claim));
    } catch (trouble) {
      problem.replaceChildren(sentenceFor(trouble, words));
      problem.hidden = false;
    }
    button.disabled = false;
  };
  return element("div", { class: "to-calendar" }, element("div", { class: "row" }, button), problem);
}

/**
 * @param {import("./api.js").Api} api
 * @param {import("./api.js").Claim} claim
 */
async function fetchFile({ base }, { id, secret }) {
  const { response, answer, text } = await reach(`${base}/orders/${id}/calendar.ics`, {
    headers: { Authorization: `Bearer ${secret}` },
    credentials: "omit",
  });
  if (!response.ok) throw new Refused(response.status, answer?.error ?? {}, retryAfterMs(response));
  return text;
}

/** @param {string} text */
function save(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
  const link = element("a", { href: url, download: "booking.ics", hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
