// @ts-check
/** The only place that lists what was chosen: each time with its seats and price, what all of it costs, and until when. */

import { priceOfOne, TIMES_MAX } from "./choices.js";
import { element, fill, icon } from "./elements.js";
import { ticket } from "./ticket.js";

const REMOVE = "M7 7l10 10M17 7L7 17";

/**
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {{words: import("./words.js").Words, zone: string, site: import("./api.js").Site, nowMs: number}} At
 * @typedef {{onAdd: () => void, onRemove: (choice: Choice) => void, canRemove: boolean}} Actions
 */

/**
 * A ticket each; where there is one, with all that is to be paid.
 * @param {Choice[]} choices
 * @param {import("./api.js").Money} total
 * @param {Omit<At, "nowMs">} at
 * @param {{actionOf?: (choice: Choice) => HTMLElement | null, gone?: Choice[], isSold?: boolean}} [how]  sold: each has the
 *   price of before, which nobody tells us
 */
export function ticketsOf(choices, total, { words, zone, site }, { actionOf = () => null, gone = [], isSold = false } = {}) {
  const sum = total.amount > 0 ? words.say("price.total", { price: words.money(total) }) : words.money(total);
  const isOne = choices.length === 1;
  const tickets = choices.map((choice) => {
    const { slot, seats, service } = choice;
    const price = isOne ? sum : isSold ? "" : words.money(priceOfOne(choice));
    const booked = { ...slot, name: service.name, place: service.place, seats, price };
    const look = gone.includes(choice) ? "is-cancelled" : "";
    return element("li", { class: look }, ticket(booked, { words, zone, siteZone: site.zone }, actionOf(choice)));
  });
  return [
    element("ul", { class: `tickets${isOne ? "" : " are-several"}` }, tickets),
    !isOne && choices.some(({ service }) => service.price.amount > 0) && element("p", { class: "total" }, sum),
  ];
}

export class Tickets {
  #at;
  #choices;
  #actions;
  /** @type {import("./api.js").Money} */ #total = { amount: 0, currency: "" };
  /** Where the hold is over: those that somebody else has by now. @type {Choice[] | null} */ #gone = null;

  /**
   * @param {At} at
   * @param {Choice[]} choices
   * @param {Actions} actions
   */
  constructor(at, choices, actions) {
    this.#at = at;
    this.#choices = choices;
    this.#actions = actions;
    this.list = element("div", {});
    this.more = element("div", { class: "more-times" }, this.#more());
    this.element = element("div", {}, this.list, this.more, this.#deadline());
  }

  /** @param {import("./api.js").Money} total */
  show(total) {
    this.#total = total;
    const gone = this.#gone ?? [];
    fill(this.list, ...ticketsOf(this.#choices, total, this.#at, { gone, actionOf: (choice) => this.#remove(choice) }));
  }

  /**
   * Nothing can be added or removed any more.
   * @param {Choice[]} gone
   */
  end(gone) {
    this.more.hidden = true;
    this.#gone = gone;
    this.show(this.#total);
  }

  /** @param {Choice} choice */
  #remove(choice) {
    const { words, zone } = this.#at;
    const label = words.say("summary.remove", { time: words.moment(choice.slot.startsMs, zone) });
    const onclick = () => this.#actions.onRemove(choice);
    if (!this.#actions.canRemove || this.#gone) return null;
    return element("button", { type: "button", class: "icon-button remove", "aria-label": label, onclick }, icon("remove", REMOVE));
  }

  #more() {
    const { words } = this.#at;
    if (this.#choices.length >= TIMES_MAX) return element("p", { class: "hint" }, words.say("problem.too_many_times", { count: TIMES_MAX }));
    return element(
      "button",
      { type: "button", class: "button plain add", onclick: this.#actions.onAdd },
      icon("more"),
      words.say("summary.add"),
    );
  }

  /** Until when there is a way back, where that is not until it starts. Of several, the first says it for all. */
  #deadline() {
    const { words, zone, nowMs } = this.#at;
    const untils = this.#choices.map(({ slot, service }) => slot.startsMs - service.cancel_until_minutes * 60_000);
    if (this.#choices.every(({ service }) => service.cancel_until_minutes === 0)) return null;
    const untilMs = Math.min(...untils);
    const key = `${untilMs > nowMs ? "summary.until" : "summary.no_way_back"}${untils.length > 1 ? "_all" : ""}`;
    return element("p", { class: "deadline quiet" }, words.say(key, { time: words.moment(untilMs, zone) }));
  }
}
