// @ts-check
/** The only place for a move that is to be paid: until when, what becomes of it, and giving it up. */

import { Countdown } from "./widget/countdown.js";
import { element, fill, icon } from "./widget/elements.js";
import { patiently } from "./widget/patience.js";
import { PaymentWatch } from "./widget/payment.js";
import { sentenceFor } from "./widget/problems.js";

/** @typedef {import("./widget/api.js").Order} Order */
/** @typedef {import("./widget/api.js").MovePayment} MovePayment */

/** Whoever comes back from the pay page has paid, as a rule; if nothing is heard of it for so long, perhaps not. */
const BELIEVED_MS = 20_000;
const WINDOW_MS = 15 * 60_000;

export class PayingMove {
  #api;
  #words;
  #clock;
  #claim;
  #zone;
  #onChange;
  #watch;
  #countdown;
  #isBelieved;
  #isWatching = false;
  #isGoing = false;
  /** As the server last told it. @type {Order | null} */ #order = null;

  /**
   * @param {{api: import("./orders_api.js").OrdersApi, words: import("./widget/words.js").Words,
   *   clock: import("./widget/clock.js").ServerClock, claim: import("./widget/api.js").Claim, zone: () => string}} parts
   * @param {boolean} isBelieved  they say that they have paid
   * @param {(order: Order) => void} onChange  to be shown anew
   */
  constructor({ api, words, clock, claim, zone }, isBelieved, onChange) {
    this.#api = api;
    this.#words = words;
    this.#clock = clock;
    this.#claim = claim;
    this.#zone = zone;
    this.#isBelieved = isBelieved;
    this.#onChange = onChange;
    this.#watch = new PaymentWatch((atStripe) => (atStripe ? api.askPayment(claim) : api.order(claim)), {
      onAnswer: ({ order }) => this.#heard(order),
      onProblem: () => {},
    });
    this.#countdown = new Countdown(words, clock, WINDOW_MS, {
      onEnd: () => void this.#watch.look(true),
      onDoubt: () => void this.#watch.look(),
      onRenew: async () => {},
      announce: (text) => (this.news.textContent = text),
    });
    this.news = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.told = element("div", { role: "alert" });
    this.heading = element("h2", { id: "paying-move", tabindex: "-1" }, words.say("paying_move.title"));
    this.contents = element("div", { class: "moving-choice" });
    this.element = element(
      "section",
      { class: "moving", "aria-labelledby": "paying-move" },
      this.heading,
      this.contents,
      this.told,
      this.news,
    );
  }

  /** What becomes of it is asked here, and shown by itself. */
  get isWatching() {
    return this.#isWatching;
  }

  /**
   * What is to be said and done at the booking of this slot, if anything is.
   * @param {Order} order
   * @param {string} slot
   */
  show(order, slot) {
    const move = order.payment?.move;
    this.#order = order;
    if (!move || !isOpen(move)) this.#rest();
    if (move?.times[0]?.leaves !== slot) return null;
    if (!isOpen(move)) return this.#returned(move);
    this.#begin(move);
    fill(this.contents, this.#isBelieved ? this.#asking(move) : this.#toPay(move));
    return this.element;
  }

  /** @param {MovePayment} move */
  #toPay(move) {
    const words = this.#words;
    const said = { ...this.#said(move), until: words.time(Date.parse(move.pay_until), this.#zone()) };
    const pay = words.say("summary.pay", { price: said.price });
    return [
      element("p", {}, words.say("paying_move.waiting", said)),
      element(
        "div",
        { class: "row" },
        move.pay_url ? element("a", { class: "button primary", href: move.pay_url }, pay) : null,
        element(
          "button",
          { type: "button", class: "button", onclick: () => void this.#giveUp() },
          words.say("paying_move.keep"),
        ),
        this.#countdown.element,
      ),
    ];
  }

  /** @param {MovePayment} move */
  #asking(move) {
    const said = this.#words.say("paying_move.confirming", this.#said(move));
    return [element("p", { role: "status" }, said), element("progress", { "aria-label": said })];
  }

  /** @param {MovePayment} move */
  #returned(move) {
    const said = this.#words.say("paying_move.returned", this.#said(move));
    return element("div", { class: "notice is-problem", role: "status" }, icon("warning"), element("p", {}, said));
  }

  /** @param {MovePayment} move */
  #said({ amount, times: [{ starts_at }] }) {
    return { price: this.#words.money(amount), time: this.#words.moment(Date.parse(starts_at), this.#zone()) };
  }

  /** @param {MovePayment} move */
  #begin(move) {
    const untilMs = Date.parse(move.pay_until);
    const isAhead = !this.#isBelieved && untilMs > this.#clock.now();
    const hold = { ...this.#claim, version: 0, lines: [], expiresMs: untilMs, limitMs: untilMs };
    this.#countdown.follow(isAhead ? { ...hold, state: "paying" } : null);
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#watch.start(true);
    if (this.#isBelieved) setTimeout(() => this.#doubt(), BELIEVED_MS);
  }

  #rest() {
    if (!this.#isWatching) return;
    this.#isWatching = false;
    this.#watch.stop();
    this.#countdown.follow(null);
  }

  /** @param {Order} order */
  #heard(order) {
    const isNews = JSON.stringify(order) !== JSON.stringify(this.#order);
    this.#order = order;
    const isDecided = !order.payment?.move || !isOpen(order.payment.move);
    if (isDecided) this.#rest();
    if (isNews) this.#onChange(order); // else whoever is about to press something keeps it under their finger
    return isDecided;
  }

  /** Perhaps they came back without paying, and without saying so. */
  #doubt() {
    this.#isBelieved = false;
    if (this.#order && this.#isWatching) this.#onChange(this.#order);
  }

  async #giveUp() {
    if (this.#isGoing) return;
    this.#isGoing = true;
    fill(this.told);
    try {
      const { order } = await patiently(() => this.#api.giveUpMove(this.#claim));
      this.#rest();
      this.#onChange(order);
    } catch (problem) {
      const said = sentenceFor(problem, this.#words, this.#zone());
      fill(this.told, element("p", { class: "notice is-problem" }, icon("warning"), said));
    } finally {
      this.#isGoing = false;
    }
  }
}

/**
 * Whether a move is being paid: then nothing else can be done with the order.
 * @param {Order} order
 */
export function isMovePaid(order) {
  return Boolean(order.payment?.move && isOpen(order.payment.move));
}

/** @param {MovePayment} move */
function isOpen({ state }) {
  return state === "opening" || state === "open";
}
