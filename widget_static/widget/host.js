// @ts-check
/**
 * The only place that talks with the host page. It keeps what this frame may not: the running hold, so that a reload
 * finds it again. Messages go to the very origin that embedded us, and only those of it are heard.
 */

import { note, remembered } from "./alone.js";

const VERSION = 1;

/**
 * @typedef {{id: string, secret: string, visitor: string}} KeptHold
 * @typedef {{hold?: KeptHold | null, visitor?: string, theme?: string,
 *   prefill?: {name?: string, email?: string}, typed?: import("./summary.js").Typed}} Hello  `typed`: only by ourselves
 */

export class Host {
  #origin;
  #onHello;
  /** No page around us: we keep it ourselves. */
  #isAlone = window.parent === window;

  /**
   * @param {string | null} origin  as embed.js wrote it into our address
   * @param {(hello: Hello) => void} onHello
   */
  constructor(origin, onHello) {
    this.#onHello = onHello;
    this.#origin = !this.#isAlone && origin && isOrigin(origin) ? origin : null;
    addEventListener("message", (event) => {
      if (event.source !== window.parent || event.origin !== this.#origin) return;
      const message = event.data?.tenuto;
      if (message?.v === VERSION && message.type === "hello") onHello(message);
    });
  }

  /**
   * @param {"ready" | "height" | "hold" | "hold_ended" | "booked" | "visitor"} type
   * @param {object} [contents]
   */
  tell(type, contents = {}) {
    if (this.#isAlone) note(type, contents);
    if (this.#isAlone && type === "ready") this.#goOn(remembered());
    if (this.#origin) window.parent.postMessage({ tenuto: { v: VERSION, type, ...contents } }, this.#origin);
  }

  /**
   * As before a reload. What is booked has a page of its own, and without a mail nothing else leads back there.
   * @param {import("./alone.js").Kept} kept
   */
  #goOn({ booked, ...hello }) {
    if (booked) location.replace(booked);
    else this.#onHello(hello);
  }

  /** Something else is about to be booked. */
  leaveBooked() {
    if (this.#isAlone) note("booked", {});
  }

  /**
   * So that a reload loses nothing of it. No host page hears of it: whatever runs there could read it.
   * @param {import("./summary.js").Typed} typed
   */
  keepTyped(typed) {
    if (this.#isAlone) note("typed", { typed });
  }

  /**
   * Keeps the frame as high as what is in it.
   * @param {Element} body
   */
  followHeight(body) {
    new ResizeObserver(() => this.tell("height", { px: Math.ceil(body.getBoundingClientRect().height) })).observe(body);
  }
}

/** @param {string} text */
function isOrigin(text) {
  try {
    return new URL(text).origin === text;
  } catch {
    return false;
  }
}
