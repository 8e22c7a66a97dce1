// @ts-check
/** The only place that shows the way to the next free day, where a day or a month has nothing. */

import { element, icon } from "./elements.js";
import { jittered } from "./patience.js";

/** What was found is asked for again after this, for as long as it is shown. */
const LASTS_MS = 60_000;

/**
 * @typedef {{day: string, known: string | undefined, from: string, today: string}} Wanted  after `day`, which has
 *   nothing: the next one that is known to have something, or else the first from a day of the site's zone on, or else
 *   any from today on
 * @typedef {object} Listeners
 * @property {(from: string) => Promise<number | null>} ask  when the first free slot from a day of the site's zone on starts
 * @property {(instantMs: number) => string} dayOf  on the calendar that is shown
 * @property {() => void} onFound
 * @property {(day: string) => void} onGo
 * @property {(sentence: string) => void} announce
 */

export class NextFree {
  #words;
  #at;
  #from = "";
  #againMs = 0;
  #shown = "";
  #go = () => {};
  /** When the found slot starts; null: nothing is free; undefined: not known yet. @type {number | null | undefined} */
  #foundMs;
  #hasFailed = false;

  /**
   * @param {import("./words.js").Words} words
   * @param {Listeners} listeners
   */
  constructor(words, listeners) {
    this.#words = words;
    this.#at = listeners;
    this.text = element("span", {});
    this.label = element("span", {});
    this.button = element("button", { type: "button", class: "button", onclick: () => this.#go() }, this.label, icon("next"));
    this.element = element("div", { class: "next-free" }, this.text, this.button);
  }

  /** Nothing at all can be booked, as far as was looked. */
  get isNever() {
    return this.#foundMs === null;
  }

  /** The schedule is another one: what was found counts no more. */
  forget() {
    this.#againMs = 0;
  }

  /** @param {Wanted} wanted */
  show({ day, known, from, today }) {
    if (!known && (this.#from !== from || performance.now() > this.#againMs)) void this.#find(from, today);
    const found = known ?? (this.#foundMs && this.#at.dayOf(this.#foundMs));
    if (found) this.#draw(day, "", found > day ? "next.later" : "next.earlier", this.#words.shortDay(found, today));
    else if (this.#hasFailed) this.#draw(day, "next.failed", "order.again");
    else this.#draw(day, this.isNever ? "next.none" : "next.loading");
    this.#go = found ? () => this.#at.onGo(found) : () => void this.#find(from, today);
  }

  /**
   * @param {string} from
   * @param {string} today
   */
  async #find(from, today) {
    if (this.#from !== from || this.#hasFailed) this.#foundMs = undefined;
    this.#hasFailed = false;
    this.#from = from;
    this.#againMs = performance.now() + jittered(LASTS_MS);
    const answer = await this.#ask(from, today).catch(() => undefined);
    if (this.#from !== from) return;
    this.#hasFailed = answer === undefined;
    this.#foundMs = answer;
    this.#at.onFound();
  }

  /**
   * @param {string} from
   * @param {string} today
   */
  async #ask(from, today) {
    return (await this.#at.ask(from)) ?? (from > today ? this.#at.ask(today) : null);
  }

  /**
   * @param {string} day  that it is shown for
   * @param {string} sentence
   * @param {string} [label]
   * @param {string} [found]  as it is written
   */
  #draw(day, sentence, label = "", found = "") {
    const shown = [day, sentence, label, found].join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.text.textContent = sentence && this.#words.say(sentence);
    this.label.textContent = label && this.#words.say(label, { day: found });
    this.button.hidden = !label;
    if (sentence !== "next.loading") this.#at.announce(`${this.text.textContent} ${this.label.textContent}`.trim());
  }
}
