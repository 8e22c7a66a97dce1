// @ts-check
/** The only place for what stays around every step: name, countdown, banner, time zone, and what is said aloud. */

import { element, fill, icon } from "./elements.js";

/** Said long enough after the last sentence for a screen reader to notice a new one. */
const SAY_AFTER_MS = 120;

export class Page {
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #saying;
  /** @type {string[]} */ #unsaid = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.above = element("div", { class: "top-above" });
    this.title = element("h1", { tabindex: "-1" });
    this.meta = element("div", { class: "top-meta" });
    this.side = element("div", { class: "top-side" });
    this.banner = element("p", { class: "banner", role: "status", hidden: true });
    this.ribbon = element("p", { class: "ribbon", role: "status", hidden: true });
    this.stage = element("div", { class: "stage" });
    this.foot = element("footer", { class: "foot" });
    this.news = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.head = element(
      "header",
      { class: "top" },
      element("div", { class: "top-text" }, this.above, this.title, this.meta),
      this.side,
    );
    fill(root, this.ribbon, this.head, this.banner, this.stage, this.foot, this.news);
    root.removeAttribute("aria-busy");
  }

  /** @param {HTMLElement} zone */
  show(zone) {
    fill(this.foot, zone);
  }

  /**
   * What this step is called, what stands above it (the site, or the way back), and whether times are shown.
   * @param {{title: string, above?: string | HTMLElement, meta?: (HTMLElement | false)[], hasZone?: boolean}} step
   */
  name({ title, above = "", meta = [], hasZone = false }) {
    this.head.hidden = !title;
    this.title.textContent = title;
    fill(this.above, above);
    this.above.hidden = !above;
    fill(this.meta, meta);
    this.foot.hidden = !hasZone;
  }

  /** With what stands above the title: the way back, and the countdown. */
  focus() {
    this.title.focus();
    this.head.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} sentence */
  warn(sentence) {
    fill(this.banner, icon("warning"), sentence);
    this.banner.hidden = false;
  }

  /**
   * Above everything, on every step.
   * @param {string} sentence  empty: nothing
   */
  mark(sentence) {
    fill(this.ribbon, sentence);
    this.ribbon.hidden = !sentence;
  }

  calm() {
    this.banner.hidden = true;
  }

  /**
   * Tells it to a screen reader once it has a moment.
   * @param {string} sentence
   */
  announce(sentence) {
    this.#unsaid.push(sentence);
    clearTimeout(this.#saying);
    this.news.textContent = "";
    this.#saying = setTimeout(() => {
      this.news.textContent = this.#unsaid.splice(0).join(" ");
    }, SAY_AFTER_MS);
  }
}
