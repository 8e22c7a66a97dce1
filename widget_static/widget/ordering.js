// @ts-check
/** The only place that knows the way from chosen times to their booking: summary, confirmation, paying, and every way back. */

import { Refused, Unreachable } from "./api.js";
import { asks, seatsOf, servicesOf, TIMES_MAX } from "./choices.js";
import { Chosen } from "./chosen.js";
import { Confirmation } from "./confirmation.js";
import { Confirming } from "./confirming.js";
import { element, fill, icon } from "./elements.js";
import { patiently } from "./patience.js";
import { Keeping } from "./keeping.js";
import { sentenceFor } from "./problems.js";
import { resumed } from "./resuming.js";
import { Summary } from "./summary.js";

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
  /** What is chosen so far: while a time is looked for, it is another one besides. @type {Chosen} */ chosen;
  #holding;
  #keeper;
  /** @type {Summary | null} */ #summary = null;
  #isShown = false;
  /** There are several times, or were a moment ago. */
  #hadSeveral = false;
  /** Of what was chosen last. */
  #serviceId = "";
  /** @type {Confirming} */ #confirming;
  #keeping;
  isBooked = false;

  /**
   * @param {Surroundings} at
   * @param {Ways} ways
   */
  constructor(at, ways) {
    this.#at = at;
    this.#ways = ways;
    this.chosen = new Chosen(at, ways, {
      onHold: () => this.#showHeld(),
      onBookedUnheard: () => this.#confirming.confirmAgain(),
      onOthers: () => this.#showChosen(),
      onFull: (choice) => this.#summary?.complain(this.chosen.named(choice, at.words.say("problem.slot_full"))),
    });
    this.#holding = this.chosen.holding;
    this.#keeper = this.chosen.keeper;
    this.#keeper.visitor = at.visitor;
    this.#keeping = new Keeping(at.page.stage, () => at.host.keepTyped(at.typed));
    this.#confirming = new Confirming(at, this.chosen, {
      onPaying: () => this.#enter(),
      onBooked: (answer) => this.#booked(answer),
      onUnpaid: (isOver) => void this.#unpaid(isOver),
      onOther: () => this.#giveBack(),
      onRefused: (problem) => this.#notConfirmed(problem),
    });
  }

  get #site() {
    return this.#at.offer.site;
  }

  /** Of what was chosen last, if it is still offered. */
  get #service() {
    return this.#offered(this.#serviceId);
  }

  /** @param {string} serviceId */
  #offered(serviceId) {
    return this.#at.offer.services.find(({ id }) => id === serviceId) ?? null;
  }

  /** A step of it is shown. */
  get isShown() {
    return this.#isShown;
  }

  /** Another step is about to be shown. */
  leave() {
    this.#holding.paying?.stop();
    this.#holding.paying = null;
    this.#summary = null;
    this.#isShown = false;
  }

  #enter() {
    this.#ways.onStep();
    this.#isShown = true;
  }

  /**
   * Chosen besides what is chosen so far. Raises Refused, Unreachable: then everything is as it was.
   * @param {Choice} choice
   */
  async add(choice) {
    if (this.chosen.isBusy) return;
    if (this.chosen.choices.length >= TIMES_MAX) throw new Refused(422, { code: "too_many_times", maximum: TIMES_MAX }, null);
    this.#serviceId = choice.service.id;
    await this.chosen.set([...this.chosen.choices, choice]);
    this.#showChosen();
  }

  /** @param {Choice} choice */
  async #remove(choice) {
    const { page, words, zone } = this.#at;
    if (this.chosen.isBusy) return;
    const rest = this.chosen.choices.filter((one) => one !== choice);
    if (rest.length === 0) return this.#giveBack();
    try {
      await this.chosen.set(rest);
      page.announce(words.say("summary.removed", { time: words.moment(choice.slot.startsMs, zone.current) }));
      this.#showChosen();
    } catch (problem) {
      if (problem instanceof Unreachable) page.warn(words.say("problem.offline"));
      this.#summary?.complain(this.chosen.said(problem));
    }
  }

  /** With the focus, and how many there are. */
  #showChosen() {
    const { page, words } = this.#at;
    const count = this.chosen.choices.length;
    this.#hadSeveral ||= count > 1;
    this.summarise();
    page.focus();
    if (this.#hadSeveral) page.announce(words.say(this.#keeper.current ? "times.held" : "times.chosen", { count }));
  }

  /** Sums up what is chosen. @param {boolean} [isUnpaid]  the time to pay for it is over */
  summarise(isUnpaid = false) {
    const { words, page, zone, clock, api, typed } = this.#at;
    const { choices } = this.chosen;
    this.#enter();
    page.name({ title: words.say("summary.title"), above: this.#back() });
    this.#summary = new Summary(
      { words, zone: zone.current, site: this.#site, nowMs: clock.now() },
      choices,
      typed,
      {
        onAdd: () => this.#lookForMore(),
        onRemove: (choice) => void this.#remove(choice),
        onOther: () => this.#giveBack(),
        onCancel: () => this.#cancel(),
        onConfirm: () => this.#confirming.confirm(),
        onCode: (code, lines) => patiently(() => api.quote(code, lines)),
        onHoldAgain: (free) => this.#holdAgain(free),
        announce: (text) => page.announce(text),
      },
      { isUnpaid, canRemove: this.#hadSeveral },
    );
    this.#showHeld();
    if (this.#summary) fill(page.stage, this.#summary.element);
  }

  /** What is held of several stays, where the way leads back to the calendar. */
  #back() {
    const go = () => {
      const isOver = this.#site.holds_on && !this.#keeper.current;
      if (this.chosen.choices.length === 1 || isOver) this.#giveBack();
      else this.#lookForMore();
    };
    return element("button", { type: "button", class: "button plain back", onclick: go }, icon("back"), this.#at.words.say("summary.back"));
  }

  #lookForMore() {
    if (this.chosen.isBusy) return;
    if (this.#service) this.#ways.onTime(this.#service);
    else this.#ways.onStart(null);
  }

  #giveBack() {
    if (this.#holding.isConfirming) return;
    const [choice] = this.chosen.choices;
    const service = this.#offered(choice.service.id);
    this.#release();
    if (service) this.#ways.onTime(service, choice);
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
    this.#summary = null;
    this.#hadSeveral = false;
    this.chosen.release();
  }

  /** @param {Choice[]} free */
  async #holdAgain(free) {
    const { page, words } = this.#at;
    try {
      await this.chosen.set(free);
      this.#showChosen();
    } catch (problem) {
      if (problem instanceof Unreachable) page.warn(words.say("problem.offline"));
      else await this.#ways.refresh();
      this.#summary?.complain(this.chosen.said(problem));
    }
  }

  /** @param {boolean} isOver */
  async #unpaid(isOver) {
    const offered = this.chosen.choices.filter(({ service }) => this.#offered(service.id));
    if (offered.length === 0) return this.#giveBack();
    await this.#keepTo(offered, isOver);
    this.#at.page.focus();
    if (isOver && !this.#site.holds_on)
      this.#summary?.complain(this.#at.words.say("ended.unpaid_title", { count: seatsOf(this.chosen.choices) }));
    void this.#ways.refresh();
  }

  /**
   * To what is still offered.
   * @param {Choice[]} offered
   * @param {boolean} [isUnpaid]
   */
  async #keepTo(offered, isUnpaid) {
    this.#holding.paying = null;
    const isLess = offered.length < (this.#keeper.current?.lines.length ?? 0);
    if (isLess) await this.chosen.set(offered).catch(() => this.#keeper.release());
    this.chosen.choices = offered;
    this.chosen.renewServices();
    this.summarise(isUnpaid);
  }

  /** @param {unknown} problem */
  async #notConfirmed(problem) {
    const { page, words } = this.#at;
    if (problem instanceof Unreachable) page.warn(words.say("problem.offline"));
    if (problem instanceof Refused && ENDED.has(problem.code) && this.#site.holds_on) {
      this.#keeper.forget();
      return this.#ways.refresh();
    }
    if (problem instanceof Refused && problem.code === "changed") await this.#holding.check();
    this.#summary?.complain(this.chosen.said(problem), problem);
    if (!(problem instanceof Unreachable)) await this.#ways.refresh();
  }

  /** @param {import("./api.js").OrderAnswer} answer */
  #booked({ order, order_url }) {
    const { api, words, zone, clock, host, page } = this.#at;
    this.#keeper.current = null;
    this.#keeping.stop();
    this.#holding.countdown.follow(null);
    page.calm();
    const url = new URL(order_url ?? location.href);
    url.searchParams.set("lang", words.locale);
    this.isBooked = true;
    host.tell("booked", { number: order.number, url: url.href });
    this.#enter();
    this.chosen.choices = [];
    this.#hadSeveral = false;
    page.name({ title: "" });
    const view = new Confirmation(
      { api, words, zone: zone.current, site: this.#site, nowMs: clock.now() },
      { order, url },
      { onAnother: () => this.#another() },
    );
    fill(page.stage, view.element);
    view.focus();
  }

  #another() {
    const { host, typed } = this.#at;
    host.leaveBooked();
    Object.assign(typed, { attendees: [], addresses: [], answers: {}, coupon: undefined });
    if (this.#service) this.#ways.onTime(this.#service);
    else this.#ways.onStart(null);
  }

  #showHeld() {
    const { words, zone, clock, page } = this.#at;
    const hold = this.#keeper.current;
    if (this.#holding.paying) return;
    const isPaid = hold?.state === "paying" && this.#confirming.isToPay;
    if (isPaid && !this.#holding.isConfirming) return this.#confirming.awaitPayment();
    if (!this.#summary && !hold && this.#site.holds_on) {
      const had = page.stage.contains(document.activeElement);
      this.summarise(); // it ended while another time was looked for
      if (had) page.focus();
      return;
    }
    if (hold) this.#summary?.showHeld(words.time(hold.expiresMs, zone.current));
    else if (!this.#site.holds_on) this.#summary?.showHeld(null);
    else this.#summary?.end({
      slotOf: (id) => this.chosen.slotNow(id),
      nowMs: clock.now(),
      wasBooked: this.#keeper.wasBooked,
    });
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
    const { api, typed, words, page } = this.#at;
    const isElsewhere = async () => {
      await this.chosen.settled();
      return this.chosen.choices.length > 0 || this.isBooked;
    };
    const hold = await this.#keeper.find(kept, isElsewhere);
    if (!hold) return;
    const { choices, answer } = await resumed({ api, ...this.chosen.offered }, kept, hold);
    if (await isElsewhere()) return;
    if (choices.length === 0) return this.#keeper.release();
    this.#serviceId = choices[0].service.id;
    this.#hadSeveral = choices.length > 1;
    if (!answer) {
      await this.#keepTo(choices);
      return page.announce(words.say("summary.found_again"));
    }
    this.chosen.choices = choices;
    typed.name ||= answer.order.customer.name;
    typed.email ||= answer.order.customer.email;
    this.#confirming.awaitPayment(answer, undefined, kept);
  }

  /** The schedule changed: what was chosen may cost and ask for something else now. */
  scheduleMoved() {
    const before = servicesOf(this.chosen.choices).map(asks).join();
    this.chosen.renewServices();
    if (!this.#summary || before === servicesOf(this.chosen.choices).map(asks).join()) return;
    const { id } = document.activeElement ?? {};
    const had = this.#at.page.stage.contains(document.activeElement);
    this.summarise();
    if (id) document.getElementById(id)?.focus();
    else if (had) this.#at.page.focus(); // on a button that may do something else by now
  }

  /** Asks again for what is shown. */
  async refresh() {
    if (!this.#summary) return;
    await this.chosen.refresh();
    if (this.chosen.choices.length > 0) this.#showHeld();
  }
}
