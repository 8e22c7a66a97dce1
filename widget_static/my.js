// @ts-check
/** The only place for the page of all that a customer has booked: by a link that is sent to their address. */

import { takeSecret } from "./link.js";
import { OrdersApi } from "./orders_api.js";
import { applyAccent } from "./widget/accent.js";
import { Refused } from "./widget/api.js";
import { ServerClock } from "./widget/clock.js";
import { element, fill, icon } from "./widget/elements.js";
import { passOverHasty } from "./widget/hasty.js";
import { patiently } from "./widget/patience.js";
import { sentenceFor } from "./widget/problems.js";
import { ticket } from "./widget/ticket.js";
import { fetchWords, knownLocale } from "./widget/words.js";
import { ZoneChoice } from "./widget/zone.js";

/** @typedef {import("./widget/api.js").MyBooking} MyBooking */

const EMAIL_LENGTH_MAX = 254;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

class MyPage {
  #api;
  #clock;
  #words;
  #site;
  #code;
  /** @type {MyBooking[]} */ #bookings = [];
  /** @type {string | null} */ #next = null;
  #expiresAt = "";
  #typed = "";

  /**
   * @param {{root: HTMLElement, words: import("./widget/words.js").Words, site: import("./widget/api.js").Site, code: string}} parts
   */
  constructor({ root, words, site, code }) {
    const clock = (this.#clock = new ServerClock());
    this.#api = new OrdersApi(site.key, clock);
    this.#words = words;
    this.#site = site;
    this.#code = code;
    this.zone = new ZoneChoice(site, words, clock.now(), () => this.#show());
    this.title = element("h1", { tabindex: "-1" }, words.say("my.title"));
    this.stage = element("div", { class: "stage order-card" });
    this.foot = element("footer", { class: "foot", hidden: true }, this.zone.element);
    const top = element("div", { class: "top-text" }, element("div", { class: "top-above" }, site.name), this.title);
    fill(root, element("header", { class: "top" }, top), this.stage, this.foot);
    root.removeAttribute("aria-busy");
    document.title = `${words.say("my.title")} · ${site.name}`;
  }

  async load() {
    if (!this.#code) return this.#askForAddress();
    fill(this.stage, element("p", { role: "status", class: "quiet" }, this.#words.say("my.loading")));
    try {
      await this.#read();
    } catch (problem) {
      if (problem instanceof Refused && problem.status < 429) return this.#askForAddress(this.#words.say("my.expired"));
      return this.#fail(sentenceFor(problem, this.#words));
    }
    this.#show();
  }

  /** The next page of them, or the first one. */
  async #read() {
    const answer = await patiently(() => this.#api.myBookings(this.#code, this.#next));
    this.#bookings.push(...answer.bookings);
    [this.#next, this.#expiresAt] = [answer.next, answer.expires_at];
  }

  /** @param {string} [told]  why there is nothing to see */
  #askForAddress(told) {
    const words = this.#words;
    const problem = element("p", { class: "field-problem", id: "email-problem", hidden: true });
    const input = element("input", {
      id: "email",
      name: "email",
      type: "email",
      autocomplete: "email",
      maxlength: EMAIL_LENGTH_MAX,
      value: this.#typed,
      "aria-required": "true",
      "aria-describedby": "email-problem",
      oninput: () => {
        this.#typed = input.value;
        mark("");
      },
    });
    const mark = (/** @type {string} */ sentence) => {
      input.setAttribute("aria-invalid", String(sentence !== ""));
      problem.hidden = !sentence;
      problem.textContent = sentence;
    };
    const button = element("button", { type: "submit", class: "button primary wide" }, words.say("my.send"));
    const form = element(
      "form",
      { novalidate: true, onsubmit: (/** @type {Event} */ event) => void send(event) },
      element("div", { class: "field" }, element("label", { for: "email" }, words.say("my.email")), input, problem),
      button,
    );
    const send = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const wrong = this.#wrong();
      mark(wrong ? words.say(wrong) : "");
      if (wrong) input.focus();
      else if (!button.disabled) await this.#send(button, mark);
    };
    fill(
      this.stage,
      told && element("p", { class: "notice", role: "alert" }, icon("clock"), told),
      element("p", {}, words.say("my.lead", { site: this.#site.name })),
      form,
    );
    this.foot.hidden = true;
  }

  #wrong() {
    const address = this.#typed.trim();
    if (!address) return "form.email_missing";
    return EMAIL.test(address) ? null : "form.email_wrong";
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {(sentence: string) => void} complain
   */
  async #send(button, complain) {
    const words = this.#words;
    button.disabled = true;
    button.textContent = words.say("my.sending");
    try {
      await this.#api.askForLink(this.#typed.trim());
    } catch (problem) {
      button.disabled = false;
      button.textContent = words.say("my.send");
      const isAddress = problem instanceof Refused && problem.code === "invalid_request";
      return complain(isAddress ? words.say("form.email_wrong") : sentenceFor(problem, words));
    }
    this.#sent();
  }

  /** The same, whether or not anybody has booked with it. */
  #sent() {
    const words = this.#words;
    const heading = element("h2", { tabindex: "-1" }, words.say("my.sent"));
    fill(
      this.stage,
      element("div", { class: "my-sent" }, icon("check"), heading, element("p", { class: "quiet" }, words.say("my.sent_hint"))),
      element(
        "button",
        { type: "button", class: "button my-other", onclick: () => this.#askForAddress() },
        words.say("my.other"),
      ),
    );
    heading.focus();
  }

  /** @param {string} sentence */
  #fail(sentence) {
    const again = element("button", { type: "button", class: "button", onclick: () => void this.load() }, this.#words.say("order.again"));
    const row = element("div", { class: "row" }, again);
    fill(this.stage, element("div", { class: "notice", role: "alert" }, icon("warning"), element("div", {}, element("p", {}, sentence), row)));
  }

  #show() {
    const words = this.#words;
    const nowMs = this.#clock.now();
    const isAhead = (/** @type {MyBooking} */ { ends_at, state }) => Date.parse(ends_at) > nowMs && state !== "cancelled";
    const ahead = this.#bookings.filter(isAhead).reverse();
    const before = this.#bookings.filter((booking) => !isAhead(booking));
    fill(
      this.stage,
      ahead.length ? this.#list("my.ahead", ahead) : element("p", { class: "quiet" }, words.say("my.none_ahead")),
      before.length > 0 && this.#list("my.before", before),
      this.#next && this.#more(),
      element("p", { class: "quiet my-until" }, words.say("my.until", { time: words.moment(Date.parse(this.#expiresAt), this.zone.current) })),
    );
    this.foot.hidden = false;
  }

  #more() {
    const problem = element("p", { class: "notice is-problem", role: "alert", hidden: true });
    const button = element("button", { type: "button", class: "button", onclick: () => void more() }, this.#words.say("my.more"));
    const more = async () => {
      button.disabled = true;
      problem.hidden = true;
      const known = this.#bookings.length;
      try {
        await this.#read();
      } catch (trouble) {
        button.disabled = false;
        problem.textContent = sentenceFor(trouble, this.#words);
        problem.hidden = false;
        return;
      }
      this.#show();
      this.#linkOf(this.#bookings[known])?.focus();
    };
    return element("div", {}, button, problem);
  }

  /** @param {MyBooking | undefined} booking */
  #linkOf(booking) {
    const links = /** @type {NodeListOf<HTMLElement>} */ (this.stage.querySelectorAll("a.button"));
    return [...links].find(({ dataset }) => dataset.booking === `${booking?.order} ${booking?.slot}`);
  }

  /**
   * @param {string} key
   * @param {MyBooking[]} bookings
   */
  #list(key, bookings) {
    const title = element("h2", { id: key }, this.#words.say(key));
    const items = bookings.map((booking) => element("li", {}, this.#card(booking)));
    return element("section", { "aria-labelledby": key }, title, element("ul", { class: "my-list" }, items));
  }

  /** @param {MyBooking} booking */
  #card(booking) {
    const { state, seats, place, service_name: name } = booking;
    const words = this.#words;
    const [startsMs, endsMs] = [Date.parse(booking.starts_at), Date.parse(booking.ends_at)];
    const isAsked = booking.asked_to_move && startsMs > this.#clock.now();
    return element(
      "article",
      { class: `my-booking order-card is-${state}` },
      booking.test && element("p", { class: "ribbon" }, words.say("test.ribbon")),
      element(
        "div",
        { class: "row my-head" },
        element(
          "p",
          { class: `state is-${state}` },
          icon(state === "confirmed" ? "check" : "clock"),
          words.say(`order.state.${state}`),
        ),
        element("p", { class: "quiet" }, `${words.say("done.number")} ${booking.number}`),
      ),
      ticket({ startsMs, endsMs, name, seats, place }, { words, zone: this.zone.current, siteZone: this.#site.zone }),
      isAsked && element("p", { class: "notice" }, icon("clock"), words.say("asked.title", { site: this.#site.name })),
      element(
        "div",
        { class: "row" },
        element(
          "a",
          {
            class: isAsked ? "button primary" : "button",
            href: booking.order_url.replace("#", `${location.search}#`),
            "data-booking": `${booking.order} ${booking.slot}`,
            "aria-label": words.say("my.open_named", { service: name, time: words.moment(startsMs, this.zone.current) }),
          },
          words.say("my.open"),
        ),
      ),
    );
  }
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("my"));
  const { site } = JSON.parse(document.getElementById("boot")?.textContent ?? "");
  passOverHasty(window);
  applyAccent(site.accent, () => document.documentElement.dataset.theme ?? "auto");
  const words = await fetchWords(knownLocale(new URLSearchParams(location.search).get("lang"), site.locale));
  document.documentElement.lang = words.locale;
  document.documentElement.dir = words.direction;
  const page = new MyPage({ root, words, site, code: takeSecret() });
  await page.load();
  addEventListener("hashchange", () => location.reload());
}

void start();
