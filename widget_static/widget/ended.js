// @ts-check
/** The only place that says that a hold is over, and what can be done: hold again what is still free, or look for another time. */

import { leftOf, stateOf } from "./availability.js";
import { seatsOf } from "./choices.js";
import { element, fill, icon } from "./elements.js";

/**
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {{onAgain: (free: Choice[]) => void, onOther: () => void, announce: (text: string) => void}} Listeners
 * @typedef {{slotOf: (id: string) => Slot | undefined, nowMs: number, wasBooked: boolean, isUnpaid: boolean}} Now
 *   `wasBooked` by the site's operator, for this visitor; `isUnpaid`: the time to pay for it is over
 */

/**
 * What of it could be held again.
 * @param {Choice[]} choices
 * @param {Now} now
 */
function freeOf(choices, { slotOf, nowMs, wasBooked }) {
  return choices.filter(({ slot: { id }, seats }) => {
    const slot = slotOf(id);
    return !wasBooked && slot !== undefined && stateOf(slot, nowMs) === "open" && leftOf(slot) >= seats;
  });
}

export class Ended {
  #words;
  #listeners;
  #shown = "";

  /**
   * @param {import("./words.js").Words} words
   * @param {Listeners} listeners
   */
  constructor(words, listeners) {
    this.#words = words;
    this.#listeners = listeners;
    this.element = element("div", { class: "notice is-ended", hidden: true });
  }

  /** Held again: nothing is over. */
  hide() {
    this.#shown = "";
    this.element.hidden = true;
  }

  /**
   * @param {Choice[]} choices
   * @param {Now} now
   * @returns {Choice[]} those that somebody else has by now
   */
  show(choices, now) {
    const { wasBooked, isUnpaid } = now;
    const free = freeOf(choices, now);
    const gone = wasBooked ? [] : choices.filter((choice) => !free.includes(choice));
    const key = wasBooked ? "ended.booked" : this.#keyOf(choices, free, now);
    const shown = JSON.stringify([key, free.map(({ slot }) => slot.id)]);
    if (shown === this.#shown) return gone;
    const isNew = !this.#shown;
    this.#shown = shown;
    const count = seatsOf(choices);
    const title = this.#words.say(wasBooked ? "ended.booked_title" : isUnpaid ? "ended.unpaid_title" : "ended.title", { count });
    const sentence = this.#words.say(key, { count: key === "ended.some" ? free.length : count });
    this.#draw(title, sentence, free);
    if (isNew) this.#listeners.announce(`${title} ${sentence}`);
    return gone;
  }

  /**
   * @param {Choice[]} choices
   * @param {Choice[]} free
   * @param {Now} now
   */
  #keyOf(choices, free, { slotOf, nowMs }) {
    if (free.length > 0) return free.length < choices.length ? "ended.some" : "ended.free";
    const states = choices.map(({ slot: { id } }) => {
      const slot = slotOf(id);
      return slot ? stateOf(slot, nowMs) : "closed";
    });
    if (states.every((state) => state === "closed")) return "ended.gone";
    return choices.length === 1 && states[0] === "held" ? "ended.held" : "ended.taken";
  }

  /**
   * @param {string} title
   * @param {string} sentence
   * @param {Choice[]} free
   */
  #draw(title, sentence, free) {
    const { onAgain, onOther } = this.#listeners;
    const again = free.length > 0 && this.#button("ended.again", () => onAgain(free), "primary");
    const other = this.#button("ended.other", onOther, again ? "" : "primary");
    const text = element("p", {}, element("strong", {}, title), " ", sentence);
    const had = this.element.contains(document.activeElement);
    fill(this.element, icon("clock"), element("div", {}, text, element("div", { class: "row" }, again, other)));
    this.element.hidden = false;
    if (!had) return;
    this.focus();
    this.#listeners.announce(sentence);
  }

  /** On what can be done now. */
  focus() {
    this.element.querySelector("button")?.focus();
  }

  /**
   * @param {string} key
   * @param {() => void} onclick
   * @param {string} look
   */
  #button(key, onclick, look) {
    return element("button", { type: "button", class: `button ${look}`, onclick }, this.#words.say(key));
  }
}
