// @ts-check
/**
 * The only place for the month: a date grid by the WAI-ARIA pattern, one day in the tab order, moved in by arrow keys.
 * https://www.w3.org/WAI/ARIA/apg/patterns/dialog-modal/examples/datepicker-dialog/
 */

import { addDays, addMonths, daysOf, firstWeekday, monthOf, moveByMonths, weekdayOf } from "./dates.js";
import { element, fill, icon } from "./elements.js";

const WEEK = 7;
const TAKEN = ["open", "held", "full"];

/**
 * @typedef {"open" | "held" | "full" | import("./availability.js").Reason | null} Look  of a day; null: not known yet
 * @typedef {{month: string, today: string, lastMonth: string, chosen: string | null, looks: Map<string, Look>,
 *   own: Set<string | undefined>, isLoading: boolean}} Shown  `own`: days with a time that was chosen before
 */

export class Calendar {
  #words;
  #onPick;
  #onMonth;
  #weekStart;
  /** @type {Shown} */ #shown = { month: "", today: "", lastMonth: "", chosen: null, looks: new Map(), own: new Set(), isLoading: true };
  #cursor = "";
  /** @type {Map<string, HTMLButtonElement>} */ #days = new Map();

  /**
   * @param {import("./words.js").Words} words
   * @param {{onPick: (day: string) => void, onMonth: (month: string) => void}} listeners
   */
  constructor(words, { onPick, onMonth }) {
    this.#words = words;
    this.#onPick = onPick;
    this.#onMonth = onMonth;
    this.#weekStart = firstWeekday(words.locale);
    this.title = element("h2", { class: "month-name", id: "month-name", "aria-live": "polite" });
    this.previous = this.#turner("back", "calendar.previous", -1);
    this.next = this.#turner("next", "calendar.next", 1);
    this.head = element("tr", { role: "row" });
    this.body = element("tbody", {
      role: "rowgroup",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#press(event),
    });
    this.note = element("div", { class: "month-note", hidden: true });
    this.element = element(
      "section",
      { class: "calendar", "aria-label": words.say("calendar.label") },
      element("div", { class: "month-bar" }, this.previous, this.title, this.next),
      element(
        "table",
        { role: "grid", "aria-labelledby": "month-name" },
        element("thead", { role: "rowgroup" }, this.head),
        this.body,
      ),
      this.note,
      this.#legend(),
    );
    this.#nameWeekdays();
  }

  /** @param {Shown} shown */
  show(shown) {
    const isOtherMonth = /** @type {const} */ (["month", "today", "lastMonth"]).some(
      (name) => shown[name] !== this.#shown[name],
    );
    this.#shown = shown;
    if (isOtherMonth) this.#layOut();
    this.#paint();
  }

  /** @param {string} day */
  focus(day) {
    this.#cursor = day;
    this.#paint();
    this.#days.get(day)?.focus();
  }

  #layOut() {
    const { month, today, lastMonth } = this.#shown;
    const hadFocus = this.body.contains(document.activeElement);
    this.title.textContent = this.#words.month(month);
    this.previous.disabled = month <= monthOf(today);
    this.next.disabled = month >= lastMonth;
    const days = daysOf(month);
    if (monthOf(this.#cursor) !== month) this.#cursor = month === monthOf(today) ? today : days[0];
    this.#days = new Map(days.map((day) => [day, this.#dayButton(day)]));
    const blanks = (weekdayOf(days[0]) - this.#weekStart + WEEK) % WEEK;
    /** @type {(string | null)[]} */
    const cells = [...Array(blanks).fill(null), ...days];
    const weeks = Math.ceil(cells.length / WEEK);
    fill(
      this.body,
      ...Array.from({ length: weeks }, (_, week) => this.#week(cells.slice(week * WEEK, week * WEEK + WEEK))),
    );
    if (hadFocus) this.#days.get(this.#cursor)?.focus();
  }

  /** @param {(string | null)[]} days */
  #week(days) {
    const padded = [...days, ...Array(WEEK - days.length).fill(null)];
    return element(
      "tr",
      { role: "row" },
      padded.map((day) => element("td", { role: "gridcell" }, day && this.#days.get(day))),
    );
  }

  /** @param {string} day */
  #dayButton(day) {
    return element(
      "button",
      { type: "button", class: "day", "data-day": day, onclick: () => this.#pick(day) },
      element("span", { class: "day-number" }, this.#words.dayNumber(day)),
      element("span", { class: "day-mark" }),
    );
  }

  #paint() {
    const { today, chosen, looks, own, isLoading } = this.#shown;
    this.body.setAttribute("aria-busy", String(isLoading));
    this.element.classList.toggle("is-loading", isLoading);
    for (const [day, button] of this.#days) {
      const look = looks.get(day) ?? null;
      button.tabIndex = day === this.#cursor ? 0 : -1;
      button.className = `day is-${look && TAKEN.includes(look) ? look : "nothing"}`;
      button.classList.toggle("is-today", day === today);
      button.classList.toggle("is-chosen", day === chosen);
      button.classList.toggle("is-own", own.has(day));
      button.setAttribute("aria-disabled", String(!this.#isPickable(day)));
      button.setAttribute("aria-label", this.#words.joined(this.#words.day(day), this.#words.say(`day.${look ?? "loading"}`), own.has(day) && this.#words.say("day.own")));
      button.toggleAttribute("aria-current", false);
      if (day === today) button.setAttribute("aria-current", "date");
      button.parentElement?.setAttribute("aria-selected", String(day === chosen));
      const mark = /** @type {HTMLElement} */ (button.lastElementChild);
      mark.textContent = look === "held" ? this.#words.say("day.held_short") : "";
    }
  }

  /**
   * Days without anything can be picked too: there it says why.
   * @param {string} day
   */
  #isPickable(day) {
    return day >= this.#shown.today && Boolean(this.#shown.looks.get(day));
  }

  /** @param {string} day */
  #pick(day) {
    this.#cursor = day;
    if (this.#isPickable(day)) this.#onPick(day);
    this.#paint();
    this.#days.get(day)?.focus();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const day = this.#target(event);
    if (!day) return;
    event.preventDefault();
    const { today, lastMonth } = this.#shown;
    const last = daysOf(lastMonth).at(-1) ?? day;
    this.#cursor = day < today ? today : day > last ? last : day;
    if (monthOf(this.#cursor) !== this.#shown.month) this.#onMonth(monthOf(this.#cursor));
    this.focus(this.#cursor);
  }

  /** @param {KeyboardEvent} event */
  #target({ key, shiftKey }) {
    const sideways = getComputedStyle(this.body).direction === "rtl" ? -1 : 1;
    const weekday = (weekdayOf(this.#cursor) - this.#weekStart + WEEK) % WEEK;
    switch (key) {
      case "ArrowLeft":
        return addDays(this.#cursor, -sideways);
      case "ArrowRight":
        return addDays(this.#cursor, sideways);
      case "ArrowUp":
        return addDays(this.#cursor, -WEEK);
      case "ArrowDown":
        return addDays(this.#cursor, WEEK);
      case "Home":
        return addDays(this.#cursor, -weekday);
      case "End":
        return addDays(this.#cursor, WEEK - 1 - weekday);
      case "PageUp":
        return moveByMonths(this.#cursor, shiftKey ? -12 : -1);
      case "PageDown":
        return moveByMonths(this.#cursor, shiftKey ? 12 : 1);
      default:
        return null;
    }
  }

  /**
   * @param {"back" | "next"} drawing
   * @param {string} label
   * @param {number} months
   */
  #turner(drawing, label, months) {
    const turn = () => this.#onMonth(addMonths(this.#shown.month, months));
    return element(
      "button",
      { type: "button", class: "icon-button", "aria-label": this.#words.say(label), onclick: turn },
      icon(drawing),
    );
  }

  #nameWeekdays() {
    const monday = "2024-01-01";
    const days = Array.from({ length: WEEK }, (_, index) => addDays(monday, this.#weekStart - 1 + index));
    const short = days.map((day) => this.#words.weekday(day, "short"));
    // In Arabic these are whole words, which run into each other on a phone. There, calendars have letters.
    const isLong = short.some((name) => name.length > 5);
    fill(
      this.head,
      ...days.map((day, index) =>
        element(
          "th",
          { role: "columnheader", scope: "col", abbr: this.#words.weekday(day, "long") },
          isLong ? this.#words.weekday(day, "narrow") : short[index],
        ),
      ),
    );
  }

  #legend() {
    return element(
      "ul",
      { class: "legend", "aria-hidden": "true" },
      ["open", "held", "full"].map((state) =>
        element("li", { class: `is-${state}` }, element("span", { class: "mark" }), this.#words.say(`legend.${state}`)),
      ),
    );
  }
}
