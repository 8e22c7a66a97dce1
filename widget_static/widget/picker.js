// @ts-check
/** The only place where calendar and slots come together: the step in which a visitor chooses a time. */

import { dayStateOf, stateOf } from "./availability.js";
import { Calendar } from "./calendar.js";
import { addDays, dayAt, daysOf, monthOf, rangesFor, startOf } from "./dates.js";
import { element, fill, isCalm } from "./elements.js";
import { NextFree } from "./nextfree.js";
import { bringIntoSight, SlotList } from "./slots.js";

/** So many of the first free times are brought into sight where they lie beneath the calendar. */
const TIMES_SOUGHT = 3;

/**
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {import("./calendar.js").Look} Look
 * @typedef {object} Surroundings
 * @property {import("./words.js").Words} words
 * @property {import("./clock.js").ServerClock} clock
 * @property {import("./availability.js").Availability} availability
 * @property {import("./api.js").Site} site
 * @property {import("./zone.js").ZoneChoice} zone
 * @property {() => {own: string[], isHeld: boolean}} chosen  what this visitor has chosen before, and whether they hold it
 * @property {(from: string) => Promise<import("./api.js").NextAnswer>} askNext
 * @property {(text: string) => void} announce
 * @property {(problem: unknown) => void} onProblem
 * @property {(slot: Slot, seats: number) => Promise<void>} onContinue
 */

export class Picker {
  #at;
  /** @type {import("./api.js").Service} */ #service;
  #month = "";
  /** @type {string | null} */ #day = null;
  #isFirst = true;
  #isLoading = true;
  /** The first free times are waited for, and on a phone they lie beneath the calendar. */
  #isSought = false;
  /** What the hint says, and of which day. @type {{day: string | null, key: string}} */ #hinted = { day: null, key: "" };
  /** Months that were shown once are kept in sight while they are asked for again. */
  /** @type {Set<string>} */ #seen = new Set();

  /**
   * @param {Surroundings} surroundings
   * @param {import("./api.js").Service} service
   */
  constructor(surroundings, service) {
    this.#at = surroundings;
    this.#service = service;
    const { words, zone, askNext, onContinue, announce } = surroundings;
    this.calendar = new Calendar(words, {
      onPick: (day) => this.#pick(day),
      onMonth: (month) => void this.#turnTo(month),
    });
    this.list = new SlotList(words, { onContinue, announce });
    this.next = new NextFree(words, {
      ask: async (from) => Date.parse((await askNext(from)).next?.starts_at ?? "") || null,
      dayOf: (instantMs) => dayAt(instantMs, zone.current),
      onFound: () => this.show(),
      onGo: (day) => void this.#goTo(day),
      announce,
    });
    this.heading = element("h2", { class: "day-name", id: "day-name", tabindex: "-1" });
    this.hint = element("div", { class: "day-hint" });
    this.element = element(
      "div",
      { class: "picker" },
      this.calendar.element,
      element(
        "section",
        { class: "day-panel", "aria-labelledby": "day-name" },
        this.heading,
        this.hint,
        this.list.element,
      ),
    );
    this.#month = monthOf(this.#today);
  }

  /** @param {import("./api.js").Service} service  as it is after a change of the schedule */
  set service(service) {
    this.#service = service;
  }

  get #today() {
    return dayAt(this.#at.clock.now(), this.#at.zone.current);
  }

  get #siteToday() {
    return dayAt(this.#at.clock.now(), this.#at.site.zone);
  }

  /** @param {string} month */
  #ranges(month) {
    const { site, zone } = this.#at;
    const days = daysOf(month);
    return rangesFor({
      first: days[0],
      last: days[days.length - 1],
      zone: zone.current,
      siteZone: site.zone,
      earliest: this.#siteToday,
    });
  }

  /** Nothing that is shown counts any more. */
  forget() {
    this.#seen.clear();
  }

  /** Fetches what is shown and not known, and shows it. */
  async load() {
    const month = this.#month;
    const ranges = this.#ranges(month);
    this.next.forget();
    this.#isLoading = !this.#seen.has(month) && !this.#at.availability.knows(this.#service.id, ranges);
    this.show();
    try {
      await this.#at.availability.need(this.#service.id, ranges);
    } catch (problem) {
      this.#at.onProblem(problem);
      return;
    }
    if (month !== this.#month) return;
    this.#isLoading = false;
    this.#seen.add(month);
    if (this.#isFirst) this.#day = firstOpen(this.#looks()) ?? null;
    this.#isFirst = false;
    this.show();
    if (this.#isSought) this.bringTimesIntoSight();
  }

  /** As soon as there are any; the page goes no further than that needs, and focus stays where it is. */
  bringTimesIntoSight() {
    this.#isSought = this.#isFirst;
    const times = [...this.list.element.children].slice(0, TIMES_SOUGHT);
    if (!isWide()) times.slice(-1).forEach(bringIntoSight);
  }

  /** Shows anew what is known; cheap enough for every second. */
  show() {
    const looks = this.#looks();
    this.calendar.show({
      month: this.#month,
      today: this.#today,
      lastMonth: this.#lastMonth,
      chosen: this.#day,
      looks,
      own: this.#ownDays(),
      isLoading: this.#isLoading,
    });
    const isNoted = this.#showMonthNote(looks);
    this.#showDay(looks, isNoted);
  }

  /**
   * Nobody else holds any of these.
   * @param {Slot[]} slots
   */
  #isOwn(slots) {
    const { own } = this.#at.chosen();
    return slots.filter(({ held }) => held > 0).every(({ id }) => own.includes(id));
  }

  #ownDays() {
    const { chosen, availability, zone } = this.#at;
    const slots = chosen().own.map((id) => availability.slot(id));
    return new Set(slots.map((slot) => slot && dayAt(slot.startsMs, zone.current)));
  }

  /** The month of the last day that the service can be booked on. */
  get #lastMonth() {
    const { site, zone } = this.#at;
    const beyond = addDays(this.#siteToday, this.#service.horizon_days + 1);
    return monthOf(dayAt(startOf(beyond, site.zone) - 1, zone.current));
  }

  /** What each day of the shown month looks like. @returns {Map<string, Look>} */
  #looks() {
    const { zone } = this.#at;
    const days = daysOf(this.#month);
    /** @type {Map<string, Slot[]>} */
    const byDay = new Map(days.map((day) => [day, []]));
    for (const slot of this.#between(days[0], days[days.length - 1]))
      byDay.get(dayAt(slot.startsMs, zone.current))?.push(slot);
    return new Map(days.map((day) => [day, this.#lookOf(day, byDay.get(day) ?? [])]));
  }

  /**
   * @param {string} day
   * @param {Slot[]} slots
   * @returns {Look}
   */
  #lookOf(day, slots) {
    const nowMs = this.#at.clock.now();
    const state = dayStateOf(slots, nowMs);
    if (state || (this.#isLoading && monthOf(day) === this.#month)) return state;
    return this.#at.availability.whyNot(slots, { service: this.#service.id, days: this.#siteDays(day), nowMs });
  }

  /**
   * The days of the site's zone that a day of the shown calendar begins and ends on.
   * @param {string} day
   */
  #siteDays(day) {
    const { site, zone } = this.#at;
    const ends = [startOf(day, zone.current), startOf(addDays(day, 1), zone.current) - 1];
    return ends.map((instantMs) => dayAt(instantMs, site.zone));
  }

  /**
   * @param {string} first
   * @param {string} last
   */
  #between(first, last) {
    const { availability, zone } = this.#at;
    const [fromMs, toMs] = [startOf(first, zone.current), startOf(addDays(last, 1), zone.current)];
    return availability.between(this.#service.id, fromMs, toMs);
  }

  /**
   * Says that the shown month has nothing, unless that is said of one of its days.
   * @param {Map<string, Look>} looks
   */
  #showMonthNote(looks) {
    const { words } = this.#at;
    const { note } = this.calendar;
    const found = new Set(looks.values());
    note.hidden = found.has("open") || this.#isLoading || (this.#day !== null && looks.has(this.#day));
    if (note.hidden) return false;
    const first = [...looks.keys()][0];
    this.#showNext(first > this.#today ? first : this.#today, looks);
    const taken = ["held", "full"].find((look) => found.has(/** @type {Look} */ (look)));
    const isNever = !taken && this.next.isNever;
    this.next.element.hidden = isNever;
    const sentence = words.say(`month.${taken ?? (isNever ? "never" : "nothing")}`, {
      month: words.monthName(this.#month),
    });
    if (note.dataset.shown !== sentence) {
      fill(note, element("p", {}, sentence));
      this.#at.announce(sentence);
    }
    note.dataset.shown = sentence;
    if (this.next.element.parentElement !== note) note.append(this.next.element);
    return true;
  }

  /**
   * @param {string} day  that has nothing
   * @param {Map<string, Look>} looks
   */
  #showNext(day, looks) {
    const known = looks.has(day) ? firstOpen(looks, addDays(day, 1)) : undefined;
    this.next.show({ day, known, from: this.#siteDays(day)[1], today: this.#siteToday });
  }

  /**
   * @param {Map<string, Look>} looks
   * @param {boolean} isNoted  the next free day is shown elsewhere
   */
  #showDay(looks, isNoted) {
    const { words, clock, zone, chosen } = this.#at;
    const day = this.#day;
    const slots = day ? this.#slotsOf(day) : [];
    const look = day ? (looks.get(day) ?? this.#lookOf(day, this.#between(day, day))) : null;
    const title = day ? words.day(day) : words.say("day.choose_title");
    if (this.heading.textContent !== title) this.heading.textContent = title;
    const isNever = !day && isNoted && this.next.element.hidden;
    this.heading.hidden = isNever;
    this.#showHint(look === "held" && this.#isOwn(slots) ? "own" : look ?? (day || this.#isLoading ? "loading" : isNever ? "never" : "choose"));
    if (day && look && look !== "open" && !isNoted) {
      this.#showNext(day, looks);
      this.next.element.hidden = false;
      if (this.next.element.parentElement !== this.hint) this.hint.append(this.next.element);
    }
    this.list.show(slots, { nowMs: clock.now(), zone: zone.current, service: this.#service, ...chosen() });
  }

  /** @param {string} key */
  #showHint(key) {
    const before = this.#hinted;
    if (before.day === this.#day && before.key === key) return;
    this.#hinted = { day: this.#day, key };
    const hadFocus = this.hint.contains(document.activeElement);
    fill(this.hint, key === "loading" ? skeletonRows() : element("p", {}, this.#sentence(key)));
    this.hint.hidden = this.#sentence(key) === "" && key !== "loading";
    if (hadFocus) this.heading.focus();
    if (before.day === this.#day && this.#day && before.key !== "loading") this.#tellDay();
  }

  /** @param {string} key */
  #sentence(key) {
    const { words, site, zone } = this.#at;
    if (["open", "loading", "never"].includes(key)) return "";
    if (key !== "too_far" || !this.#day) return words.say(`hint.${key}`);
    const opens = startOf(addDays(this.#siteDays(this.#day)[0], -this.#service.horizon_days), site.zone);
    return words.say("hint.too_far", { day: words.day(dayAt(opens, zone.current)) });
  }

  /** @param {string} day */
  #slotsOf(day) {
    const nowMs = this.#at.clock.now();
    return this.#between(day, day).filter((slot) => stateOf(slot, nowMs) !== "closed");
  }

  #tellDay() {
    const { words, announce } = this.#at;
    const { day, key } = this.#hinted;
    if (!day || key === "loading") return;
    const count = this.#slotsOf(day).length;
    announce(
      key === "open"
        ? words.say("day.shown", { day: words.day(day), count })
        : `${words.day(day)}: ${this.#sentence(key)}`,
    );
  }

  /** @param {string} day */
  #pick(day) {
    this.#day = day;
    this.show();
    this.#tellDay();
    if (!isWide()) this.heading.scrollIntoView({ block: "start", behavior: isCalm() ? "auto" : "smooth" });
  }

  /** @param {string} month */
  async #turnTo(month) {
    this.#month = month;
    await this.load();
  }

  /** @param {string} day */
  async #goTo(day) {
    this.#day = day;
    const turning = this.#turnTo(monthOf(day));
    this.heading.focus();
    await turning;
    if (this.#day === day) this.#tellDay();
  }

  /**
   * Shows the day of a slot with it chosen, as after coming back from the summary.
   * @param {Slot} slot
   * @param {number} seats  so many, as soon as there are
   */
  async open(slot, seats) {
    const loading = this.lookAt(slot);
    this.list.choose(slot.id, seats);
    await loading;
  }

  /**
   * Shows the day of a slot.
   * @param {Slot} slot
   */
  async lookAt(slot) {
    this.#day = dayAt(slot.startsMs, this.#at.zone.current);
    this.#month = monthOf(this.#day);
    this.#isFirst = false;
    await this.load();
  }

  /** After the zone was changed: the same day may have other slots now. */
  async rezone() {
    if (this.#day && this.#day < this.#today) this.#day = this.#today;
    this.#seen.clear();
    await this.load();
  }
}

/**
 * @param {Map<string, Look>} looks
 * @param {string} [from]
 */
function firstOpen(looks, from = "") {
  return [...looks.keys()].find((day) => day >= from && looks.get(day) === "open");
}

function isWide() {
  return matchMedia("(min-width: 720px)").matches;
}

function skeletonRows() {
  return element(
    "div",
    { class: "skeleton-rows", "aria-hidden": "true" },
    element("span"),
    element("span"),
    element("span"),
  );
}
