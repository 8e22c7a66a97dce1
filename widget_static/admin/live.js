// @ts-check
/**
 * Parts of pages that move by themselves, such as the list of live holds: the public feed tells that something has moved,
 * and the part is read again. What has not changed stays as it is, so that whatever the operator is just doing in it is
 * left alone.
 */

import { patchChildren } from "./patch.js";

const TICK_MS = 250;
/** So soon after news is the part read. */
const READ_AFTER_MS = 250;
/** And no more often than this, however much news there is. */
const READ_EVERY_MS = 1000;
/** It is read this often in any case, unless the part wants it otherwise: a stream may be broken without anybody noticing. */
const POLL_MS = 15_000;
const NEWS = ["seats", "schedule", "reset"];

/** @param {HTMLElement} room */
export function livePart(room) {
  new LivePart(room, room.dataset.live ?? "", room.dataset.feed ?? "").begin();
}

class LivePart {
  #room;
  #url;
  #feedUrl;
  #line;
  /** @type {EventSource | null} */ #feed = null;
  /** @type {ReturnType<typeof setInterval>[]} */ #rounds = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #next;
  #isReading = false;
  #isStale = false;
  /** When it was last read, on the page's own clock. */
  #readAtMs = -READ_EVERY_MS;
  /** Server's clock less ours. */
  #aheadMs = 0;

  /**
   * @param {HTMLElement} room
   * @param {string} url
   * @param {string} feedUrl
   */
  constructor(room, url, feedUrl) {
    this.#room = room;
    this.#url = url;
    this.#feedUrl = feedUrl;
    this.#line = room.parentElement?.querySelector("[data-line]") ?? null;
  }

  begin() {
    document.querySelector("[data-again]")?.remove();
    this.#learnTime(this.#room);
    if (this.#isOver()) return;
    this.#listen();
    this.#rounds = [
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => this.#poll(), Number(this.#room.dataset.poll) || POLL_MS),
    ];
    this.#tick();
  }

  /** Whether nothing of it moves any more, for good. */
  #isOver() {
    return this.#room.querySelector("[data-over]") !== null;
  }

  #end() {
    this.#feed?.close();
    for (const round of this.#rounds) clearInterval(round);
    this.#isStale = false;
    clearTimeout(this.#next);
    this.#say("");
  }

  #listen() {
    this.#feed = new EventSource(this.#feedUrl);
    this.#feed.addEventListener("hello", () => this.#say(""));
    for (const kind of NEWS) this.#feed.addEventListener(kind, () => this.#readSoon());
    this.#feed.addEventListener("error", () => this.#say("Not live: news do not come in just now. This page looks again by itself."));
  }

  #poll() {
    if (document.hidden) return;
    if (this.#feed?.readyState === EventSource.CLOSED) this.#listen();
    this.#readSoon();
  }

  #readSoon() {
    this.#isStale = true;
    const waitMs = Math.max(READ_AFTER_MS, this.#readAtMs + READ_EVERY_MS - performance.now());
    this.#next ??= setTimeout(() => void this.#read(), waitMs);
  }

  async #read() {
    this.#next = undefined;
    if (this.#isReading) return;
    this.#isReading = true;
    this.#isStale = false;
    this.#readAtMs = performance.now();
    try {
      const answer = await fetch(this.#url, { cache: "no-store" });
      // Signed out meanwhile: to the door.
      // So it is for who may not enter any more.
      if (answer.redirected || answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      this.#take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (this.#feed?.readyState === EventSource.OPEN) this.#say("");
    } catch {
      this.#say("Not live: the server cannot be reached. This page looks again by itself.");
    } finally {
      this.#isReading = false;
      if (this.#isOver()) this.#end();
      else if (this.#isStale) this.#readSoon();
    }
  }

  /** @param {Document} page */
  #take(page) {
    this.#learnTime(page.body);
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && this.#room.contains(active) ? active : null;
    patchChildren(this.#room, page.body);
    this.#tick();
    if (!focused || focused === document.activeElement) return;
    const next = this.#room.contains(focused) ? focused : /** @type {HTMLElement | null} */ (document.querySelector("h1"));
    next?.focus({ preventScroll: true });
  }

  /** @param {ParentNode} within */
  #learnTime(within) {
    const told = /** @type {HTMLElement | null} */ (within.querySelector("[data-now]"))?.dataset.now;
    if (told) this.#aheadMs = Date.parse(told) - Date.now();
  }

  #tick() {
    for (const place of this.#room.querySelectorAll("[data-ends]")) {
      const ends = Date.parse(/** @type {HTMLElement} */ (place).dataset.ends ?? "");
      const left = Math.max(0, Math.ceil((ends - Date.now() - this.#aheadMs) / 1000));
      const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      if (place.textContent !== text) place.textContent = text;
      place.classList.toggle("is-urgent", left < 60);
    }
  }

  /** @param {string} sentence */
  #say(sentence) {
    if (this.#line && this.#line.textContent !== sentence) this.#line.textContent = sentence;
  }
}
