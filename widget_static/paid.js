// @ts-check
/** The only place for how an order is paid, on its page: waiting for the payment, and what became of the money. */

import { Countdown } from "./widget/countdown.js";
import { element, fill, icon } from "./widget/elements.js";
import { Choosing } from "./choosing.js";
import { PaymentWatch, stepOf, whyReturned } from "./widget/payment.js";

/** @typedef {import("./widget/api.js").Order} Order */
/** @typedef {ReturnType<typeof stepOf>} Step */

/** Whoever comes back from the pay page has paid, as a rule; if nothing is heard of it for so long, perhaps not. */
const BELIEVED_MS = 20_000;
const WINDOW_MS = 15 * 60_000;
/** @type {Step[]} */ const UNDECIDED = ["waiting", "confirming", "choosing"];

export class Paid {
  #api;
  #words;
  #clock;
  #claim;
  #onChange;
  #watch;
  #countdown;
  #choosing;
  #isBelieved;
  #isWatching = false;
  #said = "";
  /** As the server last told it. @type {Order | null} */ #order = null;
  #onSight = () => document.hidden || this.#begin();

  /**
   * @param {{api: import("./orders_api.js").OrdersApi, words: import("./widget/words.js").Words,
   *   clock: import("./widget/clock.js").ServerClock, claim: import("./widget/api.js").Claim}} parts
   * @param {boolean} isBelieved  they say that they have paid
   * @param {(order: Order) => void} onChange  to be shown anew
   */
  constructor({ api, words, clock, claim }, isBelieved, onChange) {
    this.#api = api;
    this.#words = words;
    this.#clock = clock;
    this.#claim = claim;
    this.#isBelieved = isBelieved;
    this.#onChange = onChange;
    this.#watch = new PaymentWatch((atStripe) => this.#ask(atStripe), {
      onAnswer: ({ order }) => {
        const isNews = JSON.stringify(order) !== JSON.stringify(this.#order);
        this.#order = order;
        const isDecided = !UNDECIDED.includes(stepOf(order));
        if (isDecided) this.#rest(stepOf(order));
        if (isNews) this.#onChange(order); // else whoever is about to press something keeps it under their finger
        return isDecided;
      },
      onProblem: () => {},
    });
    this.#countdown = new Countdown(words, clock, WINDOW_MS, {
      onEnd: () => void this.#watch.look(true),
      onDoubt: () => void this.#watch.look(),
      onRenew: async () => {},
      announce: (text) => this.say(text),
    });
    this.#choosing = new Choosing({ api, words, claim }, {
      onChosen: (order) => {
        this.#order = order;
        this.#onChange(order);
      },
      onOutdated: () => void this.#watch.look(),
    });
    this.news = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.place = element("div", { class: "order-card" });
  }

  /** What becomes of a payment is asked here, and shown by itself. */
  get isWatching() {
    return this.#isWatching;
  }

  /** @param {boolean} atStripe */
  #ask(atStripe) {
    return atStripe ? this.#api.askPayment(this.#claim) : this.#api.order(this.#claim);
  }

  /**
   * What is to be said and done before there is a booking; what became of it is asked from now on.
   * @param {Order} order
   * @param {string} zone
   */
  show(order, zone) {
    const step = stepOf(order);
    this.#order = order;
    if (UNDECIDED.includes(step)) this.#begin();
    else this.#rest(step);
    const isChoosing = step === "choosing";
    const isOpen = isChoosing || (step === "waiting" && !this.#isBelieved);
    const untilMs = Date.parse((isChoosing ? order.payment?.offered_until : order.payment?.pay_until) ?? "");
    const state = isChoosing ? "held" : "paying";
    this.#countdown.follow(
      isOpen && untilMs > this.#clock.now()
        ? { ...this.#claim, state, lines: [], version: 0, expiresMs: untilMs, limitMs: untilMs }
        : null,
    );
    fill(this.place, ...this.#contents(order, step, zone));
    return this.place;
  }

  #begin() {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#listenForSight(false);
    this.#watch.start(true);
    if (this.#isBelieved) setTimeout(() => this.#doubt(), BELIEVED_MS);
  }

  /**
   * Nothing counts down or is asked any more. Where nothing was paid, whoever has changed something may pay the same
   * order after all, in another tab: that is looked for when they are back in this one.
   * @param {Step} step
   */
  #rest(step) {
    this.#isWatching = false;
    this.#countdown.follow(null);
    this.#listenForSight(step === "over");
  }

  /** @param {boolean} isWanted */
  #listenForSight(isWanted) {
    const change = isWanted ? "addEventListener" : "removeEventListener";
    document[change]("visibilitychange", this.#onSight);
    globalThis[change]("pageshow", this.#onSight);
  }

  /** @param {Order} order */
  titleOf(order) {
    const step = stepOf(order);
    if (step === "booked") return this.#words.say("order.title");
    return this.#words.say(`paid.${step === "waiting" && this.#isBelieved ? "confirming" : step}_title`);
  }

  /**
   * @param {Order} order
   * @param {Step} step
   * @param {string} zone
   * @returns {(HTMLElement | null)[]}
   */
  #contents(order, step, zone) {
    const words = this.#words;
    const isAsking = step === "confirming" || (step === "waiting" && this.#isBelieved);
    const isDelayed = step === "confirming" && order.payment?.delayed;
    const told = step === "returned" ? whyReturned(order) : step;
    const key = isDelayed ? "paid.delayed" : isAsking ? "paid.confirming" : `paid.${told}`;
    const { pay_until: payUntil = "", offered_until: offeredUntil } = order.payment ?? {};
    const time = words.time(Date.parse(offeredUntil ?? payUntil) || 0, zone);
    const sentence = words.say(key, { time, price: words.money(order.total) });
    if (this.#said !== key) this.say(sentence);
    this.#said = key;
    const text = element("p", {}, sentence);
    if (isDelayed) return [element("div", { class: "notice" }, icon("clock"), text)];
    if (isAsking) return [text, element("progress", { "aria-label": words.say("paid.confirming_title") })];
    if (step === "choosing") return [text, element("div", { class: "row" }, this.#countdown.element), this.#choosing.show(order, zone)];
    if (step === "waiting") return [text, this.#payButton(order), this.#hint("paid.change")];
    return [element("div", { class: "notice" }, icon(step === "over" ? "clock" : "warning"), text)];
  }

  /** @param {Order} order */
  #payButton({ payment, total }) {
    const url = payment?.pay_url;
    const label = this.#words.say("summary.pay", { price: this.#words.money(total) });
    const pay = url ? element("a", { class: "button primary", href: url }, label) : null;
    return element("div", { class: "row" }, pay, this.#countdown.element);
  }

  /** @param {string} key */
  #hint(key) {
    return element("p", { class: "quiet" }, this.#words.say(key));
  }

  /** Perhaps they came back without paying, and without saying so. */
  #doubt() {
    this.#isBelieved = false;
    if (this.#order && stepOf(this.#order) === "waiting") this.#onChange(this.#order);
  }

  /** @param {string} sentence  for whoever does not see what has changed */
  say(sentence) {
    this.news.textContent = sentence;
  }
}

/**
 * What was taken and what goes back, for the facts of the order.
 * @param {Order} order
 * @param {import("./widget/words.js").Words} words
 * @returns {[string, string][]}
 */
export function moneyFacts({ total, coupon, payment }, words) {
  /** @type {[string, import("./widget/api.js").Money | undefined][]} */
  const amounts = [
    ["paid.paid", payment?.paid],
    ["paid.refunding", payment?.refunding],
    ["paid.refunded", payment?.refunded],
  ];
  const facts = amounts.flatMap(([key, money]) => (money?.amount ? [[words.say(key), words.money(money)]] : []));
  if (payment?.refund_refused?.amount) {
    const said = words.say("paid.refused_said", { price: words.money(payment.refund_refused) });
    facts.push([words.say("paid.refused"), said]);
  }
  if (payment?.paid.amount !== total.amount) facts.unshift([words.say("order.total"), words.money(total)]);
  if (coupon) {
    const off = { code: coupon.code, discount: words.money(coupon.discount) };
    facts.unshift([words.say("order.coupon"), words.say("order.coupon_off", off)]);
  }
  return /** @type {[string, string][]} */ (facts);
}

/**
 * What cancelling brings back, where something was paid.
 * @param {Order} order
 * @param {import("./widget/words.js").Words} words
 * @param {import("./widget/api.js").Booking} [only]  the booking that would be cancelled; without it, all would be
 */
export function refundNote({ payment }, words, only) {
  if (!payment?.paid.amount) return "";
  const { paid } = payment;
  const back = only?.refund_if_cancelled ?? payment.refund_if_cancelled;
  const key = back.amount === 0 ? "paid.no_refund" : back.amount < paid.amount ? "paid.refund" : "paid.full_refund";
  return ` ${words.say(key, { price: words.money(back), paid: words.money(paid) })}`;
}
