// @ts-check
/** The only place that knows the way from a chosen time to its booking: summary, confirmation, paying, and every way back. */

import { leftOf } from "./availability.js";
import { Refused, Unreachable } from "./api.js";
import { asks, priceOf, wantedOf } from "./choices.js";
import { Confirmation } from "./confirmation.js";
import { send } from "./confirming.js";
import { element, fill, icon } from "./elements.js";
import { mayBeOurs } from "./hold.js";
import { Holding } from "./holding.js";
import { jittered, patiently } from "./patience.js";
import { openTab, Paying } from "./paying.js";
import { sentenceFor } from "./problems.js";
import { resumed } from "./resuming.js";
import { Summary } from "./summary.js";

const MINUTE_MS = 60_000;
/** When fewer seats are held than ours, our hold is gone or just changing: it is asked after in this time. */
const RECHECK_MS = 500;
/** What was typed is kept once there is a pause of this length: some browsers keep only so much in so much time. */
const KEEP_TYPED_MS = 500;
/** Refusals after which there is no hold any more. */
const ENDED = new Set(["hold_ended", "slot_full", "slot_closed", "too_soon", "too_far", "not_found"]);

/**
 * @typedef {import("./api.js").Service} Service
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {{element: HTMLElement, focus: () => void}} View
 * @typedef {object} Surroundings
 * @property {import("./api.js").Api} api
 * @property {import("./words.js").Words} words
 * @property {import("./clock.js").ServerClock} clock
 * @property {import("./availability.js").Availability} availability
 * @property {import("./host.js").Host} host
 * @property {import("./page.js").Page} page
 * @property {import("./zone.js").ZoneChoice} zone
 * @property {import("./visit.js").Offer} offer
 * @property {import("./summary.js").Typed} typed
 * @property {string} visitor
 *
 * @typedef {object} Ways  that lead out of it
 * @property {() => void} onStep  a step of it is about to be shown
 * @property {(service: Service, choice?: Choice) => void} onTime  to its times, where this one was chosen
 * @property {(service: Service | null) => void} onStart  to what is on offer, or to the times of the only service
 * @property {() => void} onGone  what was chosen is not offered any more
 * @property {() => Promise<void>} refresh  has everything that is shown asked for again
 * @property {(id: string, service: Service) => Promise<Slot | undefined>} slotOf
 */

export class Ordering {
  #at;
  #ways;
  #holding;
  #keeper;
  /** @type {Summary | null} */ #summary = null;
  /** @type {Choice | null} */ #choice = null;
  /** Of what was chosen last, as long as it is offered. @type {Service | null} */ #service = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #keeping;
  isBooked = false;

  /**
   * @param {Surroundings} at
   * @param {Ways} ways
   */
  constructor(at, ways) {
    const { host, page, offer, typed, visitor } = at;
    this.#at = at;
    this.#ways = ways;
    this.#holding = new Holding(
      { ...at, lengthMs: offer.site.hold_minutes * MINUTE_MS },
      { onChange: () => this.#showHeld(), onBookedUnheard: () => this.#confirmAgain() },
    );
    this.#keeper = this.#holding.keeper;
    this.#keeper.visitor = visitor;
    page.stage.addEventListener("input", () => {
      clearTimeout(this.#keeping);
      this.#keeping = setTimeout(() => host.keepTyped(typed), KEEP_TYPED_MS);
    });
  }

  get #site() {
    return this.#at.offer.site;
  }

  /** @param {string} id  as the host page has kept it */
  set visitor(id) {
    this.#keeper.visitor = id;
  }

  /** What is chosen, as long as a step of this is shown. */
  get choice() {
    return this.#choice;
  }

  /** Held by nobody in a moment, and still counted as held. */
  get leavingSlot() {
    return this.#keeper.leaving?.lines[0].slot ?? null;
  }

  /** Another step is about to be shown. */
  leave() {
    this.#holding.paying?.stop();
    this.#holding.paying = null;
    this.#summary = this.#choice = null;
  }

  /** Sets the seats aside, where the site does that, and sums up. @param {Choice} choice */
  async take(choice) {
    if (this.#site.holds_on) {
      await this.#keeper.take([{ slot: choice.slot.id, seats: choice.seats }]);
      this.#at.page.calm();
    }
    this.#summarise(choice).focus();
  }

  /**
   * @param {Choice} choice
   * @param {boolean} [isUnpaid]  the time to pay for it is over
   */
  #summarise(choice, isUnpaid = false) {
    const { words, page, zone, clock, api, typed } = this.#at;
    this.#ways.onStep();
    this.#choice = choice;
    this.#service = choice.service;
    page.name({ title: words.say("summary.title"), above: this.#back("summary.back", () => this.#giveBack(choice)) });
    this.#summary = new Summary(
      { words, zone: zone.current, site: this.#site, nowMs: clock.now() },
      choice,
      typed,
      {
        onOther: () => this.#giveBack(choice),
        onCancel: () => this.#cancel(),
        onConfirm: () => this.#confirm(choice),
        onCode: (code, lines) => patiently(() => api.quote(code, lines)),
        onHoldAgain: () => this.#holdAgain(choice),
        announce: (text) => page.announce(text),
      },
      isUnpaid,
    );
    this.#showHeld();
    return this.#enter({ element: this.#summary.element, focus: () => page.focus() });
  }

  /**
   * @param {string} key
   * @param {() => void} go
   */
  #back(key, go) {
    return element("button", { type: "button", class: "button plain back", onclick: go }, icon("back"), this.#at.words.say(key));
  }

  /** @param {Choice} choice */
  #giveBack(choice) {
    if (this.#holding.isConfirming) return;
    this.#release();
    if (this.#service) this.#ways.onTime(this.#service, choice);
    else this.#ways.onGone(); // withdrawn while it was being paid
    this.#at.page.announce(this.#at.words.say("summary.given_back"));
  }

  #cancel() {
    if (this.#holding.isConfirming) return;
    this.#release();
    this.#ways.onStart(this.#service);
    this.#at.page.announce(this.#at.words.say("summary.given_back"));
  }

  #release() {
    this.#summary = this.#choice = null; // it is meant: nobody need be told that it is over
    this.#keeper.release();
  }

  /** @param {Choice} choice */
  async #holdAgain({ slot, seats }) {
    const { page, words } = this.#at;
    try {
      await this.#keeper.take([{ slot: slot.id, seats }]);
      page.calm();
      this.#summary?.resume();
      page.focus();
    } catch (problem) {
      if (problem instanceof Unreachable) page.warn(words.say("problem.offline"));
      else await this.#ways.refresh();
      page.announce(sentenceFor(problem, words));
    }
  }

  /**
   * Not what a code has made free.
   * @param {Choice} choice
   */
  #isToPay(choice) {
    return priceOf(choice, this.#at.typed).amount > 0;
  }

  /** @param {Choice} choice */
  async #confirm(choice) {
    const { api, words, zone, typed } = this.#at;
    const wanted = wantedOf(choice, typed, { zone: zone.current, locale: words.locale });
    const isHeld = this.#site.holds_on || this.#keeper.current !== null;
    const isPriced = this.#isToPay(choice);
    const tab = isPriced ? openTab(words) : null;
    try {
      const answer = await this.#holding.confirm((keeper) => send({ api, keeper }, wanted, { isHeld, isPriced }));
      if (isPriced) this.#awaitPayment(choice, answer, tab);
      else this.#booked(answer);
    } catch (problem) {
      tab?.close();
      await this.#notConfirmed(problem);
    }
  }

  async #confirmAgain() {
    const choice = this.#choice;
    if (choice && this.#isToPay(choice)) this.#awaitPayment(choice);
    else if (choice) await this.#confirm(choice);
  }

  /**
   * @param {Choice} choice
   * @param {any} [answer]  of the server to the checkout, where it has said already what there is to pay
   * @param {import("./paying.js").PayTab | null} [tab]  for the pay page, if this is its beginning
   * @param {import("./api.js").Claim | null} [claim]
   */
  #awaitPayment(choice, answer = null, tab = undefined, claim = this.#keeper.current) {
    if (!claim) return;
    const { zone, page } = this.#at;
    this.#ways.onStep();
    this.#choice = choice;
    this.#service = this.#at.offer.services.find(({ id }) => id === choice.service.id) ?? null;
    const at = { ...this.#at, keeper: this.#keeper, zone: zone.current, site: this.#site };
    const paying = new Paying(at, choice, claim, {
      onBooked: (booked) => this.#booked(booked),
      onUnpaid: (isOver) => this.#unpaid(choice, isOver),
      onOther: () => this.#giveBack(choice),
    });
    this.#holding.paying = paying;
    fill(page.stage, paying.element);
    paying.begin(answer, tab);
  }

  /**
   * @param {Choice} choice
   * @param {boolean} isOver
   */
  #unpaid(choice, isOver) {
    if (!this.#service) return this.#giveBack(choice);
    this.#summarise(choice, isOver).focus();
    if (isOver && !this.#site.holds_on)
      this.#summary?.complain(this.#at.words.say("ended.unpaid_title", { count: choice.seats }));
    void this.#ways.refresh();
  }

  /** @param {unknown} problem */
  async #notConfirmed(problem) {
    const { page, words } = this.#at;
    if (problem instanceof Unreachable) page.warn(words.say("problem.offline"));
    if (problem instanceof Refused && ENDED.has(problem.code) && this.#site.holds_on) {
      this.#keeper.forget();
      await this.#ways.refresh();
    } else {
      this.#summary?.complain(sentenceFor(problem, words), problem);
      if (!(problem instanceof Unreachable)) await this.#ways.refresh();
    }
  }

  /** @param {import("./api.js").OrderAnswer} answer */
  #booked({ order, order_url }) {
    const { api, words, zone, clock, host, page } = this.#at;
    this.#keeper.current = null;
    clearTimeout(this.#keeping);
    this.#holding.countdown.follow(null);
    page.calm();
    const url = new URL(order_url ?? location.href);
    url.searchParams.set("lang", words.locale);
    this.isBooked = true;
    host.tell("booked", { number: order.number, url: url.href });
    this.#ways.onStep();
    page.name({ title: "" });
    const view = new Confirmation(
      { api, words, zone: zone.current, site: this.#site, nowMs: clock.now() },
      { order, url },
      { onAnother: () => this.#another() },
    );
    this.#enter(view).focus();
  }

  #another() {
    const { host, typed } = this.#at;
    host.leaveBooked();
    Object.assign(typed, { attendees: [], addresses: [], answers: {}, coupon: undefined });
    if (this.#service) this.#ways.onTime(this.#service);
    else this.#ways.onStart(null);
  }

  #showHeld() {
    const { words, zone, clock, availability } = this.#at;
    const hold = this.#keeper.current;
    const summary = this.#summary;
    const choice = this.#choice;
    if (!summary || !choice) return;
    const isPaid = hold?.state === "paying" && this.#isToPay(choice);
    if (isPaid && !this.#holding.isConfirming) return this.#awaitPayment(choice);
    if (hold) summary.showHeld(words.time(hold.expiresMs, zone.current));
    else if (!this.#site.holds_on) summary.showHeld(null);
    else summary.end(availability.slot(choice.slot.id), clock.now(), this.#keeper.wasBooked);
    this.show();
  }

  /** The day of the chosen slot, with it as the visitor's own while it is held. */
  show() {
    const { clock, zone, availability } = this.#at;
    const at = { nowMs: clock.now(), zone: zone.current };
    this.#summary?.showDay(availability, at, this.#keeper.current !== null);
  }

  /**
   * A hold of before: it goes on where it is held or being paid, and what became of a payment is told.
   * @param {import("./host.js").KeptHold} kept
   */
  async resume(kept) {
    const { api, offer, typed, words, page } = this.#at;
    const hold = await this.#keeper.find(kept);
    const found = await resumed({ api, services: offer.services, slotOf: this.#ways.slotOf }, kept, hold);
    if (!found) return this.#keeper.release();
    const { choice, answer } = found;
    if (!answer) {
      this.#summarise(choice);
      return page.announce(words.say("summary.found_again"));
    }
    typed.name ||= answer.order.customer.name;
    typed.email ||= answer.order.customer.email;
    this.#awaitPayment(choice, answer, undefined, kept);
  }

  /** What was held before has ended while nobody looked. */
  forget() {
    this.#keeper.forget();
  }

  /**
   * @param {Slot[]} changed
   * @param {Slot | undefined} before  the chosen slot, as it was
   */
  seatsMoved(changed, before) {
    if (changed.some(({ id }) => id === this.leavingSlot)) this.#keeper.leaving = null;
    const own = this.#choice?.slot.id;
    const slot = changed.find(({ id }) => id === own);
    if (!slot || !(this.#summary || this.#holding.paying)) return;
    if (!this.#keeper.current) this.#showHeld();
    else if (mayBeOurs(before, slot, this.#choice?.seats ?? 0)) this.#holding.checkSoon(jittered(RECHECK_MS));
    if (this.#summary && !this.#site.holds_on && leftOf(slot) < (this.#choice?.seats ?? 0))
      this.#summary.complain(this.#at.words.say("problem.slot_full"));
  }

  /** The schedule changed: what was chosen may cost and ask for something else now. */
  scheduleMoved() {
    const choice = this.#choice;
    const service = this.#at.offer.services.find(({ id }) => id === choice?.service.id);
    if (!choice || !service) return;
    this.#service = service;
    if (!this.#summary || asks(service) === asks(choice.service)) return;
    const { id } = document.activeElement ?? {};
    this.#summarise({ ...choice, service });
    if (id) document.getElementById(id)?.focus();
  }

  /** Everything was filled anew. */
  check() {
    return this.#holding.check();
  }

  /** Asks again for what is shown. */
  async refresh() {
    const choice = this.#choice;
    if (!this.#summary || !choice) return;
    await this.#ways.slotOf(choice.slot.id, choice.service);
    this.#showHeld();
  }

  /** @param {View} view */
  #enter(view) {
    fill(this.#at.page.stage, view.element);
    return view;
  }
}
