// @ts-check
/** The only place for a code that takes something off the price: where it is typed, and what it is worth. */

import { Refused } from "./api.js";
import { element, fill, icon } from "./elements.js";
import { sentenceFor } from "./problems.js";

const CODE_LENGTH_MAX = 100;
/** Refusals that are about what was chosen, not about the code: they are said as everywhere. */
const ABOUT_CODE = "coupon_refused";

/**
 * @typedef {import("./api.js").QuoteAnswer & {subject: string}} Quote  and what it is about, see choices.js
 * @typedef {{code: string, quote: Quote | null}} Typed  what was typed, and what it is worth; outlives this view
 * @typedef {object} Listeners
 * @property {(code: string) => Promise<Quote>} ask
 * @property {() => void} onPrice  it is another by now
 * @property {(text: string) => void} announce
 */

export class Coupon {
  #words;
  #typed;
  #listeners;
  /** Counts up with each question: only the answer to the last one matters. */
  #asked = 0;

  /**
   * @param {import("./words.js").Words} words
   * @param {Typed} typed
   * @param {Listeners} listeners
   */
  constructor(words, typed, listeners) {
    this.#words = words;
    this.#typed = typed;
    this.#listeners = listeners;
    this.input = element("input", {
      id: "field-coupon",
      type: "text",
      autocomplete: "off",
      autocapitalize: "characters",
      spellcheck: "false",
      maxlength: CODE_LENGTH_MAX,
      value: typed.code,
      "aria-describedby": "field-coupon-problem",
      oninput: () => this.#edit(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault(); // what it is worth comes before anything is booked
        void this.apply();
      },
    });
    this.problem = element("p", { class: "field-problem", id: "field-coupon-problem", hidden: true });
    this.button = element(
      "button",
      { type: "button", class: "button", onclick: () => void this.apply() },
      words.say("coupon.apply"),
    );
    this.entry = element(
      "div",
      { class: "field" },
      element("label", { for: "field-coupon" }, words.say("coupon.label")),
      element("div", { class: "coupon-row" }, this.input, this.button),
      this.problem,
    );
    this.worth = element("div", { class: "coupon-worth", hidden: true });
    this.element = element(
      "details",
      { class: "attendees coupon", open: Boolean(typed.code) },
      element("summary", {}, words.say("coupon.open")),
      this.entry,
      this.worth,
    );
    if (typed.quote) this.#show(typed.quote);
    else if (typed.code) void this.apply();
  }

  /** Something is typed, and nobody knows yet what it is worth. */
  get isOpen() {
    return this.#typed.code.trim() !== "" && this.#typed.quote === null;
  }

  /** Have it said what the code is worth. */
  async apply() {
    const code = this.#typed.code.trim();
    if (!code) return this.input.focus();
    const number = ++this.#asked;
    const had = this.element.contains(document.activeElement);
    this.button.setAttribute("aria-disabled", "true");
    this.#mark(null);
    try {
      const quote = await this.#listeners.ask(code);
      if (number === this.#asked) this.#worthIs(quote, had);
    } catch (problem) {
      if (number === this.#asked) this.refuse(problem, had);
    } finally {
      this.button.removeAttribute("aria-disabled");
    }
  }

  /**
   * Why it takes nothing off. What was typed stays.
   * @param {unknown} problem
   * @param {boolean} [takesFocus]
   */
  refuse(problem, takesFocus = true) {
    const isAbout = problem instanceof Refused && problem.code === ABOUT_CODE;
    const key = isAbout ? `coupon.refused.${problem.details.reason}` : "";
    const sentence = this.#words.has(key) ? this.#words.say(key) : sentenceFor(problem, this.#words);
    this.#typed.quote = null;
    this.element.open = true;
    this.worth.hidden = true;
    this.entry.hidden = false;
    this.#mark(sentence);
    this.#listeners.onPrice();
    this.#listeners.announce(sentence);
    if (takesFocus) this.input.focus();
  }

  #edit() {
    this.#asked += 1; // whoever types on means another code
    this.#typed.code = this.input.value;
    this.#mark(null);
  }

  /**
   * @param {Quote} quote
   * @param {boolean} takesFocus
   */
  #worthIs(quote, takesFocus) {
    this.#typed.quote = quote;
    this.#show(quote);
    this.#listeners.onPrice();
    this.#listeners.announce(this.#said(quote));
    if (takesFocus) this.worth.querySelector("button")?.focus();
  }

  /** @param {Quote} quote */
  #said({ coupon, full, discount, total }) {
    const words = this.#words;
    const prices = { full: words.money(full), discount: words.money(discount), total: words.money(total) };
    return words.say(total.amount ? "coupon.worth" : "coupon.worth_all", { code: coupon, ...prices });
  }

  /** @param {Quote} quote */
  #show(quote) {
    const remove = element(
      "button",
      { type: "button", class: "button plain", onclick: () => this.#remove() },
      this.#words.say("coupon.remove"),
    );
    fill(this.worth, icon("check"), element("p", {}, this.#said(quote)), remove);
    this.worth.hidden = false;
    this.entry.hidden = true;
    this.element.open = true;
  }

  #remove() {
    this.#typed.code = this.input.value = "";
    this.#typed.quote = null;
    this.worth.hidden = true;
    this.entry.hidden = false;
    this.#listeners.onPrice();
    this.input.focus();
  }

  /** @param {string | null} sentence */
  #mark(sentence) {
    this.input.setAttribute("aria-invalid", String(sentence !== null));
    this.problem.hidden = sentence === null;
    this.problem.textContent = sentence ?? "";
  }
}
