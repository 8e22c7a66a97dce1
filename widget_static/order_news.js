// @ts-check
/**
 * The only place that notices that an order may be another one by now. The feed tells everybody the same, and nobody
 * whose booking it is about: it only says when to ask for the order anew, with its secret.
 */

import { Feed } from "./widget/feed.js";
import { jittered } from "./widget/patience.js";

const SOON_MS = 500;
/** However much happens: of a slot that many are booking, each booking is news. */
const PAUSE_MS = 3_000;
const REFUNDING_MS = 15_000;
/** Of what no feed tells, such as a question of the operator's. */
const NOW_AND_THEN_MS = 60_000;
/** So often it is asked for without any news; then only when somebody is seen at the page again. */
const LOOKS_MAX = 60;

export class OrderNews {
  #feed;
  #of;
  #look;
  /** As last told, by slot. @type {Map<string, number>} */ #booked = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #next;
  #nextAt = Infinity;
  #lookedAt = -Infinity;
  #looksLeft = LOOKS_MAX;

  /**
   * @param {string} feedUrl
   * @param {() => {slots: string[], isRefunding: boolean}} of  what is shown
   * @param {() => Promise<void>} look  ask for the order, and show it where it is another one
   */
  constructor(feedUrl, of, look) {
    this.#of = of;
    this.#look = look;
    this.#feed = new Feed(feedUrl, {
      onEvent: (kind, data) => this.#heard(kind, data),
      onPoll: () => this.#looksLeft-- > 0 && this.soon(), // where no stream gets through
      onLine: (isLive) => isLive && this.soon(), // for what was missed until now
    });
  }

  begin() {
    if (!document.hidden) this.#feed.open(""); // browsers have few connections for many tabs
    document.addEventListener("visibilitychange", () => document.hidden || this.#seen());
    addEventListener("pageshow", () => this.#seen());
    this.#lookLater();
  }

  soon() {
    this.#lookIn(jittered(SOON_MS));
  }

  #seen() {
    this.#looksLeft = LOOKS_MAX;
    this.#feed.open("");
    this.soon();
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  #heard(kind, data) {
    if (kind === "schedule" || kind === "reset") return this.soon();
    if (kind !== "seats") return;
    const { slots } = this.#of();
    for (const { slot, booked } of data.slots) {
      if (!slots.includes(slot) || this.#booked.get(slot) === booked) continue; // held seats are no news here
      this.#booked.set(slot, booked);
      this.soon();
    }
  }

  /** @param {number} ms */
  #lookIn(ms) {
    const at = Math.max(performance.now() + ms, this.#lookedAt + PAUSE_MS);
    if (at >= this.#nextAt) return;
    clearTimeout(this.#next);
    this.#nextAt = at;
    this.#next = setTimeout(() => void this.#now(), at - performance.now());
  }

  async #now() {
    this.#lookedAt = performance.now();
    try {
      await this.#look();
    } finally {
      this.#nextAt = Infinity;
      this.#lookLater();
    }
  }

  /** Not while nobody sees it, and not for ever. */
  #lookLater() {
    if (document.hidden || this.#looksLeft <= 0) return;
    this.#looksLeft -= 1;
    this.#lookIn(jittered(this.#of().isRefunding ? REFUNDING_MS : NOW_AND_THEN_MS));
  }
}
