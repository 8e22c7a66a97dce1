// @ts-check
/** The only place for what is held for whoever has paid too late: each with one click, or none, and the money back. */

import { Refused } from "./widget/api.js";
import { dayAt } from "./widget/dates.js";
import { element, fill, icon } from "./widget/elements.js";
import { patiently } from "./widget/patience.js";
import { sentenceFor } from "./widget/problems.js";

/** @typedef {import("./widget/api.js").Order} Order */
/** @typedef {import("./widget/api.js").Offered} Offered */

/** After these, something else may be held than what is shown. */
const OUTDATED = ["slot_full", "too_late", "changed"];

export class Choosing {
  #api;
  #words;
  #claim;
  #on;
  #zone = "UTC";
  #shown = "";
  #isBusy = false;

  /**
   * @param {{api: import("./orders_api.js").OrdersApi, words: import("./widget/words.js").Words,
   *   claim: import("./widget/api.js").Claim}} parts
   * @param {{onChosen: (order: Order) => void, onOutdated: () => void}} on
   */
  constructor({ api, words, claim }, on) {
    this.#api = api;
    this.#words = words;
    this.#claim = claim;
    this.#on = on;
    this.told = element("div", { role: "alert" });
    this.times = element("div", { class: "asked-times" });
    this.choices = element("div", { class: "asked-choices" });
    this.element = element("div", { class: "choosing order-card" }, this.times, this.told, this.choices);
  }

  /**
   * Anew only where something has changed: whoever is about to press a button keeps it under their finger.
   * @param {Order} order
   * @param {string} zone
   */
  show(order, zone) {
    const offered = order.payment?.offered ?? [];
    const shown = JSON.stringify([offered, zone]);
    if (shown === this.#shown) return this.element;
    [this.#shown, this.#zone] = [shown, zone];
    fill(this.times, offered.map((each) => this.#offer(each)));
    this.#ask(false);
    return this.element;
  }

  /** @param {Offered} offered */
  #offer(offered) {
    const words = this.#words;
    const hasSeveral = offered.times.length > 1;
    const lines = offered.times.flatMap(({ starts_at, ends_at, service_name }) => {
      const [startsMs, endsMs] = [Date.parse(starts_at), Date.parse(ends_at)];
      const day = words.day(dayAt(startsMs, this.#zone));
      return [
        element("span", {}, hasSeveral ? words.joined(service_name, day) : day),
        element("strong", {}, words.times(startsMs, endsMs, this.#zone)),
      ];
    });
    /** @type {HTMLButtonElement} */
    const button = element(
      "button",
      { type: "button", class: "button asked-time", onclick: () => void this.#choose(button, offered.id) },
      lines,
    );
    return button;
  }

  /** @param {boolean} isAsking  whether they really want none */
  #ask(isAsking) {
    if (!isAsking) {
      const none = this.#button("choosing.none", () => this.#ask(true));
      const hadFocus = this.choices.contains(document.activeElement);
      fill(this.choices, none);
      if (hadFocus) none.focus();
      return;
    }
    const yes = this.#button("choosing.none_yes", () => void this.#choose(yes, null), "danger");
    const no = this.#button("choosing.none_no", () => this.#ask(false));
    const question = element("p", { id: "choosing-none" }, this.#words.say("choosing.none_ask"));
    const row = element("div", { class: "row" }, yes, no);
    fill(this.choices, element("div", { class: "ask", role: "alertdialog", "aria-labelledby": "choosing-none" }, question, row));
    no.focus();
  }

  /**
   * @param {string} key
   * @param {() => void} onclick
   * @param {string} [look]
   * @returns {HTMLButtonElement}
   */
  #button(key, onclick, look = "") {
    return element("button", { type: "button", class: `button ${look}`, onclick }, this.#words.say(key));
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string | null} alternative
   */
  async #choose(button, alternative) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    button.setAttribute("aria-busy", "true");
    fill(this.told);
    try {
      this.#on.onChosen((await patiently(() => this.#api.choose(this.#claim, alternative))).order);
    } catch (problem) {
      fill(this.told, element("p", { class: "notice is-problem" }, icon("warning"), this.#sentence(problem)));
      this.#on.onOutdated();
    } finally {
      this.#isBusy = false;
      button.removeAttribute("aria-busy");
    }
  }

  /** @param {unknown} problem */
  #sentence(problem) {
    const isOutdated = problem instanceof Refused && OUTDATED.includes(problem.code);
    return isOutdated ? this.#words.say("choosing.outdated") : sentenceFor(problem, this.#words, this.#zone);
  }
}
