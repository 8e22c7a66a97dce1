// @ts-check
/**
 * The only place that talks with the host page. It keeps what this frame may not: the running hold, so that a reload
 * finds it again. Messages go to the very origin that embedded us, and only those of it are heard.
 */

const VERSION = 1;

/**
 * @typedef {{id: string, secret: string, visitor: string}} KeptHold
 * @typedef {{hold?: KeptHold | null, visitor?: string, theme?: string,
 *   prefill?: {name?: string, email?: string}}} Hello
 */

export class Host {
  #origin;

  /**
   * @param {string | null} origin  as embed.js wrote it into our address
   * @param {(hello: Hello) => void} onHello
   */
  constructor(origin, onHello) {
    this.#origin = window.parent !== window && origin && isOrigin(origin) ? origin : null;
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
    if (this.#origin) window.parent.postMessage({ tenuto: { v: VERSION, type, ...contents } }, this.#origin);
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
