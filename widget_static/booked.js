// @ts-check
/** The only place for the bookings of an order on its page: each with its state and who comes, and the ways to another time. */

import { Asked, wrote } from "./asked.js";
import { Moving } from "./moving.js";
import { answersOf, comingOf } from "./order_facts.js";
import { isMovePaid, PayingMove } from "./paying_move.js";
import { bookingCard } from "./widget/confirmation.js";
import { dayAt } from "./widget/dates.js";
import { element, icon } from "./widget/elements.js";

/** @typedef {import("./widget/api.js").Booking} Booking */
/** @typedef {import("./widget/api.js").Order} Order */

/**
 * @typedef {object} Surroundings
 * @property {import("./orders_api.js").OrdersApi} api
 * @property {import("./widget/words.js").Words} words
 * @property {import("./widget/clock.js").ServerClock} clock
 * @property {import("./widget/api.js").Claim} claim
 * @property {import("./widget/api.js").Site} site
 * @property {() => string} zone  that times are shown in
 * @property {boolean} hasPaid  they came from the pay page, and say so
 *
 * @typedef {object} Listeners
 * @property {() => void} onShow  to be shown anew
 * @property {(order: Order) => void} onOrder  it is another by now
 * @property {(order: Order) => void} onDone  likewise, as its customer wanted
 */

export class Booked {
  #at;
  #on;
  /** As it is shown. @type {Order | null} */ #order = null;
  /** @type {Moving | null} */ #moving = null;
  #payingMove;
  #hasMoved = false;
  /** By the slot whose customer is asked for another time. @type {Map<string, Asked>} */ #asked = new Map();
  /** What somebody has to know who is asked no more. @type {string | null} */ #told = null;
  /** By the slot that they move away from. @type {Map<string, HTMLElement>} */ #movers = new Map();

  /**
   * @param {Surroundings} at
   * @param {Listeners} on
   */
  constructor(at, on) {
    this.#at = at;
    this.#on = on;
    this.#payingMove = new PayingMove(at, at.hasPaid, (order) => this.#heard(order));
  }

  get isMoving() {
    return this.#moving !== null;
  }

  /** Somebody is about to do something here. */
  get isBusy() {
    return this.isMoving || this.#payingMove.isWatching || [...this.#asked.values()].some(({ isBusy }) => isBusy);
  }

  /** What was told was about the order as it was. */
  forget() {
    [this.#hasMoved, this.#told] = [false, null];
  }

  /** Times are shown in another zone. */
  rezone() {
    this.#moving?.show();
  }

  /** What has become of it. */
  notices() {
    const done = this.#at.words.say("moving.done");
    return [
      this.#hasMoved && element("p", { class: "notice is-moved", role: "status" }, icon("check"), done),
      this.#told && element("p", { class: "notice is-problem", role: "alert" }, icon("warning"), this.#told),
    ];
  }

  /**
   * @param {Order} order
   * @param {boolean} canMove  nothing else is asked just now
   */
  show(order, canMove) {
    this.#order = order;
    this.#movers.clear();
    return order.bookings.map((booking) => this.#card(booking, order, canMove));
  }

  /**
   * @param {Booking} booking
   * @param {Order} order
   * @param {boolean} canMove
   */
  #card(booking, order, canMove) {
    const { words, zone, site } = this.#at;
    const { state, cancellation } = booking;
    return element(
      "div",
      { class: `order-card is-${state}` },
      element("p", { class: `state is-${state}` }, icon(state === "confirmed" ? "check" : "clock"), words.say(`order.state.${state}`)),
      bookingCard(booking, order, { words, zone: zone(), siteZone: site.zone }),
      comingOf(booking, order, words),
      answersOf(booking, words),
      cancellation?.message && wrote(cancellation.message, site.name, words),
      this.#wayOf(booking, order, canMove),
    );
  }

  /**
   * To another time.
   * @param {Booking} booking
   * @param {Order} order
   * @param {boolean} canMove
   */
  #wayOf(booking, order, canMove) {
    if (this.#moving?.booking === booking) return this.#moving.element;
    const nowMs = this.#at.clock.now();
    const isAhead = booking.state === "confirmed" && Date.parse(booking.starts_at) > nowMs;
    const paying = isAhead ? this.#payingMove.show(order, booking.slot) : null;
    if (isMovePaid(order)) return paying;
    return [paying, this.#toMoveOf(booking, order, canMove)];
  }

  /**
   * @param {Booking} booking
   * @param {Order} order
   * @param {boolean} canMove
   */
  #toMoveOf(booking, order, canMove) {
    const nowMs = this.#at.clock.now();
    const isAhead = booking.state === "confirmed" && Date.parse(booking.starts_at) > nowMs;
    if (isAhead && booking.move_request) return this.#askedOf(booking, order);
    if (!isAhead || Date.parse(booking.move_until) <= nowMs || this.#moving || !canMove) return null;
    const begin = element(
      "button",
      { type: "button", class: "button move", onclick: () => void this.#move(booking) },
      this.#at.words.say("moving.begin"),
    );
    this.#movers.set(booking.slot, begin);
    return element("div", { class: "row" }, begin);
  }

  /**
   * @param {Booking} booking
   * @param {Order} order
   */
  #askedOf(booking, order) {
    const { slot } = booking;
    let asked = this.#asked.get(slot);
    if (!asked?.renew(order)) {
      asked = new Asked({ ...this.#at, site: this.#at.site.name }, { order, booking }, {
        onMoved: (moved) => this.#moved(moved),
        onCancelled: (cancelled) => this.#cancelled(cancelled),
        onOther: () => void this.#move(/** @type {Asked} */ (this.#asked.get(slot)).booking),
        onOutdated: (told) => void this.#askAnew(slot, told),
      });
      this.#asked.set(slot, asked);
    }
    return asked.show();
  }

  /**
   * What is free may be something else by now, and perhaps nothing is asked any more.
   * @param {string} slot
   * @param {string} told
   */
  async #askAnew(slot, told) {
    const { api, claim } = this.#at;
    const order = (await api.order(claim).catch(() => null))?.order ?? this.#order;
    const asked = this.#asked.get(slot);
    if (order && asked?.renew(order)) asked.tell(told);
    else this.#told = told;
    if (order) this.#on.onOrder(order);
  }

  /** @param {Order} order */
  #cancelled(order) {
    this.forget();
    this.#on.onDone(order);
  }

  /** @param {Booking} booking */
  async #move(booking) {
    const { clock, site } = this.#at;
    const order = /** @type {Order} */ (this.#order);
    const moving = new Moving(
      this.#at,
      { order, booking, from: dayAt(clock.now(), site.zone) },
      {
        onMoved: (moved) => this.#moved(moved),
        onToPay: (asked) => this.#toPay(asked),
        onStop: () => this.#stay(booking.slot),
      },
    );
    this.forget();
    this.#moving = moving;
    this.#on.onShow();
    moving.heading.focus();
    await moving.load();
  }

  /** @param {Order} order */
  #moved(order) {
    [this.#moving, this.#hasMoved, this.#told] = [null, true, null];
    this.#asked.clear();
    this.#on.onDone(order);
  }

  /**
   * Nothing has moved yet: they are sent to the pay page, and find how it stands here when they are back.
   * @param {Order} order
   */
  #toPay(order) {
    this.#moving = null;
    this.#on.onOrder(order);
    this.#payingMove.heading.focus();
    const url = order.payment?.move?.pay_url;
    if (url) location.assign(url);
  }

  /** @param {Order} order  as it is after a move was paid, or not */
  #heard(order) {
    const slots = /** @param {Order | null} of */ (of) => JSON.stringify(of?.bookings.map(({ slot }) => slot));
    this.#hasMoved ||= slots(this.#order) !== slots(order);
    if (isMovePaid(order)) this.#on.onOrder(order);
    else this.#on.onDone(order);
  }

  /** @param {string} slot */
  #stay(slot) {
    this.#moving = null;
    this.#on.onShow();
    (this.#movers.get(slot) ?? this.#asked.get(slot)?.heading)?.focus();
  }
}
