// @ts-check
/** The only place for a booking whose customer is asked for another time: what is free instead, each with one click. */

import { refundNote } from "./paid.js";
import { newId, Refused } from "./widget/api.js";
import { dayAt } from "./widget/dates.js";
import { element, fill, icon } from "./widget/elements.js";
import { patiently } from "./widget/patience.js";
import { sentenceFor } from "./widget/problems.js";

/** @typedef {import("./widget/api.js").Order} Order */
/** @typedef {import("./widget/api.js").Booking} Booking */
/** @typedef {{slot: string, starts_at: string, ends_at: string}} Alternative */

/** After these, other times may be free than those that are shown, or nothing may be asked any more. */
const OUTDATED = ["slot_full", "slot_closed", "too_soon", "too_far", "hold_ended", "too_late", "changed"];

/** Of refusals that say nothing about what was asked: the body came too slowly, or it was asked too often. */
const UNDECIDED = [408, 429];

export class Asked {
  #api;
  #words;
  #claim;
  #zone;
  #site;
  #on;
  #order;
  #isAsking = false;
  #isBusy = false;
  /** Under which id each time is asked for: the same again is the same call. @type {Map<string, string>} */ #ids = new Map();

  /**
   * @param {{api: import("./orders_api.js").OrdersApi, words: import("./widget/words.js").Words, claim: import("./widget/api.js").Claim,
   *   zone: () => string, site: string}} parts  `zone` is the one that times are shown in, `site` the name of the site
   * @param {{order: Order, booking: Booking}} asked
   * @param {{onMoved: (order: Order) => void, onCancelled: (order: Order) => void, onOther: () => void,
   *   onOutdated: (told: string) => void}} on
   */
  constructor({ api, words, claim, zone, site }, { order, booking }, on) {
    this.#api = api;
    this.#words = words;
    this.#claim = claim;
    this.#zone = zone;
    this.#site = site;
    this.#order = order;
    this.booking = booking;
    this.#on = on;
    this.told = element("div", { role: "alert" });
    this.choices = element("div", { class: "asked-choices" });
    this.heading = element("h2", { id: `asked-${booking.slot}`, tabindex: "-1" });
    this.element = element("section", { class: "moving asked", "aria-labelledby": this.heading.id });
  }

  /** Somebody is choosing here, or waits for what they have chosen. */
  get isBusy() {
    return this.#isAsking || this.#isBusy;
  }

  /** @param {Order} order  with times that are free by now */
  renew(order) {
    const booking = order.bookings.find(({ slot }) => slot === this.booking.slot);
    if (!booking?.move_request) return false;
    [this.#order, this.booking] = [order, booking];
    return true;
  }

  /** Anew, also when times are to be shown in another zone. */
  show() {
    const words = this.#words;
    const { message, alternatives } = this.booking.move_request ?? { message: "", alternatives: [] };
    this.heading.textContent = words.say("asked.title", { site: this.#site });
    fill(
      this.element,
      this.heading,
      message && wrote(message, this.#site, words),
      element("p", {}, words.say(alternatives.length > 0 ? "asked.choose" : "asked.none")),
      alternatives.length > 0 && element("div", { class: "asked-times" }, alternatives.map((time) => this.#time(time))),
      this.told,
      this.choices,
      element("p", { class: "quiet" }, words.say("asked.note")),
    );
    this.#showChoices();
    return this.element;
  }

  /** @param {string} sentence */
  tell(sentence) {
    fill(this.told, element("p", { class: "notice is-problem" }, icon("warning"), sentence));
  }

  /** @param {Alternative} time */
  #time(time) {
    const words = this.#words;
    const [startsMs, endsMs] = [Date.parse(time.starts_at), Date.parse(time.ends_at)];
    /** @type {HTMLButtonElement} */
    const button = element(
      "button",
      { type: "button", class: "button asked-time", "data-slot": time.slot, onclick: () => void this.#move(time, button) },
      element("span", {}, words.day(dayAt(startsMs, this.#zone()))),
      element("strong", {}, words.times(startsMs, endsMs, this.#zone())),
    );
    return button;
  }

  #showChoices() {
    const words = this.#words;
    if (!this.#isAsking) {
      fill(
        this.choices,
        this.#button("asked.other", () => this.#on.onOther()),
        this.#button("asked.cancel", () => this.#ask(true)),
      );
      return;
    }
    const yes = this.#button("order.cancel_yes", () => void this.#cancel(yes), "danger");
    const no = this.#button("order.cancel_no", () => this.#ask(false));
    const back = refundNote(this.#order, words, this.booking);
    const question = element("p", { id: "asked-cancel" }, words.say("order.cancel_ask"), back);
    const row = element("div", { class: "row" }, yes, no);
    fill(this.choices, element("div", { class: "ask", role: "alertdialog", "aria-labelledby": "asked-cancel" }, question, row));
    no.focus();
  }

  /**
   * @param {string} key
   * @param {() => void} onclick
   * @param {string} [look]
   * @returns {HTMLButtonElement}
   */
  #button(key, onclick, look = "") {
    return element("button", { type: "button", class: `button ${look}`, onclick }, this.#words.say(key));
  }

  /** @param {boolean} isAsking */
  #ask(isAsking) {
    this.#isAsking = isAsking;
    this.#showChoices();
    if (!isAsking) /** @type {HTMLElement | null} */ (this.choices.lastElementChild)?.focus();
  }

  /**
   * @param {Alternative} time
   * @param {HTMLButtonElement} button
   */
  async #move(time, button) {
    const lines = this.#order.bookings.map(({ slot, seats }) => ({ slot: slot === this.booking.slot ? time.slot : slot, seats }));
    const id = this.#ids.get(time.slot) ?? newId();
    this.#ids.set(time.slot, id);
    await this.#do(button, "moving.going", async () => {
      try {
        this.#on.onMoved((await patiently(() => this.#api.reschedule(this.#claim, { id, lines }))).order);
      } catch (problem) {
        if (isForGood(problem)) this.#ids.delete(time.slot);
        throw problem;
      }
    });
  }

  /** @param {HTMLButtonElement} button */
  async #cancel(button) {
    await this.#do(button, "order.cancelling", async () => {
      this.#on.onCancelled((await patiently(() => this.#api.cancelOrder(this.#claim, this.booking.slot))).order);
    });
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string} going
   * @param {() => Promise<void>} act
   */
  async #do(button, going, act) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    button.setAttribute("aria-busy", "true");
    const shown = [...button.childNodes];
    button.textContent = this.#words.say(going);
    fill(this.told);
    try {
      await act();
    } catch (problem) {
      this.#failed(problem);
    } finally {
      this.#isBusy = false;
      button.removeAttribute("aria-busy");
      button.replaceChildren(...shown);
    }
  }

  /** @param {unknown} problem */
  #failed(problem) {
    if (!(problem instanceof Refused && OUTDATED.includes(problem.code))) {
      return this.tell(sentenceFor(problem, this.#words, this.#zone()));
    }
    // A no is for good under these ids, and what is shown may not be free any more.
    this.#ids.clear();
    const isTaken = !["too_late", "changed"].includes(problem.code);
    this.#on.onOutdated(isTaken ? this.#words.say("moving.taken") : sentenceFor(problem, this.#words, this.#zone()));
  }
}

/**
 * Whether what was asked has not happened, and never will under its id. All else may have happened at an earlier try.
 * @param {unknown} problem
 */
function isForGood(problem) {
  return problem instanceof Refused && problem.status < 500 && !UNDECIDED.includes(problem.status);
}

/**
 * What the operator has written, as they have written it.
 * @param {string} message
 * @param {string} site
 * @param {import("./widget/words.js").Words} words
 */
export function wrote(message, site, words) {
  return element(
    "blockquote",
    { class: "wrote" },
    element("p", { class: "quiet" }, words.say("order.wrote", { site })),
    element("p", { class: "wrote-text" }, message),
  );
}
