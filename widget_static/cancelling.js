// @ts-check
/** The only place for cancelling an order on its page: until when it can be, the question, and what became of it. */

import { refundNote } from "./paid.js";
import { Refused } from "./widget/api.js";
import { element, icon } from "./widget/elements.js";
import { patiently } from "./widget/patience.js";
import { sentenceFor } from "./widget/problems.js";

/** @typedef {import("./widget/api.js").Order} Order */

export class Cancelling {
  #api;
  #words;
  #clock;
  #claim;
  #zone;
  #on;
  /** Whether they are asked if they mean it. */
  isAsking = false;
  #isGoing = false;
  /** @type {string | null} */ #problem = null;

  /**
   * @param {{api: import("./orders_api.js").OrdersApi, words: import("./widget/words.js").Words,
   *   clock: import("./widget/clock.js").ServerClock, claim: import("./widget/api.js").Claim, zone: () => string}} parts
   *   `zone` is the one that times are shown in
   * @param {{onAsk: () => void, onEnd: (order: Order | null) => void}} on  the first: to be shown anew; the second: the
   *   order after all, or null where nobody knows it
   */
  constructor({ api, words, clock, claim, zone }, on) {
    this.#api = api;
    this.#words = words;
    this.#clock = clock;
    this.#claim = claim;
    this.#zone = zone;
    this.#on = on;
  }

  get isBusy() {
    return this.isAsking || this.#isGoing;
  }

  /** What went wrong was about the order as it was. */
  forget() {
    this.#problem = null;
  }

  /**
   * @param {Order} order
   * @param {boolean} isComing  some of it is still ahead
   */
  show(order, isComing) {
    const words = this.#words;
    if (order.bookings.every(({ state }) => state === "cancelled"))
      return element("p", { class: "quiet", role: "status" }, words.say("order.cancelled"));
    const isAsked = order.bookings.length === 1 && order.bookings[0].move_request;
    if (!isComing || isAsked) return null;
    const problem =
      this.#problem && element("p", { class: "notice is-problem", role: "alert" }, icon("warning"), this.#problem);
    if (this.isAsking) return this.#question(order, problem);
    const isInTime = Date.parse(order.cancel_until ?? "") > this.#clock.now();
    const cancel = isInTime && this.#button(`order.cancel${ofAll(order)}`, { onclick: () => this.#ask(true), "data-focus": true });
    return element("div", {}, problem, this.#deadline(order), cancel);
  }

  /**
   * @param {Order} order
   * @param {HTMLElement | null | ""} problem
   */
  #question(order, problem) {
    const words = this.#words;
    const yes = this.#button("order.cancel_yes", { class: "button danger", onclick: () => void this.#cancel(yes) });
    const no = this.#button("order.cancel_no", { onclick: () => this.#ask(false), "data-focus": true });
    return element(
      "div",
      { class: "ask", role: "alertdialog", "aria-labelledby": "ask" },
      element("p", { id: "ask" }, words.say(`order.cancel_ask${ofAll(order)}`), refundNote(order, words)),
      problem,
      element("div", { class: "row" }, yes, no),
    );
  }

  /**
   * @param {string} key
   * @param {import("./widget/elements.js").Attributes} attributes
   * @returns {HTMLButtonElement}
   */
  #button(key, attributes) {
    return element("button", { type: "button", class: "button", ...attributes }, this.#words.say(key));
  }

  /**
   * Until when there is a way back, or was; nothing where that is until it starts.
   * @param {Order} order
   */
  #deadline(order) {
    const [words, nowMs] = [this.#words, this.#clock.now()];
    const untilMs = Date.parse(order.cancel_until ?? "");
    if (order.bookings.some(({ starts_at }) => Date.parse(starts_at) === untilMs)) return null;
    const canMove = order.bookings.some(({ move_until }) => Date.parse(move_until) > nowMs);
    const key = `${untilMs > nowMs ? "order.until" : "order.too_late"}${canMove === untilMs > nowMs ? "" : "_cancel"}`;
    const time = words.moment(untilMs, this.#zone());
    const said = key === "order.until" && ofAll(order) ? "summary.until_all" : key;
    return element("p", { class: "deadline quiet", role: "status" }, words.say(said, { time }));
  }

  /** @param {boolean} isAsking */
  #ask(isAsking) {
    this.isAsking = isAsking;
    this.#problem = null;
    this.#on.onAsk();
  }

  /** @param {HTMLButtonElement} button */
  async #cancel(button) {
    this.#isGoing = button.disabled = true;
    button.textContent = this.#words.say("order.cancelling");
    /** @type {Order | null} */ let after = null;
    try {
      after = (await patiently(() => this.#api.cancelOrder(this.#claim))).order;
      this.isAsking = false;
      this.#problem = null;
    } catch (problem) {
      this.#problem = sentenceFor(problem, this.#words, this.#zone());
      if (problem instanceof Refused && problem.code === "too_late") {
        this.isAsking = false; // the deadline may be another one by now
        after = (await this.#api.order(this.#claim).catch(() => null))?.order ?? null;
      }
    }
    this.#isGoing = false;
    this.#on.onEnd(after);
  }
}

/**
 * Where it is about several times, the words say so.
 * @param {Order} order
 */
function ofAll({ bookings }) {
  return bookings.filter(({ state }) => state === "confirmed").length > 1 ? "_all" : "";
}
