// @ts-check
/** The only place where calendar and slots come together: the step in which a visitor chooses a time. */

import { dayStateOf } from "./availability.js";
import { Calendar } from "./calendar.js";
import { addDays, addMonths, dayAt, daysOf, monthOf, rangesFor, startOf } from "./dates.js";
import { element, fill, icon } from "./elements.js";
import { SlotList } from "./slots.js";

/**
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {object} Surroundings
 * @property {import("./words.js").Words} words
 * @property {import("./clock.js").ServerClock} clock
 * @property {import("./availability.js").Availability} availability
 * @property {import("./api.js").Site} site
 * @property {import("./zone.js").ZoneChoice} zone
 * @property {() => string | null} ownSlot
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
  /** Months that were shown once are kept in sight while they are asked for again. */
  /** @type {Set<string>} */ #seen = new Set();

  /**
   * @param {Surroundings} surroundings
   * @param {import("./api.js").Service} service
   */
  constructor(surroundings, service) {
    this.#at = surroundings;
    this.#service = service;
    const { words, onContinue, announce } = surroundings;
    this.calendar = new Calendar(words, {
      onPick: (day) => this.#pick(day),
      onMonth: (month) => void this.#turnTo(month),
    });
    this.list = new SlotList(words, { onContinue, announce });
    this.heading = element("h2", { class: "day-name", tabindex: "-1" });
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
    this.heading.id = "day-name";
    this.#month = monthOf(this.#today);
  }

  /** @param {import("./api.js").Service} service  as it is after a change of the schedule */
  set service(service) {
    this.#service = service;
  }

  get #today() {
    return dayAt(this.#at.clock.now(), this.#at.zone.current);
  }

  /** @param {string} month */
  #ranges(month) {
    const { clock, site, zone } = this.#at;
    const days = daysOf(month);
    const earliest = dayAt(clock.now(), site.zone);
    return rangesFor({
      first: days[0],
      last: days[days.length - 1],
      zone: zone.current,
      siteZone: site.zone,
      earliest,
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
    if (this.#isFirst) this.#day = this.#firstOpenDay(month);
    this.#isFirst = false;
    this.show();
  }

  /** Shows anew what is known; cheap enough for every second. */
  show() {
    const states = this.#states(this.#month);
    this.calendar.show({
      month: this.#month,
      today: this.#today,
      chosen: this.#day,
      states,
      isLoading: this.#isLoading,
    });
    this.#showMonthNote(states);
    this.#showDay();
  }

  /** @param {string} month */
  #states(month) {
    const { availability, clock, zone } = this.#at;
    const days = daysOf(month);
    const slots = availability.between(
      this.#service.id,
      startOf(days[0], zone.current),
      startOf(addDays(days[days.length - 1], 1), zone.current),
    );
    /** @type {Map<string, Slot[]>} */
    const byDay = new Map();
    for (const slot of slots) {
      const day = dayAt(slot.startsMs, zone.current);
      byDay.set(day, [...(byDay.get(day) ?? []), slot]);
    }
    return new Map([...byDay].map(([day, ofDay]) => [day, dayStateOf(ofDay, clock.now())]));
  }

  /** @param {string} month */
  #firstOpenDay(month) {
    const states = this.#states(month);
    return [...states.keys()].sort().find((day) => states.get(day) === "open") ?? null;
  }

  /** @param {Map<string, string | null>} states */
  #showMonthNote(states) {
    const { words } = this.#at;
    const found = new Set(states.values());
    const key =
      found.has("open") || this.#isLoading ? null : found.has("held") ? "held" : found.has("full") ? "full" : "nothing";
    const note = this.calendar.note;
    const name = key ? `${this.#month} ${key}` : "";
    note.hidden = !key;
    if (!key || note.dataset.shown === name) return;
    note.dataset.shown = name;
    const next = addMonths(this.#month, 1);
    fill(
      note,
      element("p", {}, words.say(`month.${key}`, { month: words.monthName(this.#month) })),
      element(
        "button",
        { type: "button", class: "button", onclick: () => void this.#lookIn(next) },
        words.say("month.next", { month: words.monthName(next) }),
        icon("next"),
      ),
    );
    this.#at.announce(words.say(`month.${key}`, { month: words.monthName(this.#month) }));
  }

  #showDay() {
    const { words, clock, zone, ownSlot } = this.#at;
    const slots = this.#day ? this.#slotsOf(this.#day) : [];
    this.heading.textContent = this.#day ? words.day(this.#day) : words.say("day.choose_title");
    this.#showHint(slots);
    this.list.show(slots, { nowMs: clock.now(), zone: zone.current, service: this.#service, own: ownSlot() });
  }

  /** @param {Slot[]} slots */
  #showHint(slots) {
    const state = dayStateOf(slots, this.#at.clock.now());
    const key =
      this.#isLoading && !slots.length
        ? "loading"
        : !this.#day
          ? "choose"
          : state === "open"
            ? ""
            : (state ?? "nothing");
    const sentence = key ? this.#at.words.say(`hint.${key}`) : "";
    this.hint.hidden = !key;
    if (this.hint.dataset.shown !== key)
      fill(this.hint, key === "loading" ? skeletonRows() : element("p", {}, sentence));
    this.hint.dataset.shown = key;
  }

  /** @param {string} day */
  #slotsOf(day) {
    const { availability, clock, zone } = this.#at;
    return availability
      .between(this.#service.id, startOf(day, zone.current), startOf(addDays(day, 1), zone.current))
      .filter((slot) => slot.startsMs > clock.now());
  }

  /** @param {string} day */
  #pick(day) {
    const { words, announce } = this.#at;
    this.#day = day;
    this.show();
    announce(words.say("day.shown", { day: words.day(day), count: this.#slotsOf(day).length }));
    if (!isWide()) this.heading.scrollIntoView({ block: "start", behavior: isCalm() ? "auto" : "smooth" });
  }

  /** @param {string} month */
  async #turnTo(month) {
    this.#month = month;
    await this.load();
  }

  /** @param {string} month */
  async #lookIn(month) {
    await this.#turnTo(month);
    this.#day = this.#firstOpenDay(month) ?? this.#day;
    this.calendar.focus(this.#firstOpenDay(month) ?? daysOf(month)[0]);
    this.show();
  }

  /**
   * Shows the day of a slot with it chosen, as after coming back from the summary.
   * @param {Slot} slot
   */
  async open(slot) {
    this.#day = dayAt(slot.startsMs, this.#at.zone.current);
    this.#month = monthOf(this.#day);
    this.#isFirst = false;
    this.show();
    this.list.choose(slot.id);
    await this.load();
  }

  /** After the zone was changed: the same day may have other slots now. */
  async rezone() {
    if (this.#day && this.#day < this.#today) this.#day = this.#today;
    this.#seen.clear();
    await this.load();
  }
}

function isWide() {
  return matchMedia("(min-width: 720px)").matches;
}

function isCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
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
