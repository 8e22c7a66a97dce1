// @ts-check
/** The only place that knows the way through the widget: service, time, summary, confirmation, and every way back. */

import { leftOf } from "./availability.js";
import { addDays, dayAt } from "./dates.js";
import { element, fill, icon } from "./elements.js";
import { Refused, Unreachable } from "./api.js";
import { mayBeOurs } from "./hold.js";
import { Holding } from "./holding.js";
import { jittered, patiently } from "./patience.js";
import { Picker } from "./picker.js";
import { sentenceFor } from "./problems.js";
import { facts, ServiceList } from "./services.js";
import { ZoneChoice } from "./zone.js";

const TICK_MS = 1_000;
const MINUTE_MS = 60_000;
/** When fewer seats are held than ours, our hold is gone or just changing: it is asked after in this time. */
const RECHECK_MS = 500;
/** What could not be fetched is asked for again after this. */
const RELOAD_MS = 5_000;
/** What was typed is kept once there is a pause of this length: some browsers keep only so much in so much time. */
const KEEP_TYPED_MS = 500;
/** Refusals after which there is no hold any more. */
const ENDED = new Set(["hold_ended", "slot_full", "slot_closed", "too_soon", "too_far", "not_found"]);
/** What comes after the choice of a time: fetched while that is looked at, so that the first view waits for less. */
const fetchSteps = () =>
  Promise.all([
    import("./summary.js"),
    import("./confirmation.js"),
    import("./paying.js"),
    import("./confirming.js"),
    import("./resuming.js"),
    import("./countdown.js"),
  ]);
/** Answers after which a hold of an earlier page need not be asked for again. */
const GONE = new Set([403, 404, 410]);

/**
 * What a service costs, asks for of others, and shows to them: where that changes, the form does.
 * @param {Service} service
 */
export function asks({ price, attendees_shown, attendee_emails }) {
  return JSON.stringify([price, attendees_shown, attendee_emails]);
}

/**
 * @typedef {import("./api.js").Service} Service
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {{slot: Slot, seats: number, service: Service}} Choice
 * @typedef {{element: HTMLElement, focus: () => void}} View
 * @typedef {Awaited<ReturnType<typeof fetchSteps>>} Steps
 */

export class Visit {
  #parts;
  #api;
  #words;
  #clock;
  #availability;
  #host;
  #site;
  #services;
  #onlyService;
  #holding;
  #keeper;
  #zone;
  #page;
  /** @type {Service | null} */ #service = null;
  /** @type {Picker | null} */ #picker = null;
  /** @type {import("./summary.js").Summary | null} */ #summary = null;
  /** @type {Steps | null} */ #steps = null;
  /** @type {Choice | null} */ #choice = null;
  /** @type {import("./summary.js").Typed} */ #typed = { name: "", email: "", attendees: [] };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #reload;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #keeping;
  #isBooked = false;
  /** On the site's calendar: with each, another day can be booked. */
  #today;

  /**
   * @param {{api: import("./api.js").Api, words: import("./words.js").Words, clock: import("./clock.js").ServerClock,
   *   availability: import("./availability.js").Availability, host: import("./host.js").Host,
   *   page: import("./page.js").Page, site: import("./api.js").Site, services: Service[], onlyService: string}} parts
   */
  constructor(parts) {
    const { api, words, clock, availability, host, page, site, services, onlyService } = parts;
    this.#parts = parts;
    this.#api = api;
    this.#words = words;
    this.#clock = clock;
    this.#availability = availability;
    this.#host = host;
    this.#page = page;
    this.#site = site;
    this.#services = services;
    this.#onlyService = onlyService;
    this.#holding = new Holding(
      { api, words, clock, host, page, lengthMs: site.hold_minutes * MINUTE_MS },
      { onChange: () => this.#showHeld(), onBookedUnheard: () => this.#confirmAgain() },
    );
    this.#keeper = this.#holding.keeper;
    this.#today = dayAt(clock.now(), site.zone);
    this.#zone = new ZoneChoice(site, words, clock.now(), () => void this.#picker?.rezone());
    page.show(this.#zone.element);
    setInterval(() => this.#tick(), TICK_MS);
    page.stage.addEventListener("input", () => {
      clearTimeout(this.#keeping);
      this.#keeping = setTimeout(() => host.keepTyped(this.#typed), KEEP_TYPED_MS);
    });
  }

  #tick() {
    this.#picker?.show();
    this.#showSummaryDay();
    const today = dayAt(this.#clock.now(), this.#site.zone);
    if (today !== this.#today) setTimeout(() => void this.refresh(), Math.random() * MINUTE_MS);
    this.#today = today;
  }

  /** Shows the first step. Focus stays where it is: the visitor may be reading the host page. */
  begin() {
    this.#markTest();
    const only = this.#onlyService || (this.#services.length === 1 && this.#services[0].id);
    const service = this.#services.find(({ id }) => id === only);
    if (service) this.#pickTime(service);
    else if (only) this.#sayGone();
    else this.#chooseService();
    this.#prepare().catch(() => {});
  }

  #markTest() {
    this.#page.mark(this.#site.test ? this.#words.say("test.ribbon") : "");
  }

  /** Raises Unreachable: before that nothing may be held that could not be shown. */
  async #prepare() {
    this.#steps ??= await fetchSteps().catch(() => {
      throw new Unreachable();
    });
    this.#holding.countWith(this.#steps[5].Countdown);
  }

  /** What is wanted here is not offered, or not any more; other things may be. */
  #sayGone() {
    this.#leave();
    this.#service = null;
    this.#page.name({ title: this.#site.name });
    const sentence = this.#words.say("problem.not_found");
    const others = this.#back("services.back", () => {
      this.#onlyService = "";
      this.#chooseService().focus();
    });
    this.#enter({ element: element("div", { class: "gone" }, element("p", {}, sentence), others), focus: () => {} });
    this.#page.announce(sentence);
  }

  #chooseService() {
    this.#leave();
    this.#service = null;
    this.#page.name({ title: this.#site.name });
    return this.#enter(new ServiceList(this.#words, this.#services, (service) => this.#pickTime(service).focus()));
  }

  /**
   * @param {Service} service
   * @returns {View}
   */
  #pickTime(service) {
    this.#leave();
    this.#name(service);
    this.#picker = new Picker(
      {
        words: this.#words,
        clock: this.#clock,
        availability: this.#availability,
        site: this.#site,
        zone: this.#zone,
        askNext: (from) => patiently(() => this.#api.next(service.id, from)),
        ownSlot: () => this.#keeper.leaving?.lines[0].slot ?? null,
        announce: (text) => this.#page.announce(text),
        onProblem: (problem) => this.#reloadLater(problem),
        onContinue: (slot, seats) => this.#take({ slot, seats, service }),
      },
      service,
    );
    void this.#picker.load();
    const picker = this.#picker;
    const focus = () => {
      this.#page.focus();
      picker.bringTimesIntoSight();
    };
    return this.#enter({ element: picker.element, focus });
  }

  /** @param {Service} service */
  #name(service) {
    this.#service = service;
    const above = this.#hasOthers ? this.#back("services.back", () => this.#chooseService().focus()) : this.#site.name;
    const meta = [facts(service, this.#words), this.#unpayable(service)];
    this.#page.name({ title: service.name, above, meta, hasZone: true });
  }

  /**
   * Said before anybody has chosen a time.
   * @param {Service} service
   */
  #unpayable({ price }) {
    const isSo = price.amount > 0 && !this.#site.payments;
    return isSo && element("p", { class: "notice" }, icon("warning"), this.#words.say("problem.payments_not_set_up"));
  }

  get #hasOthers() {
    return !this.#onlyService && this.#services.length > 1;
  }

  /**
   * @param {string} key
   * @param {() => void} go
   */
  #back(key, go) {
    return element(
      "button",
      { type: "button", class: "button plain back", onclick: go },
      icon("back"),
      this.#words.say(key),
    );
  }

  /** @param {Choice} choice */
  async #take(choice) {
    try {
      await this.#prepare();
      if (!this.#site.holds_on) return this.#summarise(choice).focus();
      await this.#keeper.take([{ slot: choice.slot.id, seats: choice.seats }]);
      this.#page.calm();
      this.#summarise(choice).focus();
    } catch (problem) {
      await this.#notTaken(problem, choice);
    }
  }

  /**
   * @param {unknown} problem
   * @param {Choice} choice
   */
  async #notTaken(problem, choice) {
    if (problem instanceof Refused && problem.code === "holds_off") {
      this.#site = { ...this.#site, holds_on: false };
      return this.#take(choice);
    }
    if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
    else await this.refresh();
    this.#picker?.list.complain(choice.slot.id, sentenceFor(problem, this.#words));
  }

  /**
   * @param {Choice} choice
   * @param {boolean} [isUnpaid]  the time to pay for it is over
   */
  #summarise(choice, isUnpaid = false) {
    this.#leave();
    this.#choice = choice;
    this.#service = choice.service;
    const above = this.#back("summary.back", () => this.#giveBack(choice));
    this.#page.name({ title: this.#words.say("summary.title"), above });
    const [{ Summary }] = /** @type {Steps} */ (this.#steps);
    this.#summary = new Summary(
      { words: this.#words, zone: this.#zone.current, site: this.#site, nowMs: this.#clock.now() },
      choice,
      this.#typed,
      {
        onOther: () => this.#giveBack(choice),
        onCancel: () => this.#cancel(),
        onConfirm: () => this.#confirm(choice),
        onCode: (code, lines) => patiently(() => this.#api.quote(code, lines)),
        onHoldAgain: () => this.#holdAgain(choice),
        announce: (text) => this.#page.announce(text),
      },
      isUnpaid,
    );
    this.#showHeld();
    return this.#enter({ element: this.#summary.element, focus: () => this.#page.focus() });
  }

  /** @param {Choice} choice */
  #giveBack({ slot, seats }) {
    if (this.#holding.isConfirming) return;
    this.#keeper.release();
    if (!this.#service) return this.#sayGone(); // withdrawn while it was being paid
    this.#pickTime(this.#service);
    void this.#picker?.open(slot, seats);
    this.#picker?.list.focus(slot.id);
    this.#page.announce(this.#words.say("summary.given_back"));
  }

  #cancel() {
    if (this.#holding.isConfirming) return;
    this.#keeper.release();
    const view = this.#hasOthers || !this.#service ? this.#chooseService() : this.#pickTime(this.#service);
    view.focus();
    this.#page.announce(this.#words.say("summary.given_back"));
  }

  /** @param {Choice} choice */
  async #holdAgain({ slot, seats }) {
    try {
      await this.#keeper.take([{ slot: slot.id, seats }]);
      this.#page.calm();
      this.#summary?.resume();
      this.#page.focus();
    } catch (problem) {
      if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
      else await this.refresh();
      this.#page.announce(sentenceFor(problem, this.#words));
    }
  }

  /**
   * Not what a code has made free.
   * @param {Choice} choice
   */
  #isToPay(choice) {
    const [{ priceOf }] = /** @type {Steps} */ (this.#steps);
    return priceOf(choice, this.#typed).amount > 0;
  }

  /** @param {Choice} choice */
  async #confirm(choice) {
    const [{ wantedOf }, , { openTab }, { send }] = /** @type {Steps} */ (this.#steps);
    const wanted = wantedOf(choice, this.#typed, { zone: this.#zone.current, locale: this.#words.locale });
    const isHeld = this.#site.holds_on || this.#keeper.current !== null;
    const isPriced = this.#isToPay(choice);
    const tab = isPriced ? openTab(this.#words) : null;
    try {
      const answer = await this.#holding.confirm((keeper) =>
        send({ api: this.#api, keeper }, wanted, { isHeld, isPriced }),
      );
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
    this.#leave();
    this.#choice = choice;
    this.#service = this.#services.find(({ id }) => id === choice.service.id) ?? null;
    const [, , { Paying }] = /** @type {Steps} */ (this.#steps);
    const at = { keeper: this.#keeper, zone: this.#zone.current, site: this.#site };
    const paying = new Paying({ ...this.#parts, ...at }, choice, claim, {
      onBooked: (booked) => this.#booked(booked),
      onUnpaid: (isOver) => {
        if (!this.#service) return this.#giveBack(choice);
        this.#summarise(choice, isOver).focus();
        if (isOver && !this.#site.holds_on)
          this.#summary?.complain(this.#words.say("ended.unpaid_title", { count: choice.seats }));
        void this.refresh();
      },
      onOther: () => this.#giveBack(choice),
    });
    this.#holding.paying = paying;
    fill(this.#page.stage, paying.element);
    paying.begin(answer, tab);
  }

  /** @param {unknown} problem */
  async #notConfirmed(problem) {
    if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
    if (problem instanceof Refused && ENDED.has(problem.code) && this.#site.holds_on) {
      this.#keeper.forget();
      await this.refresh();
    } else {
      this.#summary?.complain(sentenceFor(problem, this.#words), problem);
      if (!(problem instanceof Unreachable)) await this.refresh();
    }
  }

  /** @param {import("./api.js").OrderAnswer} answer */
  #booked({ order, order_url }) {
    this.#keeper.current = null;
    clearTimeout(this.#keeping);
    this.#holding.countdown?.follow(null);
    this.#page.calm();
    const url = new URL(order_url ?? location.href);
    url.searchParams.set("lang", this.#words.locale);
    this.#isBooked = true;
    this.#host.tell("booked", { number: order.number, url: url.href });
    this.#leave();
    this.#page.name({ title: "" });
    const [, { Confirmation }] = /** @type {Steps} */ (this.#steps);
    const view = new Confirmation(
      { api: this.#api, words: this.#words, zone: this.#zone.current, site: this.#site, nowMs: this.#clock.now() },
      { order, url },
      {
        onAnother: () => {
          this.#host.leaveBooked();
          this.#typed = { ...this.#typed, attendees: [], addresses: [], answers: {}, coupon: undefined };
          this.#service ? this.#pickTime(this.#service).focus() : this.#chooseService().focus();
        },
      },
    );
    this.#enter(view).focus();
  }

  #showHeld() {
    const hold = this.#keeper.current;
    const summary = this.#summary;
    const choice = this.#choice;
    if (!summary || !choice) return;
    const isPaid = hold?.state === "paying" && this.#isToPay(choice);
    if (isPaid && !this.#holding.isConfirming) return this.#awaitPayment(choice);
    if (hold) summary.showHeld(this.#words.time(hold.expiresMs, this.#zone.current));
    else if (!this.#site.holds_on) summary.showHeld(null);
    else summary.end(this.#availability.slot(choice.slot.id), this.#clock.now(), this.#keeper.wasBooked);
    this.#showSummaryDay();
  }

  /** The day of the chosen slot, with it as the visitor's own while it is held. */
  #showSummaryDay() {
    const at = { nowMs: this.#clock.now(), zone: this.#zone.current };
    this.#summary?.showDay(this.#availability, at, this.#keeper.current !== null);
  }

  /**
   * What the host page kept of us.
   * @param {import("./host.js").Hello} hello
   */
  async greet({ hold, visitor, prefill, typed }) {
    if (hold || visitor) this.#keeper.visitor = hold?.visitor ?? visitor ?? "";
    else this.#host.tell("visitor", { id: this.#keeper.visitor });
    Object.assign(this.#typed, typed);
    this.#typed.name ||= prefill?.name ?? "";
    this.#typed.email ||= prefill?.email ?? "";
    if (!hold || this.#choice || this.#isBooked) return;
    try {
      await this.#prepare();
      await this.#resume(hold, await this.#keeper.find(hold));
    } catch (problem) {
      if (problem instanceof Refused && GONE.has(problem.status)) this.#keeper.forget();
      else setTimeout(() => void this.greet({ hold }), jittered(RELOAD_MS));
    }
  }

  /**
   * A hold of before: it goes on where it is held or being paid, and what became of a payment is told.
   * @param {import("./api.js").Claim} claim
   * @param {{state: string, lines: import("./api.js").Line[]}} hold
   */
  async #resume(claim, hold) {
    const [, , , , { resumed }] = /** @type {Steps} */ (this.#steps);
    const slotOf = (/** @type {string} */ id, /** @type {Service} */ service) => this.#slotOf(id, service);
    const found = await resumed({ api: this.#api, services: this.#services, slotOf }, claim, hold);
    if (!found) return this.#keeper.release();
    const { choice, answer } = found;
    if (!answer) {
      this.#summarise(choice);
      return this.#page.announce(this.#words.say("summary.found_again"));
    }
    this.#typed.name ||= answer.order.customer.name;
    this.#typed.email ||= answer.order.customer.email;
    this.#awaitPayment(choice, answer, undefined, claim);
  }

  /**
   * @param {string} id
   * @param {Service} service
   */
  async #slotOf(id, service) {
    const day = id.split(".")[1].replace(/^(\d{4})(\d\d)(\d\d).*/, "$1-$2-$3");
    await this.#availability.need(service.id, [{ from: addDays(day, -1), to: addDays(day, 1) }]);
    return this.#availability.slot(id);
  }

  /**
   * @param {import("./availability.js").SeatsUpdate[]} updates
   * @param {number} epoch
   */
  seatsMoved(updates, epoch) {
    const before = this.#choice && this.#availability.slot(this.#choice.slot.id);
    const changed = this.#availability.apply(updates, epoch);
    if (changed.some(({ id }) => id === this.#keeper.leaving?.lines[0].slot)) this.#keeper.leaving = null;
    if (changed.length) this.#tick();
    const own = this.#choice?.slot.id;
    const slot = changed.find(({ id }) => id === own);
    if (!slot || !(this.#summary || this.#holding.paying)) return;
    if (!this.#keeper.current) this.#showHeld();
    else if (mayBeOurs(before, slot, this.#choice?.seats ?? 0)) this.#holding.checkSoon(jittered(RECHECK_MS));
    if (this.#summary && !this.#site.holds_on && leftOf(slot) < (this.#choice?.seats ?? 0))
      this.#summary.complain(this.#words.say("problem.slot_full"));
  }

  /** The schedule changed: services may be others now. */
  async scheduleMoved() {
    try {
      const { site, services } = await this.#api.services();
      this.#site = site;
      this.#services = services;
      this.#markTest();
    } catch (problem) {
      this.#reloadLater(problem);
    }
    const service = this.#services.find(({ id }) => id === (this.#service?.id ?? this.#onlyService));
    if (!this.#service && this.#onlyService) this.begin();
    else if (!service && this.#picker) this.#sayGone();
    else if (service) {
      this.#service = service;
      if (this.#picker) {
        this.#picker.service = service;
        this.#name(service);
      } else if (this.#summary && this.#choice && asks(service) !== asks(this.#choice.service)) {
        const { id } = document.activeElement ?? {};
        this.#summarise({ ...this.#choice, service });
        if (id) document.getElementById(id)?.focus();
      }
    }
    await this.refresh();
  }

  /** @param {number} epoch */
  async wasReset(epoch) {
    this.#availability.reset(epoch);
    this.#picker?.forget();
    await this.refresh();
    await this.#holding.check();
  }

  /** Asks again for everything that is shown. */
  async refresh() {
    this.#availability.doubt();
    await this.#picker?.load();
    const choice = this.#choice;
    if (!this.#summary || !choice) return;
    await this.#slotOf(choice.slot.id, choice.service).catch((problem) => this.#reloadLater(problem));
    this.#showHeld();
  }

  /** @param {unknown} problem */
  #reloadLater(problem) {
    this.#page.warn(
      problem instanceof Unreachable ? this.#words.say("problem.offline") : sentenceFor(problem, this.#words),
    );
    clearTimeout(this.#reload);
    this.#reload = setTimeout(() => void this.refresh(), jittered(RELOAD_MS));
  }

  #leave() {
    this.#holding.paying?.stop();
    this.#holding.paying = null;
    this.#picker = this.#summary = this.#choice = null;
  }

  /** @param {View} view */
  #enter(view) {
    fill(this.#page.stage, view.element);
    return view;
  }
}
