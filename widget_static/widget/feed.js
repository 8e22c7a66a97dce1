// @ts-check
/**
 * The only place that listens to the server's feed: one stream a page, opened again when it breaks, closed while
 * nobody looks, and replaced by asking every now and then where streams do not get through.
 */

import { retryAfterMs } from "./api.js";
import { jittered } from "./patience.js";
import { EventParser } from "./sse.js";

const RETRY_MS = 2_000;
const RETRY_MAX_MS = 30_000;
/** The server sends a sign of life every 15 s: after three missed ones the line is dead. */
const SILENCE_MAX_MS = 45_000;
const POLL_MS = 15_000;
/** So many streams in a row that brought nothing, and we ask instead. */
const FAILURES_MAX = 3;
/** While asking, a stream is tried again this often. */
const STREAM_AGAIN_MS = 120_000;
const HIDDEN_MAX_MS = 60_000;

/**
 * @typedef {object} Listener
 * @property {(event: string, data: any, epoch: number) => void} onEvent  hello, seats, schedule, reset; of which epoch
 * @property {() => void} onPoll  ask for everything that is shown
 * @property {(isLive: boolean) => void} onLine  whether news comes in by itself
 */

export class Feed {
  #url;
  #listener;
  #lastId = "";
  #retryMs = RETRY_MS;
  #failures = 0;
  #isOpen = false;
  /** @type {AbortController | null} */ #stream = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #next;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #silence;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #hidden;
  #onlyPolls;

  /**
   * @param {string} url
   * @param {Listener} listener
   * @param {{onlyPolls?: boolean}} [options]  where many widgets share a page, only the first few get a stream
   */
  constructor(url, listener, { onlyPolls = false } = {}) {
    this.#url = url;
    this.#listener = listener;
    this.#onlyPolls = onlyPolls;
    document.addEventListener("visibilitychange", () => this.#look());
    addEventListener("online", () => this.#isOpen && this.#connectIn(0));
  }

  /**
   * Begins right after what an answer told; does nothing where it has begun.
   * @param {string} lastId  of the answer
   */
  open(lastId) {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#lastId = lastId;
    this.#connectIn(0);
  }

  close() {
    this.#isOpen = false;
    clearTimeout(this.#next);
    this.#hangUp();
  }

  #look() {
    clearTimeout(this.#hidden);
    if (document.hidden) {
      this.#hidden = setTimeout(() => this.close(), HIDDEN_MAX_MS);
    } else if (!this.#isOpen && this.#lastId) {
      this.#listener.onPoll();
    }
  }

  /** @param {number} ms */
  #connectIn(ms) {
    clearTimeout(this.#next);
    this.#hangUp();
    this.#next = setTimeout(() => void this.#connect(), ms);
  }

  async #connect() {
    if (this.#onlyPolls) return this.#poll();
    const stream = new AbortController();
    this.#stream = stream;
    let heard = false;
    let waitMs = 0;
    try {
      const response = await this.#request(stream);
      waitMs = retryAfterMs(response) ?? 0;
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      for await (const kind of this.#events(response.body)) {
        if (this.#stream !== stream) return;
        if (!heard) this.#listener.onLine(true);
        heard = true;
        this.#failures = 0;
        if (kind === "bye") break;
      }
    } catch {
      // A broken stream is nothing special: what matters is when to try again.
    }
    if (this.#stream !== stream) return;
    this.#hangUp();
    this.#again(heard, waitMs);
  }

  /** @param {AbortController} stream */
  #request(stream) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream" };
    if (this.#lastId) headers["Last-Event-ID"] = this.#lastId;
    this.#watch();
    return fetch(this.#url, { headers, signal: stream.signal, cache: "no-store", credentials: "omit" });
  }

  /**
   * Tells the listener each event, and yields its kind.
   * @param {ReadableStream<Uint8Array>} body
   */
  async *#events(body) {
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#watch();
      for (const { kind, id, text } of parser.read(decoder.decode(value, { stream: true }))) {
        this.#lastId = id || this.#lastId;
        this.#retryMs = parser.retryMs ?? this.#retryMs;
        this.#listener.onEvent(kind, JSON.parse(text), Number.parseInt(id, 10));
        yield kind;
      }
    }
  }

  /**
   * @param {boolean} heard
   * @param {number} waitMs
   */
  #again(heard, waitMs) {
    this.#listener.onLine(false);
    if (heard) return this.#connectIn(jittered(this.#retryMs));
    this.#failures += 1;
    if (this.#failures >= FAILURES_MAX) return this.#poll();
    this.#connectIn(jittered(Math.max(waitMs, Math.min(this.#retryMs * 2 ** this.#failures, RETRY_MAX_MS))));
  }

  /** Asks until it is time to try a stream again. */
  #poll() {
    const streamAt = performance.now() + STREAM_AGAIN_MS;
    const round = () => {
      if (!this.#isOpen) return;
      if (!this.#onlyPolls && performance.now() > streamAt) return this.#connectIn(0);
      this.#listener.onPoll();
      this.#next = setTimeout(round, jittered(POLL_MS));
    };
    clearTimeout(this.#next);
    this.#next = setTimeout(round, jittered(POLL_MS));
  }

  #watch() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#stream?.abort(), SILENCE_MAX_MS);
  }

  #hangUp() {
    clearTimeout(this.#silence);
    const stream = this.#stream;
    this.#stream = null;
    stream?.abort();
  }
}
