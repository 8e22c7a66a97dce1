// @ts-check
/**
 * The only place that notices that an order may be another one by now. The feed tells everybody the same, and nobody
 * whose booking it is about: it only says when to ask for the order anew, with its secret.
 */

import { Feed } from "./widget/feed.js";
import { jittered } from "./widget/patience.js";

const SOON_MS = 500;
/** As many pages may be open as seats are booked: they ask spread over so long for each of these. */
const SPREAD_MS = 40;
const SPREAD_MAX_MS = 15_000;
/** What all pages of a site hear. */
const SPREAD_SITE_MS = 4_000;
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
  #isLooking = false;
  #looksLeft = LOOKS_MAX;

  /**
   * @param {string} feedUrl
   * @param {() => {slots: string[], isRefunding: boolean, isOver: boolean}} of  what is shown; the last: nothing more
   *   becomes of it
   * @param {() => Promise<boolean>} look  ask for the order, and show it where it is another one; false where that has
   *   to wait
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
    if (!document.hidden) this.#follow(); // browsers have few connections for many tabs
    document.addEventListener("visibilitychange", () => document.hidden || this.#seen());
    addEventListener("pageshow", () => this.#seen());
    this.#lookLater();
  }

  soon() {
    this.#lookIn(jittered(SOON_MS));
  }

  #seen() {
    this.#looksLeft = LOOKS_MAX;
    this.#follow();
    this.soon();
  }

  #follow() {
    if (!this.#of().isOver) this.#feed.open("");
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  #heard(kind, data) {
    if (kind === "schedule" || kind === "reset") return this.#within(SPREAD_SITE_MS);
    if (kind !== "seats") return;
    const { slots } = this.#of();
    for (const { slot, booked } of data.slots) {
      if (!slots.includes(slot) || this.#booked.get(slot) === booked) continue; // held seats are no news here
      this.#booked.set(slot, booked);
      this.#within(Math.min(booked * SPREAD_MS, SPREAD_MAX_MS));
    }
  }

  /**
   * Others hear the same in this moment.
   * @param {number} spreadMs
   */
  #within(spreadMs) {
    const isSoonEnough = this.#nextAt <= performance.now() + SOON_MS + spreadMs;
    if (!isSoonEnough) this.#lookIn(SOON_MS + Math.random() * spreadMs);
  }

  /** @param {number} ms */
  #lookIn(ms) {
    const at = Math.max(performance.now() + ms, this.#lookedAt + PAUSE_MS);
    if (at >= this.#nextAt) return;
    this.#nextAt = at;
    if (!this.#isLooking) this.#wait();
  }

  #wait() {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => void this.#now(), this.#nextAt - performance.now());
  }

  /** One at a time: an older answer must not come after a newer one. */
  async #now() {
    this.#nextAt = Infinity; // what is heard from here on may be missing in the answer
    this.#lookedAt = performance.now();
    this.#isLooking = true;
    try {
      if (!(await this.#look())) this.soon();
    } finally {
      this.#isLooking = false;
      if (this.#of().isOver) this.#feed.close();
      this.#lookLater();
      if (this.#nextAt < Infinity) this.#wait();
    }
  }

  /** Not while nobody sees it, and not for ever. */
  #lookLater() {
    const { isRefunding, isOver } = this.#of();
    if (document.hidden || isOver || this.#looksLeft <= 0) return;
    this.#looksLeft -= 1;
    this.#lookIn(jittered(isRefunding ? REFUNDING_MS : NOW_AND_THEN_MS));
  }
}
