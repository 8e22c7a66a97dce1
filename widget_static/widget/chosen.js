// @ts-check
/** The only place that keeps what a visitor has chosen, and has the server hold just that. */

import { leftOf } from "./availability.js";
import { Refused } from "./api.js";
import { inOrder, linesOf } from "./choices.js";
import { mayBeOurs } from "./hold.js";
import { Holding } from "./holding.js";
import { jittered } from "./patience.js";
import { sentenceFor } from "./problems.js";
import { choicesOf } from "./resuming.js";

const MINUTE_MS = 60_000;
/** When fewer seats are held than ours, our hold is gone or just changing: it is asked after in this time. */
const RECHECK_MS = 500;
/** Refusals after which it is another hold, or none. */
const ELSE = ["hold_ended", "not_found", "paying"];

/**
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {object} Listeners
 * @property {() => void} onHold  it has changed, or is over
 * @property {() => Promise<void>} onBookedUnheard  it has become a booking, and the answer that said so was lost
 * @property {() => void} onOthers  other times are held than we knew of, and those are chosen now
 * @property {(choice: Choice) => void} onFull  nothing is held here, and by now too few seats are left of this time
 */

export class Chosen {
  /** @type {Choice[]} */ choices = [];
  #at;
  #on;
  #isChanging = false;
  /** @type {Promise<unknown>} */ #change = Promise.resolve();

  /**
   * @param {import("./ordering.js").Surroundings} at
   * @param {import("./ordering.js").Ways} ways
   * @param {Listeners} on
   */
  constructor(at, ways, on) {
    this.#at = at;
    this.#on = on;
    this.offered = { slotOf: ways.slotOf, get services() { return at.offer.services; } };
    this.holding = new Holding(
      { ...at, lengthMs: at.offer.site.hold_minutes * MINUTE_MS },
      { onChange: () => this.#follow(), onBookedUnheard: on.onBookedUnheard },
    );
    this.keeper = this.holding.keeper;
  }

  /** Nothing can be changed: it is just being confirmed, or is changing. */
  get isBusy() {
    return this.#isChanging || this.holding.isConfirming;
  }

  /** Slots that are this visitor's, or still counted as held by them. */
  get slots() {
    return [...linesOf(this.choices), ...(this.keeper.leaving?.lines ?? [])].map(({ slot }) => slot);
  }

  /**
   * These times and no others, by their start: held in one step, where the site holds; if one of them cannot be had,
   * everything stays as it is. Raises Refused, Unreachable.
   * @param {Choice[]} wanted
   */
  set(wanted) {
    const change = this.#set(wanted);
    this.#change = change.catch(() => {});
    return change;
  }

  /** What is just changing has changed, or not. */
  async settled() {
    while (this.#isChanging) await this.#change;
  }

  /** @param {Choice[]} wanted */
  async #set(wanted) {
    const choices = inOrder(wanted);
    this.#isChanging = true;
    try {
      if (this.#at.offer.site.holds_on) await this.#hold(linesOf(choices));
      else this.keeper.release();
      this.choices = choices;
    } finally {
      this.#isChanging = false;
    }
  }

  /** @param {import("./api.js").Line[]} lines */
  async #hold(lines) {
    try {
      await (this.keeper.current ? this.keeper.change(lines) : this.keeper.take(lines));
      this.#at.page.calm();
    } catch (problem) {
      this.#isChanging = false;
      const code = problem instanceof Refused ? problem.code : "";
      if (ELSE.includes(code)) await this.holding.check();
      if (code === "changed") this.#follow();
      throw problem;
    }
  }

  /** Gives all of it back; it is meant, so nobody need be told that it is over. */
  release() {
    this.choices = [];
    this.keeper.release();
  }

  #follow() {
    const hold = this.keeper.current;
    if (this.choices.length === 0 || this.#isChanging) return;
    const isOther = hold?.state === "held" && JSON.stringify(hold.lines) !== JSON.stringify(linesOf(this.choices));
    if (isOther) void this.#learn(hold.lines);
    else this.#on.onHold();
  }

  /**
   * An answer of ours was lost, and what it was about has happened.
   * @param {import("./api.js").Line[]} lines
   */
  async #learn(lines) {
    const found = await choicesOf(this.offered, lines).catch(() => []);
    if (found.length < lines.length || this.keeper.current?.lines !== lines) return;
    this.choices = found;
    this.#on.onOthers();
  }

  /**
   * @param {Slot[]} changed
   * @param {Map<string, Slot | undefined>} before  the chosen slots, as they were
   */
  seatsMoved(changed, before) {
    const leaving = this.keeper.leaving?.lines ?? [];
    if (changed.some(({ id }) => leaving.some(({ slot }) => slot === id))) this.keeper.leaving = null;
    for (const choice of this.choices) {
      const slot = changed.find(({ id }) => id === choice.slot.id);
      if (!slot) continue;
      if (!this.keeper.current) this.#on.onHold();
      else if (mayBeOurs(before.get(slot.id), slot, choice.seats)) this.holding.checkSoon(jittered(RECHECK_MS));
      if (!this.#at.offer.site.holds_on && leftOf(slot) < choice.seats) this.#on.onFull(choice);
    }
  }

  /**
   * Which of several times it is about is said, too.
   * @param {unknown} problem
   * @param {boolean} [isAnother]  it came of choosing another time besides
   */
  said(problem, isAnother = false) {
    const slot = problem instanceof Refused && problem.details.slot;
    const choice = this.choices.find((one) => one.slot.id === slot);
    return this.named(choice, sentenceFor(problem, this.#at.words), isAnother || this.choices.length > 1);
  }

  /**
   * @param {Choice | undefined} choice
   * @param {string} problem
   * @param {boolean} [areSeveral]
   */
  named(choice, problem, areSeveral = this.choices.length > 1) {
    const { words, zone } = this.#at;
    if (!choice || !areSeveral) return problem;
    return words.say("problem.of_time", { time: words.moment(choice.slot.startsMs, zone.current), problem });
  }

  /**
   * As it is known by now; none where its service is not offered any more, whatever seats it has.
   * @param {string} id
   */
  slotNow(id) {
    const isOffered = this.offered.services.some((service) => service.id === id.split(".")[0]);
    return isOffered ? this.#at.availability.slot(id) : undefined;
  }

  /** As they are offered now; what is not offered any more stays as it was. */
  renewServices() {
    this.choices = this.choices.map((choice) => {
      const service = this.offered.services.find(({ id }) => id === choice.service.id);
      return { ...choice, service: service ?? choice.service };
    });
  }

  /** Asks for the chosen slots again. */
  async refresh() {
    await Promise.all(this.choices.map(({ slot, service }) => this.offered.slotOf(slot.id, service)));
  }
}
