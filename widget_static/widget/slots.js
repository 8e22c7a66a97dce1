// @ts-check
/** The only place for the slots of one day, each with its live state; the chosen one opens to ask for seats. */

import { leftOf, stateOf } from "./availability.js";
import { element, fill, icon, isCalm } from "./elements.js";
import { SeatStepper } from "./seats.js";

const FLASH_MS = 1_200;
const GROWN_WITHIN_MS = 500;

/**
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {{onContinue: (slot: Slot, seats: number) => Promise<void>, announce: (text: string) => void}} Listeners
 * @typedef {{nowMs: number, zone: string, service: import("./api.js").Service, own: string[], isHeld?: boolean}} Context
 *   `own` are the slots that this visitor has chosen before, and holds unless told otherwise
 */

export class SlotList {
  #words;
  #listeners;
  /** @type {Map<string, SlotRow>} */ #rows = new Map();
  /** @type {SlotRow | null} */ #chosen = null;

  /**
   * @param {import("./words.js").Words} words
   * @param {Listeners | null} [listeners]  none: the list is only for looking at
   */
  constructor(words, listeners = null) {
    this.#words = words;
    this.#listeners = listeners;
    this.element = element("ul", { class: "slots" });
  }

  /**
   * Shows these slots; rows that stay keep their focus and what was chosen in them.
   * @param {Slot[]} slots
   * @param {Context} context
   */
  show(slots, context) {
    const rows = slots.map((slot) => this.#rows.get(slot.id) ?? this.#row(slot));
    const isSame = rows.length === this.#rows.size && rows.every((row) => this.#rows.has(row.slot.id));
    this.#rows = new Map(rows.map((row) => [row.slot.id, row]));
    if (this.#chosen && !this.#rows.has(this.#chosen.slot.id)) this.#chosen = null;
    if (!isSame) fill(this.element, ...rows.map((row) => row.element));
    slots.forEach((slot, index) => rows[index].show(slot, context));
  }

  /**
   * @param {string} id
   * @param {string} sentence
   */
  complain(id, sentence) {
    this.#rows.get(id)?.complain(sentence);
  }

  /**
   * @param {string} id
   * @param {number} [seats]
   */
  choose(id, seats) {
    const row = this.#rows.get(id);
    if (!row) return;
    if (this.#chosen !== row) this.#chosen?.close();
    this.#chosen = row;
    row.open(seats);
    bringIntoSight(row.element);
  }

  /** @param {string} id */
  focus(id) {
    this.#rows.get(id)?.button.focus();
  }

  /** @param {Slot} slot */
  #row(slot) {
    return new SlotRow(
      this.#words,
      slot,
      this.#listeners && { ...this.#listeners, onChoose: () => this.choose(slot.id) },
    );
  }
}

/**
 * With what has just opened in it. A frame grows a moment later: then once more.
 * @param {Element} row
 */
export function bringIntoSight(row) {
  const bring = () => row.scrollIntoView({ block: "nearest", behavior: isCalm() ? "auto" : "smooth" });
  bring();
  if (parent !== window) addEventListener("resize", bring, { once: true, signal: AbortSignal.timeout(GROWN_WITHIN_MS) });
}

class SlotRow {
  #words;
  #listeners;
  #isOpen = false;
  #isBusy = false;
  /** @type {Context | null} */ #context = null;

  /**
   * @param {import("./words.js").Words} words
   * @param {Slot} slot
   * @param {(Listeners & {onChoose: () => void}) | null} listeners
   */
  constructor(words, slot, listeners) {
    this.#words = words;
    this.#listeners = listeners;
    this.slot = slot;
    this.time = element("span", { class: "slot-time" });
    this.status = element("span", { class: "slot-status" });
    const detailId = `detail-${slot.id}`;
    this.button = element(
      "button",
      {
        type: "button",
        class: "slot-pick",
        "aria-controls": detailId,
        disabled: !listeners,
        onclick: () => this.#isChoosable && listeners?.onChoose(),
      },
      this.time,
      this.status,
    );
    this.stepper = new SeatStepper(words);
    this.go = element("button", { type: "button", class: "button primary", onclick: () => void this.#continue() });
    this.detail = element("div", { class: "slot-detail", id: detailId, hidden: true }, this.stepper.element, this.go);
    this.note = element("p", { class: "slot-note", hidden: true });
    this.element = element("li", { class: "slot", "data-slot": slot.id }, this.button, this.note, this.detail);
  }

  /**
   * @param {Slot} slot
   * @param {Context} context
   */
  show(slot, context) {
    const before = this.#context && { left: leftOf(this.slot), state: this.#state };
    this.slot = slot;
    this.#context = context;
    this.#setText(this.time, this.#words.times(slot.startsMs, slot.endsMs, context.zone));
    this.#setText(this.status, this.#statusText());
    const state = this.#state;
    this.element.className = `slot is-${state}${this.#isOpen ? " is-chosen" : ""}`;
    this.button.setAttribute("aria-disabled", String(!this.#isChoosable));
    if (this.#listeners) this.#showSeats();
    if (before && (before.left !== leftOf(slot) || before.state !== state)) this.#moved(before.state);
  }

  get #state() {
    const { own, nowMs } = /** @type {Context} */ (this.#context);
    return own.includes(this.slot.id) ? "own" : stateOf(this.slot, nowMs);
  }

  get #isChoosable() {
    return this.#state === "open" && !this.#isBusy;
  }

  #statusText() {
    const { nowMs, isHeld = true } = /** @type {Context} */ (this.#context);
    const state = this.#state;
    if (state === "own" && !isHeld) return this.#words.say("slot.chosen");
    if (state === "open")
      return this.#words.say(this.slot.capacity === 1 ? "slot.free" : "slot.left", { count: leftOf(this.slot) });
    if (state === "held" && this.slot.freesMs && this.slot.freesMs > nowMs) {
      return this.#words.say("slot.held_until", { time: this.#words.countdown(this.slot.freesMs - nowMs) });
    }
    return this.#words.say(`slot.${state}`);
  }

  #showSeats() {
    const { service } = /** @type {Context} */ (this.#context);
    const most = Math.min(service.seats_per_booking_max, leftOf(this.slot));
    this.stepper.element.hidden = service.seats_per_booking_max === 1;
    if (!this.#isBusy && this.#state === "open" && this.stepper.limit(most))
      this.complain(this.#words.say("slot.fewer", { count: most }));
    this.go.replaceChildren(
      this.#words.say(this.#isBusy ? "slot.holding" : "slot.continue"),
      this.#isBusy ? "" : icon("next"),
    );
    this.go.setAttribute("aria-disabled", String(this.#isBusy));
    const isHidden = !this.#isOpen || (this.#state !== "open" && !this.#isBusy);
    if (isHidden && this.detail.contains(document.activeElement)) this.button.focus();
    this.detail.hidden = isHidden;
    this.button.setAttribute("aria-expanded", String(!this.detail.hidden));
  }

  /** @param {string} stateBefore */
  #moved(stateBefore) {
    this.element.classList.add("has-moved");
    setTimeout(() => this.element.classList.remove("has-moved"), FLASH_MS);
    const isGone = stateBefore === "open" && (this.#state === "held" || this.#state === "full");
    if (isGone && this.#isOpen && !this.#isBusy) this.complain(this.#words.say(`slot.gone_${this.#state}`));
    if (stateBefore !== "open" && this.#state === "open") this.note.hidden = true;
  }

  open(seats = 1) {
    if (seats > 1) this.stepper.want(seats);
    this.#isOpen = true;
    this.note.hidden = true;
    this.#again();
  }

  close() {
    this.#isOpen = false;
    this.note.hidden = true;
    this.#again();
  }

  /** @param {string} sentence */
  complain(sentence) {
    fill(this.note, icon("warning"), sentence);
    this.note.hidden = false;
    this.#listeners?.announce(sentence);
  }

  async #continue() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.note.hidden = true;
    this.#again();
    try {
      await this.#listeners?.onContinue(this.slot, this.stepper.count);
    } finally {
      this.#isBusy = false;
      this.#again();
    }
  }

  #again() {
    if (this.#context) this.show(this.slot, this.#context);
  }

  /**
   * Only what changed is written, so that a screen reader that is just reading it is not disturbed.
   * @param {HTMLElement} place
   * @param {string} text
   */
  #setText(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }
}
