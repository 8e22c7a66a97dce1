// @ts-check
/** The only place for the countdown of the own hold. It shows and tells; what ends a hold is the server's word. */

import { element, svg } from "./elements.js";

const TICK_MS = 250;
const MINUTE_MS = 60_000;
const TOLD_AT_MS = [5 * MINUTE_MS, 2 * MINUTE_MS, MINUTE_MS];
const URGENT_MS = MINUTE_MS;
/** "More time" is offered once so much is left, or half of the hold where that is less. */
const OFFER_MS = 5 * MINUTE_MS;
/** Less than this is no time worth asking for. */
const GAIN_MIN_MS = 5_000;
const RING = 2 * Math.PI * 9;

export class Countdown {
  #words;
  #clock;
  #listeners;
  /** @type {import("./hold.js").Hold | null} */ #hold = null;
  #lengthMs;
  /** @type {number | null} */ #leftBefore = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #ticking;

  /**
   * @param {import("./words.js").Words} words
   * @param {import("./clock.js").ServerClock} clock
   * @param {number} lengthMs  of a hold of this site
   * @param {{onEnd: () => void, onRenew: () => Promise<void>, onDoubt: () => void,
   *   announce: (text: string) => void}} listeners
   */
  constructor(words, clock, lengthMs, listeners) {
    this.#lengthMs = lengthMs;
    this.#words = words;
    this.#clock = clock;
    this.#listeners = listeners;
    this.time = element("span", {
      class: "countdown-time",
      role: "timer",
      tabindex: "-1",
    });
    this.ring = svg("circle", { cx: 11, cy: 11, r: 9, class: "ring", "stroke-dasharray": RING });
    this.more = element(
      "button",
      { type: "button", class: "button more-time", hidden: true, onclick: () => void this.#renew() },
      words.say("countdown.more"),
    );
    const drawing = svg("svg", { viewBox: "0 0 22 22", class: "countdown-ring", "aria-hidden": "true" });
    drawing.append(svg("circle", { cx: 11, cy: 11, r: 9, class: "ring-ground" }), this.ring);
    this.element = element(
      "div",
      { class: "countdown", hidden: true },
      element(
        "div",
        { class: "countdown-pill" },
        drawing,
        element("span", { class: "countdown-label" }, words.say("countdown.held")),
        this.time,
      ),
      this.more,
    );
  }

  /**
   * Counts down to the end of this hold; null: there is none.
   * @param {import("./hold.js").Hold | null} hold
   */
  follow(hold) {
    if (hold?.expiresMs !== this.#hold?.expiresMs) this.#leftBefore = null;
    this.#hold = hold;
    this.#clock.isHolding = hold !== null;
    this.element.hidden = !hold;
    clearInterval(this.#ticking);
    if (!hold) return;
    this.time.setAttribute("aria-label", this.#words.say(this.#isPaying ? "countdown.pay" : "countdown.label"));
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  get #isPaying() {
    return this.#hold?.state === "paying";
  }

  #tick() {
    const hold = this.#hold;
    if (!hold) return;
    if (this.#clock.isDoubtful) this.#listeners.onDoubt();
    const leftMs = hold.expiresMs - this.#clock.now();
    this.#show(leftMs, hold);
    const before = this.#leftBefore;
    this.#leftBefore = leftMs;
    if (leftMs <= 0) {
      clearInterval(this.#ticking);
      this.#listeners.onEnd();
    } else if (before !== null) this.#tell(before, leftMs);
  }

  /**
   * @param {number} leftMs
   * @param {import("./hold.js").Hold} hold
   */
  #show(leftMs, hold) {
    const text = this.#words.countdown(leftMs);
    if (this.time.textContent !== text) this.time.textContent = text;
    this.ring.setAttribute("stroke-dashoffset", String(RING * (1 - Math.min(1, Math.max(0, leftMs / this.#lengthMs)))));
    this.element.classList.toggle("is-urgent", leftMs <= URGENT_MS);
    const canGain = Math.min(hold.limitMs - hold.expiresMs, this.#lengthMs - leftMs) > GAIN_MIN_MS;
    this.more.hidden = this.#isPaying || !canGain || leftMs > Math.min(OFFER_MS, this.#lengthMs / 2);
  }

  /**
   * @param {number} beforeMs
   * @param {number} leftMs
   */
  #tell(beforeMs, leftMs) {
    const passed = TOLD_AT_MS.filter((mark) => beforeMs > mark && leftMs <= mark).at(-1);
    if (passed === undefined) return;
    const key = `countdown.left${this.#isPaying ? "_pay" : this.more.hidden ? "" : "_more"}`;
    this.#listeners.announce(this.#words.say(key, { time: this.#words.duration(passed) }));
  }

  async #renew() {
    if (this.more.disabled) return;
    this.more.disabled = true;
    try {
      await this.#listeners.onRenew();
    } finally {
      this.more.disabled = false;
      if (this.more.hidden) this.time.focus();
    }
  }
}
