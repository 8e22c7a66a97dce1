// @ts-check
/** The only place that knows the way through the widget: service, time, summary, confirmation, and every way back. */

import { leftOf } from "./availability.js";
import { Confirmation } from "./confirmation.js";
import { Countdown } from "./countdown.js";
import { addDays, dayAt, startOf } from "./dates.js";
import { element, fill, icon } from "./elements.js";
import { Refused, Unreachable } from "./api.js";
import { HoldKeeper } from "./hold.js";
import { jittered } from "./patience.js";
import { Picker } from "./picker.js";
import { sentenceFor } from "./problems.js";
import { facts, ServiceList } from "./services.js";
import { Summary } from "./summary.js";
import { ZoneChoice } from "./zone.js";

const TICK_MS = 1_000;
/** A hold whose time is up, or whose seats are gone, is asked after once more in this time. */
const RECHECK_MS = 1_000;
/** What could not be fetched is asked for again after this. */
const RELOAD_MS = 5_000;

/**
 * @typedef {import("./api.js").Service} Service
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {{slot: Slot, seats: number, service: Service}} Choice
 * @typedef {{element: HTMLElement, focus: () => void}} View
 */

export class Visit {
  #api;
  #words;
  #clock;
  #availability;
  #host;
  #site;
  #services;
  #onlyService;
  #keeper;
  #countdown;
  #zone;
  #page;
  /** @type {Service | null} */ #service = null;
  /** @type {Picker | null} */ #picker = null;
  /** @type {Summary | null} */ #summary = null;
  /** @type {Choice | null} */ #choice = null;
  /** @type {import("./summary.js").Typed} */ #typed = { name: "", email: "", attendees: [] };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #recheck;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #reload;
  #isChecking = false;
  #isConfirming = false;
  #isBooked = false;

  /**
   * @param {{api: import("./api.js").Api, words: import("./words.js").Words, clock: import("./clock.js").ServerClock,
   *   availability: import("./availability.js").Availability, host: import("./host.js").Host, page: import("./page.js").Page,
   *   site: import("./api.js").Site, services: Service[], onlyService: string}} parts
   */
  constructor({ api, words, clock, availability, host, page, site, services, onlyService }) {
    this.#api = api;
    this.#words = words;
    this.#clock = clock;
    this.#availability = availability;
    this.#host = host;
    this.#page = page;
    this.#site = site;
    this.#services = services;
    this.#onlyService = onlyService;
    this.#keeper = new HoldKeeper(api, (hold) => this.#followHold(hold));
    this.#countdown = new Countdown(words, clock, site.hold_minutes * 60_000, {
      onEnd: () => void this.#checkHold(),
      onDoubt: () => void this.#checkHold(),
      onRenew: () => this.#renew(),
      announce: (text) => page.announce(text),
    });
    this.#zone = new ZoneChoice(site, words, clock.now(), () => void this.#picker?.rezone());
    page.show({ countdown: this.#countdown.element, zone: this.#zone.element });
    setInterval(() => this.#tick(), TICK_MS);
  }

  #tick() {
    this.#picker?.show();
    this.#showSummaryDay();
  }

  /** Shows the first step. Focus stays where it is: the visitor may be reading the host page. */
  begin() {
    const service = this.#services.find(({ id }) => id === this.#onlyService) ?? (this.#services.length === 1 ? this.#services[0] : null);
    if (service) this.#pickTime(service);
    else this.#chooseService();
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
    this.#service = service;
    const above = this.#hasOthers ? this.#back("services.back", () => this.#chooseService().focus()) : this.#site.name;
    this.#page.name({ title: service.name, above, meta: facts(service, this.#words), hasZone: true });
    this.#picker = new Picker({
      words: this.#words, clock: this.#clock, availability: this.#availability, site: this.#site, zone: this.#zone,
      ownSlot: () => this.#keeper.leaving?.lines[0].slot ?? null,
      announce: (text) => this.#page.announce(text),
      onProblem: (problem) => this.#reloadLater(problem),
      onContinue: (slot, seats) => this.#take({ slot, seats, service }),
    }, service);
    void this.#picker.load();
    return this.#enter({ element: this.#picker.element, focus: () => this.#page.focus() });
  }

  get #hasOthers() {
    return !this.#onlyService && this.#services.length > 1;
  }

  /**
   * @param {string} key
   * @param {() => void} go
   */
  #back(key, go) {
    return element("button", { type: "button", class: "button plain back", onclick: go }, icon("back"), this.#words.say(key));
  }

  /** @param {Choice} choice */
  async #take(choice) {
    if (!this.#site.holds_on) return this.#summarise(choice).focus();
    try {
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

  /** @param {Choice} choice */
  #summarise(choice) {
    this.#leave();
    this.#choice = choice;
    this.#service = choice.service;
    const above = this.#back("summary.back", () => this.#giveBack(choice));
    this.#page.name({ title: this.#words.say("summary.title"), above });
    this.#summary = new Summary({ words: this.#words, zone: this.#zone.current, site: this.#site }, choice, this.#typed, {
      onOther: () => this.#giveBack(choice),
      onCancel: () => this.#cancel(),
      onConfirm: () => this.#confirm(choice),
      onHoldAgain: () => this.#holdAgain(choice),
      announce: (text) => this.#page.announce(text),
    });
    this.#showHeld();
    this.#showSummaryDay();
    return this.#enter({ element: this.#summary.element, focus: () => this.#page.focus() });
  }

  /** @param {Choice} choice */
  #giveBack({ slot, service }) {
    this.#keeper.release();
    this.#pickTime(service);
    void this.#picker?.open(slot);
    this.#picker?.list.focus(slot.id);
    this.#page.announce(this.#words.say("summary.given_back"));
  }

  #cancel() {
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

  /** @param {Choice} choice */
  async #confirm({ slot, seats }) {
    const { name, email, attendees } = this.#typed;
    const named = attendees.slice(0, seats).map((attendee) => attendee.trim());
    const wanted = {
      customer: { name: name.trim(), email: email.trim(), zone: this.#zone.current, locale: this.#words.locale },
      ...(named.some(Boolean) ? { attendees: [named] } : {}),
    };
    this.#isConfirming = true;
    try {
      const answer = this.#site.holds_on || this.#keeper.current
        ? await this.#keeper.confirm(wanted)
        : await this.#keeper.bookAtOnce({ ...wanted, lines: [{ slot: slot.id, seats }] });
      this.#booked(answer);
    } catch (problem) {
      await this.#notConfirmed(problem);
    } finally {
      this.#isConfirming = false;
    }
  }

  /** @param {unknown} problem */
  async #notConfirmed(problem) {
    if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
    if (problem instanceof Refused && ENDED.has(problem.code) && this.#site.holds_on) {
      this.#keeper.forget();
      await this.refresh();
    } else {
      this.#summary?.complain(sentenceFor(problem, this.#words));
      if (!(problem instanceof Unreachable)) await this.refresh();
    }
  }

  /** @param {import("./api.js").OrderAnswer} answer */
  #booked({ order, order_url }) {
    this.#countdown.follow(null);
    this.#page.calm();
    const url = new URL(order_url ?? location.href);
    url.searchParams.set("lang", this.#words.locale);
    this.#isBooked = true;
    this.#host.tell("booked", { number: order.number, url: url.href });
    this.#leave();
    this.#page.name({ title: "" });
    const view = new Confirmation({ words: this.#words, zone: this.#zone.current, site: this.#site }, { order, url: url.href }, {
      onAnother: () => {
        this.#typed.attendees = [];
        this.#service ? this.#pickTime(this.#service).focus() : this.#chooseService().focus();
      },
    });
    this.#enter(view).focus();
  }

  async #renew() {
    try {
      await this.#keeper.renew();
      const left = (this.#keeper.current?.expiresMs ?? 0) - this.#clock.now();
      this.#page.announce(this.#words.say("countdown.renewed", { time: this.#words.duration(left) }));
    } catch (problem) {
      if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
      else await this.#checkHold();
    }
  }

  /** Asks the server what became of the hold: only its word ends one. */
  async #checkHold() {
    if (this.#isChecking || this.#isConfirming || !this.#keeper.current) return;
    this.#isChecking = true;
    try {
      const hold = await this.#keeper.check();
      this.#page.calm();
      if (hold?.state === "confirmed" && this.#choice) await this.#confirm(this.#choice);
      else if (hold && hold.expiresMs <= this.#clock.now()) this.#recheckSoon(RECHECK_MS);
    } catch {
      this.#page.warn(this.#words.say("problem.offline"));
      this.#recheckSoon(RELOAD_MS);
    } finally {
      this.#isChecking = false;
    }
  }

  /** @param {import("./hold.js").Hold | null} hold */
  #followHold(hold) {
    this.#countdown.follow(hold);
    if (hold) {
      const { id, secret, expiresMs } = hold;
      this.#host.tell("hold", { id, secret, visitor: this.#keeper.visitor, expires_at: new Date(expiresMs).toISOString() });
    } else this.#host.tell("hold_ended");
    this.#showHeld();
  }

  #showHeld() {
    const hold = this.#keeper.current;
    const summary = this.#summary;
    const choice = this.#choice;
    if (!summary || !choice) return;
    if (!this.#site.holds_on) return summary.showHeld(null);
    if (hold) summary.showHeld(this.#words.time(hold.expiresMs, this.#zone.current));
    else summary.end(this.#availability.slot(choice.slot.id), this.#clock.now());
  }

  /** The day of the chosen slot, with it as the visitor's own while it is held. */
  #showSummaryDay() {
    const choice = this.#choice;
    if (!this.#summary || !choice) return;
    const zone = this.#zone.current;
    const day = dayAt(choice.slot.startsMs, zone);
    const nowMs = this.#clock.now();
    const slots = this.#availability.between(choice.service.id, startOf(day, zone), startOf(addDays(day, 1), zone));
    const own = this.#keeper.current ? choice.slot.id : null;
    this.#summary.day.show(slots.filter((slot) => slot.startsMs > nowMs), { nowMs, zone, service: choice.service, own });
  }

  /**
   * What the host page kept of us.
   * @param {import("./host.js").Hello} hello
   */
  async greet({ hold, visitor, prefill }) {
    if (hold || visitor) this.#keeper.visitor = hold?.visitor ?? visitor ?? "";
    else this.#host.tell("visitor", { id: this.#keeper.visitor });
    this.#typed.name ||= prefill?.name ?? "";
    this.#typed.email ||= prefill?.email ?? "";
    if (!hold || this.#choice || this.#isBooked) return;
    try {
      const found = await this.#keeper.find(hold);
      if (found) await this.#resume(found);
      else this.#host.tell("hold_ended");
    } catch (problem) {
      if (problem instanceof Refused && GONE.has(problem.status)) this.#host.tell("hold_ended");
      else setTimeout(() => void this.greet({ hold }), jittered(RELOAD_MS));
    }
  }

  /** @param {import("./hold.js").Hold} hold */
  async #resume({ lines: [line] }) {
    const service = this.#services.find(({ id }) => id === line.slot.split(".")[0]);
    const slot = service && (await this.#slotOf(line.slot, service));
    if (!slot) return this.#keeper.release();
    this.#summarise({ slot, seats: line.seats, service });
    this.#page.announce(this.#words.say("summary.found_again"));
  }

  /**
   * @param {string} id
   * @param {Service} service
   */
  async #slotOf(id, service) {
    const day = id.split(".")[1].replace(/^(\d{4})(\d\d)(\d\d).*/, "$1-$2-$3");
    const [before, after] = [-1, 1].map((days) => new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10));
    await this.#availability.need(service.id, [{ from: before, to: after }]);
    return this.#availability.slot(id);
  }

  /** @param {import("./availability.js").SeatsUpdate[]} updates */
  seatsMoved(updates) {
    const changed = this.#availability.apply(updates);
    if (changed.some(({ id }) => id === this.#keeper.leaving?.lines[0].slot)) this.#keeper.leaving = null;
    if (changed.length) this.#tick();
    const own = this.#choice?.slot.id;
    const slot = changed.find(({ id }) => id === own);
    if (!slot || !this.#summary) return;
    if (!this.#keeper.current) this.#showHeld();
    else if (slot.held < (this.#choice?.seats ?? 0)) this.#recheckSoon(jittered(RECHECK_MS) / 2);
    if (!this.#site.holds_on && leftOf(slot) < (this.#choice?.seats ?? 0)) this.#summary.complain(this.#words.say("problem.slot_full"));
  }

  /** @param {number} ms */
  #recheckSoon(ms) {
    clearTimeout(this.#recheck);
    this.#recheck = setTimeout(() => void this.#checkHold(), ms);
  }

  /** The schedule changed: services may be others now. */
  async scheduleMoved() {
    try {
      const { site, services } = await this.#api.services();
      this.#site = site;
      this.#services = services;
    } catch (problem) {
      this.#reloadLater(problem);
    }
    const service = this.#services.find(({ id }) => id === this.#service?.id);
    if (service && this.#picker) this.#picker.service = service;
    await this.refresh();
  }

  /** @param {number} epoch */
  async wasReset(epoch) {
    this.#availability.reset(epoch);
    this.#picker?.forget();
    await this.refresh();
    await this.#checkHold();
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
    this.#page.warn(problem instanceof Unreachable ? this.#words.say("problem.offline") : sentenceFor(problem, this.#words));
    clearTimeout(this.#reload);
    this.#reload = setTimeout(() => void this.refresh(), jittered(RELOAD_MS));
  }

  #leave() {
    this.#picker = this.#summary = this.#choice = null;
  }

  /** @param {View} view */
  #enter(view) {
    fill(this.#page.stage, view.element);
    return view;
  }
}

/** Answers after which a hold need not be asked for again. */
const GONE = new Set([403, 404, 410]);

/** Refusals after which there is no hold any more. */
const ENDED = new Set(["hold_ended", "slot_full", "slot_closed", "not_found"]);
