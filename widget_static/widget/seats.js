// @ts-check
/** The only place to say how many seats. */

import { element, icon } from "./elements.js";

export class SeatStepper {
  #words;
  #most = 1;
  /** Chosen before, and to be chosen again once there are so many. */
  #wish = 1;
  count = 1;

  /** @param {import("./words.js").Words} words */
  constructor(words) {
    this.#words = words;
    this.less = this.#button("less", "seats.less", -1);
    this.more = this.#button("more", "seats.more", 1);
    this.number = element("output", { class: "stepper-number", "aria-live": "polite" });
    this.element = element(
      "div",
      { class: "stepper", role: "group", "aria-label": words.say("seats.label") },
      this.less,
      this.number,
      this.more,
    );
    this.limit(1);
  }

  /**
   * @param {number} most
   * @returns {boolean} whether fewer seats are chosen now
   */
  limit(most) {
    const before = this.count;
    this.#most = Math.max(1, most);
    this.#set(Math.max(this.count, this.#wish));
    const isFewer = this.count < before;
    if (isFewer) this.#wish = 1; // that is told, and more would come without a word
    return isFewer;
  }

  /** @param {number} count */
  want(count) {
    this.#wish = count;
    this.#set(count);
  }

  /** @param {number} count */
  #set(count) {
    this.count = Math.min(Math.max(1, count), this.#most);
    this.number.textContent = this.#words.say("seats.count", { count: this.count });
    this.less.setAttribute("aria-disabled", String(this.count <= 1));
    this.more.setAttribute("aria-disabled", String(this.count >= this.#most));
  }

  /**
   * @param {"less" | "more"} drawing
   * @param {string} label
   * @param {number} step
   */
  #button(drawing, label, step) {
    const press = () => {
      this.#wish = 1;
      this.#set(this.count + step);
    };
    return element(
      "button",
      { type: "button", class: "icon-button", "aria-label": this.#words.say(label), onclick: press },
      icon(drawing),
    );
  }
}
