// @ts-check
/** The only place that reads the text of an event stream. */

/** What one event may be long; a longer one is a fault of the server. */
const EVENT_LENGTH_MAX = 1_000_000;

/** @typedef {{kind: string, id: string, text: string}} StreamEvent */

export class EventParser {
  /** The server's wish for the wait before the next connection. */
  /** @type {number | null} */ retryMs = null;
  #rest = "";
  #kind = "";
  #id = "";
  /** @type {string[]} */ #text = [];

  /**
   * The events that end in this piece of text, which may begin and end anywhere.
   * @param {string} piece
   * @returns {StreamEvent[]}
   */
  read(piece) {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > EVENT_LENGTH_MAX) throw new RangeError("an event is too long");
    return lines.flatMap((line) => this.#line(line) ?? []);
  }

  /** @param {string} line */
  #line(line) {
    if (line === "") return this.#finish();
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") this.#kind = value;
    else if (field === "id") this.#id = value;
    else if (field === "data") this.#text.push(value);
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  #finish() {
    const event = { kind: this.#kind || "message", id: this.#id, text: this.#text.join("\n") };
    const isEmpty = this.#text.length === 0;
    this.#kind = "";
    this.#id = "";
    this.#text = [];
    return isEmpty ? null : event;
  }
}
