// @ts-check
/**
 * The only place that knows the server's time. The device's clock may be wrong: time is counted in ticks since the
 * page began, and every answer of the server narrows down how far these are from its clock.
 */

/** A jump of the device's clock against the ticks by this much means that it slept, or was set. */
const JUMP_MS = 2_000;

export class ServerClock {
  /**
   * Whether a hold is counted down. Then only answers move this clock: they tell the time that deadlines are kept by,
   * while what comes unasked is from another machine, whose clock may differ.
   */
  isHolding = false;
  /** @type {number | null} */ #aheadMs = null;
  #jumpBaseMs = 0;
  #ticks;
  #wall;

  /** @param {{ticks?: () => number, wall?: () => number}} [sources] */
  constructor({ ticks = () => performance.now(), wall = () => Date.now() } = {}) {
    this.#ticks = ticks;
    this.#wall = wall;
    this.#jumpBaseMs = wall() - ticks();
  }

  /** Milliseconds since the page began; to be noted when a question leaves. */
  ticks() {
    return this.#ticks();
  }

  /** The server's time in epoch milliseconds; the device's until the server has spoken. */
  now() {
    if (this.#aheadMs === null) return this.#wall();
    return this.#ticks() + this.#aheadMs + this.#sleptMs();
  }

  /** Whether the device has slept, or its clock was set, since the server last spoke: ask it again. */
  get isDoubtful() {
    return this.#aheadMs !== null && Math.abs(this.#jumpMs()) > JUMP_MS;
  }

  /**
   * Its time was `serverNow` somewhere between question and answer. What the server sends unasked may have travelled
   * for any time: it only says that it is no earlier.
   * @param {string} serverNow
   * @param {number | null} askedAtTicks
   */
  learn(serverNow, askedAtTicks = null) {
    if (this.isHolding && askedAtTicks === null) return;
    const ticks = this.#ticks();
    const earliest = Date.parse(serverNow) - ticks;
    if (Number.isNaN(earliest)) return;
    const latest = askedAtTicks === null ? Infinity : earliest + ticks - askedAtTicks;
    const known = this.#aheadMs === null ? Math.min(latest, earliest + (latest - earliest) / 2) : this.#aheadMs;
    this.#aheadMs = Number.isFinite(known) ? Math.min(Math.max(known, earliest), latest) : earliest;
    if (askedAtTicks !== null) this.#jumpBaseMs = this.#wall() - ticks;
  }

  #jumpMs() {
    return this.#wall() - this.#ticks() - this.#jumpBaseMs;
  }

  /** Ticks may stand still while the device sleeps: until the server is heard, its clock is believed for that time. */
  #sleptMs() {
    const jump = this.#jumpMs();
    return jump > JUMP_MS ? jump : 0;
  }
}
