// @ts-check
/** The only place that keeps what is known of slots, and that decides which of two pieces of news is the newer. */

import { addDays } from "./dates.js";

/**
 * @typedef {"open" | "held" | "full" | "closed"} SlotState
 * @typedef {{held: number, booked: number, version: number, freesMs: number | null}} Seats
 * @typedef {Seats & {id: string, service: string, range: string, startsMs: number, endsMs: number, untilMs: number,
 *   isClosed: boolean, capacity: number}} Slot
 *   `range` is the question it first came with: asked again without naming it, it is not offered any more; it can be
 *   booked before `untilMs`, unless it is closed
 * @typedef {"too_far" | "too_soon" | "no_shifts" | "blackout" | "closed" | "outside_opening_hours" | "past"} Reason
 * @typedef {{slot: string, held: number, booked: number, version: number, frees_at: string | null}} SeatsUpdate
 * @typedef {{from: string, to: string}} Range  days of the site's zone, both included
 */

/** From here on versions are of slots that share their people; a service that no longer does begins below it again. */
const SHARED_FROM = 2 ** 32;
/** Updates of slots not known yet are kept, as a question about them may be under way. */
const EARLY_MAX = 2_000;

const MINUTE_MS = 60_000;
/** @type {Reason[]} Of several, the first is told. */
const REASONS = ["too_far", "too_soon", "no_shifts", "blackout", "closed", "outside_opening_hours", "past"];

export class Availability {
  #ask;
  #epoch = 0;
  /** @type {Map<string, Slot>} */ #slots = new Map();
  /** @type {Map<string, Seats>} */ #early = new Map();
  /** @type {Set<string>} */ #known = new Set();
  /** Why days of the site's zone have nothing, by service and day. @type {Map<string, string | undefined>} */
  #whyNot = new Map();

  /** @param {(service: string, range: Range) => Promise<import("./api.js").AvailabilityAnswer>} ask */
  constructor(ask) {
    this.#ask = ask;
  }

  /**
   * @param {string} service
   * @param {Range[]} ranges
   */
  knows(service, ranges) {
    return ranges.every((range) => this.#known.has(nameOf(service, range)));
  }

  /**
   * Makes these days known; asks only about what is not.
   * @param {string} service
   * @param {Range[]} ranges
   */
  async need(service, ranges) {
    const missing = ranges.filter((range) => !this.#known.has(nameOf(service, range)));
    await Promise.all(
      missing.map(async (range) => this.#learn(await this.#ask(service, range), nameOf(service, range))),
    );
  }

  /**
   * @param {import("./api.js").AvailabilityAnswer} answer
   * @param {string} range
   */
  #learn(answer, range) {
    if (answer.epoch < this.#epoch) return;
    if (this.#epoch && answer.epoch > this.#epoch) this.reset(answer.epoch);
    this.#epoch = answer.epoch;
    const offered = new Set(answer.slots.map((slot) => slot.id));
    for (const slot of this.#slots.values()) {
      if (slot.range === range && !offered.has(slot.id)) this.#slots.delete(slot.id);
    }
    for (const slot of answer.slots) this.#learnSlot(slot, answer, range);
    for (let day = answer.from; day <= answer.to; day = addDays(day, 1))
      this.#whyNot.set(`${answer.service} ${day}`, answer.why_not[day]);
    this.#known.add(range);
  }

  /**
   * @param {import("./api.js").Slot} answer
   * @param {import("./api.js").AvailabilityAnswer} of
   * @param {string} range
   */
  #learnSlot(answer, { service, notice_minutes }, range) {
    const { id, capacity } = answer;
    const before = this.#slots.get(id);
    const newest = [seatsOf(answer), before, this.#early.get(id)]
      .filter((seats) => seats !== undefined)
      .filter((seats) => seats.version < SHARED_FROM === answer.version < SHARED_FROM)
      .reduce((one, other) => (other.version > one.version ? other : one));
    const { held, booked, version, freesMs } = newest;
    const startsMs = Date.parse(answer.starts_at);
    const endsMs = Date.parse(answer.ends_at);
    this.#slots.set(id, {
      id,
      service,
      range: before?.range ?? range,
      startsMs,
      endsMs,
      untilMs: startsMs - notice_minutes * MINUTE_MS,
      isClosed: answer.state === "closed",
      capacity,
      held,
      booked,
      version,
      freesMs,
    });
    this.#early.delete(id);
  }

  /**
   * News of the feed, with absolute figures: the newest version of a slot counts, in whatever order they come.
   * Of an epoch that has ended they count no more: we may have read from a process that is ahead of the feed's.
   * @param {SeatsUpdate[]} updates
   * @param {number} [epoch]
   * @returns {Slot[]} the slots that changed, as they are now
   */
  apply(updates, epoch = this.#epoch) {
    if (epoch < this.#epoch) return [];
    return updates.map((update) => this.#applyOne(update.slot, seatsOf(update))).filter((slot) => slot !== null);
  }

  /**
   * @param {string} id
   * @param {Seats} seats
   */
  #applyOne(id, seats) {
    const slot = this.#slots.get(id);
    if (slot ? slot.version >= seats.version : (this.#early.get(id)?.version ?? -1) >= seats.version) return null;
    if (!slot) {
      if (this.#early.size >= EARLY_MAX) this.#early.clear();
      this.#early.set(id, seats);
      return null;
    }
    const changed = { ...slot, ...seats };
    this.#slots.set(id, changed);
    return changed;
  }

  /** All days must be asked for again; what is known of them is shown until then. */
  doubt() {
    this.#known.clear();
  }

  /**
   * The server was filled anew: versions begin again, so nothing known may be compared with what comes.
   * @param {number} epoch
   */
  reset(epoch) {
    if (epoch === this.#epoch) return this.doubt();
    this.doubt();
    this.#slots.clear();
    this.#early.clear();
    this.#epoch = epoch;
  }

  /**
   * Why nothing of these slots can be booked, where no seats are the reason: as they are now, or by what was told of
   * the days of the site's zone that they are among.
   * @param {Slot[]} slots  that none is open, held or full of
   * @param {{service: string, days: string[], nowMs: number}} of
   * @returns {Reason}
   */
  whyNot(slots, { service, days, nowMs }) {
    const ahead = slots.filter((slot) => slot.startsMs > nowMs);
    const told = [
      ...ahead.map((slot) => (slot.isClosed ? "closed" : "too_soon")),
      ...days.map((day) => this.#whyNot.get(`${service} ${day}`)),
    ];
    return REASONS.find((reason) => told.includes(reason)) ?? "outside_opening_hours";
  }

  /** @param {string} id */
  slot(id) {
    return this.#slots.get(id);
  }

  /**
   * The slots of a service that start within this stretch, in order.
   * @param {string} service
   * @param {number} fromMs
   * @param {number} toMs
   */
  between(service, fromMs, toMs) {
    return [...this.#slots.values()]
      .filter((slot) => slot.service === service && slot.startsMs >= fromMs && slot.startsMs < toMs)
      .sort((one, other) => one.startsMs - other.startsMs);
  }
}

/** @param {Slot} slot */
export function leftOf(slot) {
  return Math.max(0, slot.capacity - slot.held - slot.booked);
}

/**
 * @param {Slot} slot
 * @param {number} nowMs
 * @returns {SlotState}
 */
export function stateOf(slot, nowMs) {
  if (slot.isClosed || slot.untilMs <= nowMs) return "closed";
  if (leftOf(slot) > 0) return "open";
  return slot.held > 0 ? "held" : "full";
}

/**
 * What a day looks like: something to book, something that may free up, or nothing left. Null where nothing is offered.
 * @param {Slot[]} slots
 * @param {number} nowMs
 * @returns {"open" | "held" | "full" | null}
 */
export function dayStateOf(slots, nowMs) {
  const states = new Set(slots.map((slot) => stateOf(slot, nowMs)));
  for (const state of /** @type {const} */ (["open", "held", "full"])) if (states.has(state)) return state;
  return null;
}

/**
 * @param {SeatsUpdate | import("./api.js").Slot} told
 * @returns {Seats}
 */
function seatsOf({ held, booked, version, frees_at }) {
  return { held, booked, version, freesMs: frees_at ? Date.parse(frees_at) : null };
}

/**
 * @param {string} service
 * @param {Range} range
 */
function nameOf(service, { from, to }) {
  return `${service} ${from} ${to}`;
}
