// @ts-check
/** The only place that knows the way to a time: what is on offer, the calendar, and what becomes of them meanwhile. */

import { addDays, dayAt } from "./dates.js";
import { element, fill, icon } from "./elements.js";
import { newId, Refused, Unreachable } from "./api.js";
import { jittered, patiently } from "./patience.js";
import { Picker } from "./picker.js";
import { sentenceFor } from "./problems.js";
import { facts, ServiceList } from "./services.js";
import { ZoneChoice } from "./zone.js";

const TICK_MS = 1_000;
const MINUTE_MS = 60_000;
/** What could not be fetched is asked for again after this. */
const RELOAD_MS = 5_000;
/** What comes after the choice of a time: fetched while that is looked at, so that the first view waits for less. */
const fetchSteps = () =>
  Promise.all([
    import("./ordering.js"),
    import("./summary.js"),
    import("./confirmation.js"),
    import("./paying.js"),
    import("./confirming.js"),
    import("./resuming.js"),
    import("./holding.js"),
    import("./chosen.js"),
    import("./countdown.js"),
  ]);
/** Answers after which a hold of an earlier page need not be asked for again. */
const GONE = new Set([403, 404, 410]);

/**
 * @typedef {import("./api.js").Service} Service
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {import("./ordering.js").View} View
 * @typedef {{site: import("./api.js").Site, services: Service[]}} Offer  as they are by now
 */

export class Visit {
  #parts;
  #words;
  #clock;
  #availability;
  #host;
  #page;
  #zone;
  /** @type {Offer} */ #offer;
  #onlyService;
  #visitor = newId();
  /** @type {import("./summary.js").Typed} */ #typed = { name: "", email: "", attendees: [] };
  /** @type {Service | null} */ #service = null;
  /** @type {Picker | null} */ #picker = null;
  /** Not before its modules are there. @type {import("./ordering.js").Ordering | null} */ #ordering = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #reload;
  /** On the site's calendar: with each, another day can be booked. */
  #today;

  /**
   * @param {{api: import("./api.js").Api, words: import("./words.js").Words, clock: import("./clock.js").ServerClock,
   *   availability: import("./availability.js").Availability, host: import("./host.js").Host,
   *   page: import("./page.js").Page, site: import("./api.js").Site, services: Service[], onlyService: string}} parts
   */
  constructor(parts) {
    const { words, clock, availability, host, page, site, services, onlyService } = parts;
    this.#parts = parts;
    this.#words = words;
    this.#clock = clock;
    this.#availability = availability;
    this.#host = host;
    this.#page = page;
    this.#offer = { site, services };
    this.#onlyService = onlyService;
    this.#today = dayAt(clock.now(), site.zone);
    this.#zone = new ZoneChoice(site, words, clock.now(), () => this.#rezone());
    page.show(this.#zone.element);
    setInterval(() => this.#tick(), TICK_MS);
  }

  #tick() {
    this.#picker?.show();
    this.#ordering?.show();
    const today = dayAt(this.#clock.now(), this.#offer.site.zone);
    if (today !== this.#today) setTimeout(() => void this.refresh(), Math.random() * MINUTE_MS);
    this.#today = today;
  }

  #rezone() {
    if (this.#picker && this.#service) this.#name(this.#service);
    void this.#picker?.rezone();
  }

  /** Shows the first step. Focus stays where it is: the visitor may be reading the host page. */
  begin() {
    this.#markTest();
    const { services } = this.#offer;
    const only = this.#onlyService || (services.length === 1 && services[0].id);
    const service = services.find(({ id }) => id === only);
    if (service) this.#pickTime(service);
    else if (only) this.#sayGone();
    else this.#chooseService();
    this.#prepare().catch(() => {});
  }

  #markTest() {
    this.#page.mark(this.#offer.site.test ? this.#words.say("test.ribbon") : "");
  }

  /** Raises Unreachable: before that nothing may be held that could not be shown. */
  async #prepare() {
    const [{ Ordering }] = await fetchSteps().catch(() => {
      throw new Unreachable();
    });
    const own = { zone: this.#zone, offer: this.#offer, typed: this.#typed, visitor: this.#visitor };
    this.#ordering ??= new Ordering(
      { ...this.#parts, ...own },
      {
        onStep: () => this.#leave(),
        onTime: (service, choice) => this.#backToTimes(service, choice),
        onStart: (service) => this.#backToStart(service),
        onGone: () => this.#sayGone(),
        refresh: () => this.refresh(),
        slotOf: (id, service) => this.#slotOf(id, service),
      },
    );
    return this.#ordering;
  }

  /** What is wanted here is not offered, or not any more; other things may be. */
  #sayGone() {
    this.#leave();
    this.#service = null;
    this.#page.name({ title: this.#offer.site.name });
    const sentence = this.#words.say("problem.not_found");
    const others = this.#back("services.back", () => {
      this.#onlyService = "";
      this.#chooseService().focus();
    });
    fill(this.#page.stage, element("div", { class: "gone" }, element("p", {}, sentence), others));
    this.#page.announce(sentence);
  }

  #chooseService() {
    this.#leave();
    this.#service = null;
    this.#page.name({ title: this.#offer.site.name, above: this.#backToChosen(), meta: [this.#soFar()] });
    const choose = (/** @type {Service} */ service) => this.#pickTime(service).focus();
    return this.#enter(new ServiceList(this.#words, this.#offer.services, choose));
  }

  /**
   * @param {Service} service
   * @returns {View}
   */
  #pickTime(service) {
    this.#leave();
    this.#name(service);
    const picker = new Picker(
      {
        words: this.#words,
        clock: this.#clock,
        availability: this.#availability,
        site: this.#offer.site,
        zone: this.#zone,
        askNext: (from) => patiently(() => this.#parts.api.next(service.id, from)),
        chosen: () => ({ own: this.#ordering?.chosen.slots ?? [], isHeld: this.#offer.site.holds_on }),
        announce: (text) => this.#page.announce(text),
        onProblem: (problem) => this.#reloadLater(problem),
        onContinue: (slot, seats) => this.#take({ slot, seats, service }),
      },
      service,
    );
    this.#picker = picker;
    const last = this.#choices.at(-1);
    void (last ? picker.lookAt(last.slot) : picker.load());
    const focus = () => {
      this.#page.focus();
      if (!last) picker.bringTimesIntoSight();
    };
    return this.#enter({ element: picker.element, focus });
  }

  /**
   * @param {Service} service
   * @param {Choice} [choice]  of before
   */
  #backToTimes(service, choice) {
    const view = this.#pickTime(service);
    if (!choice) return this.#focusOn(view);
    void this.#picker?.open(choice.slot, choice.seats);
    this.#picker?.list.focus(choice.slot.id);
  }

  /** @param {Service | null} service */
  #backToStart(service) {
    this.#focusOn(this.#hasOthers || !service ? this.#chooseService() : this.#pickTime(service));
  }

  /** @param {View} view  of times, or what else there is: what is chosen already is said there */
  #focusOn(view) {
    view.focus();
    if (this.#choices.length > 0) this.#page.announce(this.#words.say("adding.so_far", { times: this.#times }));
  }

  /** @param {Service} service */
  #name(service) {
    this.#service = service;
    const others = this.#hasOthers && this.#back("services.back", () => this.#chooseService().focus());
    const above = this.#backToChosen() || others || this.#offer.site.name;
    /** @type {(HTMLElement | false)[]} */ const meta = [facts(service, this.#words), this.#unpayable(service), this.#soFar(others)];
    this.#page.name({ title: service.name, above, meta, hasZone: true });
  }

  /** What is chosen already, where another time besides is looked for. */
  get #choices() {
    return this.#ordering?.chosen.choices ?? [];
  }

  #backToChosen() {
    return this.#choices.length > 0 ? this.#back("adding.back", () => this.#summariseAgain()) : "";
  }

  /** @param {HTMLElement | false} [others]  the way to what else there is */
  #soFar(others = false) {
    if (this.#choices.length === 0) return false;
    const said = this.#words.say("adding.so_far", { times: this.#times });
    return element("div", { class: "so-far" }, element("p", {}, icon("check"), said), others);
  }

  get #times() {
    return this.#words.list(this.#choices.map(({ slot }) => this.#words.moment(slot.startsMs, this.#zone.current)));
  }

  #summariseAgain() {
    this.#ordering?.summarise();
    this.#page.focus();
  }

  /**
   * Said before anybody has chosen a time.
   * @param {Service} service
   */
  #unpayable({ price }) {
    const isSo = price.amount > 0 && !this.#offer.site.payments;
    return isSo && element("p", { class: "notice" }, icon("warning"), this.#words.say("problem.payments_not_set_up"));
  }

  get #hasOthers() {
    return !this.#onlyService && this.#offer.services.length > 1;
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
    try {
      await (await this.#prepare()).add(choice);
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
      this.#offer.site = { ...this.#offer.site, holds_on: false };
      return this.#take(choice);
    }
    if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
    else await this.refresh();
    const sentence = this.#ordering?.chosen.said(problem, true) ?? sentenceFor(problem, this.#words);
    this.#picker?.list.complain(choice.slot.id, sentence);
  }

  /**
   * What the host page kept of us.
   * @param {import("./host.js").Hello} hello
   */
  async greet({ hold, visitor, prefill, typed }) {
    if (hold || visitor) this.#visitor = hold?.visitor ?? visitor ?? "";
    else this.#host.tell("visitor", { id: this.#visitor });
    if (this.#ordering) this.#ordering.chosen.keeper.visitor = this.#visitor;
    Object.assign(this.#typed, typed);
    this.#typed.name ||= prefill?.name ?? "";
    this.#typed.email ||= prefill?.email ?? "";
    if (!hold || this.#choices.length > 0 || this.#ordering?.isBooked) return;
    try {
      await (await this.#prepare()).resume(hold);
    } catch (problem) {
      if (problem instanceof Refused && GONE.has(problem.status)) this.#ordering?.chosen.keeper.forget();
      else setTimeout(() => void this.greet({ hold }), jittered(RELOAD_MS));
    }
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
    const before = new Map(this.#choices.map(({ slot: { id } }) => [id, this.#availability.slot(id)]));
    const changed = this.#availability.apply(updates, epoch);
    if (changed.length === 0) return;
    this.#ordering?.chosen.seatsMoved(changed, before);
    this.#tick();
  }

  /** The schedule changed: services may be others now. */
  async scheduleMoved() {
    await this.servicesMoved();
    await this.refresh();
  }

  /** Likewise, where the times that are shown are new already. */
  async servicesMoved() {
    try {
      Object.assign(this.#offer, await this.#parts.api.services());
      this.#markTest();
    } catch (problem) {
      this.#reloadLater(problem);
    }
    this.#ordering?.scheduleMoved();
    if (this.#picker) this.#renameService();
    else if (!this.#service && this.#onlyService && !this.#ordering?.isShown) this.begin();
  }

  #renameService() {
    const service = this.#offer.services.find(({ id }) => id === this.#service?.id);
    if (!service && this.#choices.length > 0) return this.#summariseAgain();
    if (!service || !this.#picker) return this.#sayGone();
    this.#picker.service = service;
    this.#name(service);
  }

  /** @param {number} epoch */
  async wasReset(epoch) {
    this.#availability.reset(epoch);
    this.#picker?.forget();
    await this.refresh();
    await this.#ordering?.chosen.holding.check();
  }

  /** Asks again for everything that is shown. */
  async refresh() {
    this.#availability.doubt();
    await this.#picker?.load();
    await this.#ordering?.refresh().catch((problem) => this.#reloadLater(problem));
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
    this.#ordering?.leave();
    this.#picker = null;
  }

  /** @param {View} view */
  #enter(view) {
    fill(this.#page.stage, view.element);
    return view;
  }
}
