// @ts-check
/** The only place that says in a few lines what is about to be booked, or was: what, when, for how many. */

import { dayAt } from "./dates.js";
import { element, icon } from "./elements.js";
import { siteTime } from "./zone.js";

const PEOPLE =
  "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.4a3.5 3.5 0 0 1 0 6.2M18 15c2 .8 3.2 2.5 3.5 5";

/**
 * @param {{name: string, startsMs: number, endsMs: number, seats: number, place: string, price?: string, servedBy?: string[]}} booked
 * @param {{words: import("./words.js").Words, zone: string, siteZone: string}} at
 * @param {HTMLElement | null} [action]
 */
export function ticket({ name, startsMs, endsMs, seats, place, price, servedBy = [] }, { words, zone, siteZone }, action = null) {
  const day = dayAt(startsMs, zone);
  const there = siteTime({ startsMs, endsMs }, { shown: zone, site: siteZone }, words);
  const zoneNote = there ? words.say("zone.named", { city: words.city(zone) }) : null;
  return element(
    "div",
    { class: "ticket" },
    leaf(day, words),
    element(
      "div",
      { class: "ticket-text" },
      element("p", { class: "ticket-name" }, name),
      element("p", { class: "ticket-day" }, words.fullDay(day)),
      element(
        "p",
        { class: "ticket-time" },
        words.times(startsMs, endsMs, zone),
        zoneNote && element("span", { class: "quiet" }, ` ${zoneNote}`),
      ),
      there && element("p", { class: "quiet" }, there),
    ),
    action,
    element(
      "ul",
      { class: "facts" },
      element("li", {}, icon("people", PEOPLE), words.say("seats.count", { count: seats })),
      element("li", {}, icon(place === "online" ? "online" : "place"), words.say(`place.${place}`)),
      servedBy.length > 0 && element("li", {}, icon("people", PEOPLE), words.say("served_by", { names: words.list(servedBy) })),
      price && element("li", { class: "price" }, price),
    ),
  );
}

/**
 * A leaf of a calendar; what it shows is said in words beside it.
 * @param {string} day
 * @param {import("./words.js").Words} words
 */
function leaf(day, words) {
  return element(
    "div",
    { class: "leaf", "aria-hidden": "true" },
    element("span", {}, words.weekday(day, "short")),
    element("strong", {}, words.dayNumber(day)),
  );
}
