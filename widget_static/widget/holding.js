// @ts-check
/**
 * The only place that lives with a running hold: counts it down, prolongs it, lets the host page keep it, and asks the
 * server what became of it. Only the server's word ends one.
 */

import { Unreachable } from "./api.js";
import { Countdown } from "./countdown.js";
import { fill } from "./elements.js";
import { HoldKeeper } from "./hold.js";

/** A hold whose time is up is asked after again in this time. */
const AGAIN_MS = 1_000;
/** The same where nobody answered. */
const UNREACHABLE_MS = 5_000;

/**
 * @typedef {object} Parts
 * @property {import("./api.js").Api} api
 * @property {import("./words.js").Words} words
 * @property {import("./clock.js").ServerClock} clock
 * @property {import("./host.js").Host} host
 * @property {import("./page.js").Page} page
 * @property {number} lengthMs  of a hold of this site
 */

export class Holding {
  #words;
  #clock;
  #host;
  #page;
  #listeners;
  #isChecking = false;
  #isConfirming = false;
  /** Who waits until it is paid, and then knows best what became of it. @type {import("./paying.js").Paying | null} */ paying = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #next;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #soon;

  /**
   * @param {Parts} parts
   * @param {{onChange: () => void, onBookedUnheard: () => Promise<void>}} listeners  the second: it has become a
   *   booking, and the answer that said so was lost
   */
  constructor({ api, words, clock, host, page, lengthMs }, listeners) {
    this.#words = words;
    this.#clock = clock;
    this.#host = host;
    this.#page = page;
    this.#listeners = listeners;
    this.keeper = new HoldKeeper(api, (hold) => this.#follow(hold));
    this.countdown = new Countdown(words, clock, lengthMs, {
      onEnd: () => void this.check(),
      onDoubt: () => void this.check(),
      onRenew: () => this.#renew(),
      announce: (text) => page.announce(text),
    });
    fill(page.side, this.countdown.element);
  }

  get isConfirming() {
    return this.#isConfirming;
  }

  /** @param {import("./hold.js").Hold | null} hold */
  #follow(hold) {
    this.countdown.follow(hold);
    if (hold) {
      const { id, secret, expiresMs } = hold;
      const expires = new Date(expiresMs).toISOString();
      this.#host.tell("hold", { id, secret, visitor: this.keeper.visitor, expires_at: expires });
    } else this.#host.tell("hold_ended");
    this.#listeners.onChange();
  }

  async #renew() {
    try {
      await this.keeper.renew();
      this.#tellRenewed();
    } catch (problem) {
      if (problem instanceof Unreachable) this.#page.warn(this.#words.say("problem.offline"));
      else await this.check();
    }
  }

  #tellRenewed() {
    const leftMs = (this.keeper.current?.expiresMs ?? 0) - this.#clock.now();
    this.#page.announce(this.#words.say("countdown.renewed", { time: this.#words.duration(leftMs) }));
  }

  /** Asks the server what became of it. */
  async check() {
    if (this.paying) return this.paying.look();
    if (this.#isChecking || this.#isConfirming || !this.keeper.current) return;
    this.#isChecking = true;
    try {
      const before = this.keeper.current;
      const hold = await this.keeper.check();
      this.#page.calm();
      if (hold && hold.expiresMs > before.expiresMs) this.#tellRenewed();
      if (hold?.state === "confirmed") await this.#listeners.onBookedUnheard();
      else if (hold && hold.expiresMs <= this.#clock.now()) this.checkIn(AGAIN_MS);
    } catch {
      this.#page.warn(this.#words.say("problem.offline"));
      this.checkIn(UNREACHABLE_MS);
    } finally {
      this.#isChecking = false;
    }
  }

  /** @param {number} ms */
  checkIn(ms) {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => void this.check(), ms);
  }

  /**
   * Because of news: however many come meanwhile, it is asked once.
   * @param {number} ms
   */
  checkSoon(ms) {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.check();
    }, ms);
  }

  /**
   * Confirms in one way or the other; meanwhile nobody asks what became of the hold.
   * @param {(keeper: HoldKeeper) => Promise<import("./api.js").OrderAnswer>} confirm
   */
  async confirm(confirm) {
    this.#isConfirming = true;
    try {
      return await confirm(this.keeper);
    } finally {
      this.#isConfirming = false;
    }
  }
}
