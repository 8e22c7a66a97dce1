// @ts-check
/** The only place for the order page: the way back to what was booked. Reading it changes nothing. */

import { Booked } from "./booked.js";
import { Cancelling } from "./cancelling.js";
import { exchange, isFromPayPage, takeSecret, withSecret } from "./link.js";
import { fact, withoutOthers } from "./order_facts.js";
import { OrderNews } from "./order_news.js";
import { OrdersApi } from "./orders_api.js";
import { moneyFacts, Paid } from "./paid.js";
import { isMovePaid } from "./paying_move.js";
import { applyAccent } from "./widget/accent.js";
import { Refused } from "./widget/api.js";
import { ServerClock } from "./widget/clock.js";
import { calendarButton } from "./widget/calendar_file.js";
import { bookingCard, copyButton, receiptLink } from "./widget/confirmation.js";
import { dayAt } from "./widget/dates.js";
import { element, fill, icon } from "./widget/elements.js";
import { passOverHasty } from "./widget/hasty.js";
import { patiently, sleep } from "./widget/patience.js";
import { stepOf } from "./widget/payment.js";
import { sentenceFor } from "./widget/problems.js";
import { fetchWords, knownLocale } from "./widget/words.js";
import { ZoneChoice } from "./widget/zone.js";

/** @typedef {import("./widget/api.js").Order} Order */

const CONFIRMING_MS = 2_000;
/** No timer runs for longer, about 25 days. */
const WAIT_MAX_MS = 2 ** 31 - 1;

class OrderPage {
  #api;
  #clock;
  #words;
  #site;
  #claim;
  /** @type {Order | null} */ #order = null;
  /** @type {OrderNews | null} */ #news = null;
  #booked;
  #cancelling;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #waiting;
  #paid;

  /**
   * @param {{root: HTMLElement, words: import("./widget/words.js").Words, site: import("./widget/api.js").Site,
   *   claim: import("./widget/api.js").Claim, hasPaid: boolean}} parts  the last: they came from the pay page, and say so
   */
  constructor({ root, words, site, claim, hasPaid }) {
    const clock = (this.#clock = new ServerClock());
    this.#api = new OrdersApi(site.key, clock);
    this.#words = words;
    this.#site = site;
    this.#claim = claim;
    this.zone = new ZoneChoice(site, words, clock.now(), () => {
      this.#booked.rezone();
      this.#show();
    });
    const parts = { api: this.#api, words, clock, claim, zone: () => this.zone.current };
    this.#booked = new Booked({ ...parts, site, hasPaid }, {
      onShow: () => this.#show(),
      onOrder: (order) => this.#renewed(order),
      onDone: (order) => this.#ended(order),
    });
    this.#cancelling = new Cancelling(parts, { onAsk: () => this.#asks(), onEnd: (order) => this.#ended(order) });
    this.#paid = new Paid({ api: this.#api, words, clock, claim }, hasPaid, (order) => this.#payMoved(order));
    this.title = element("h1", { tabindex: "-1" }, words.say("order.title"));
    this.ribbon = element("p", { class: "ribbon", role: "status", hidden: true });
    this.stage = element(
      "div",
      { class: "stage order-card" },
      element("p", { role: "status", class: "quiet" }, words.say("order.loading")),
    );
    fill(
      root,
      this.ribbon,
      element(
        "header",
        { class: "top" },
        element("div", { class: "top-text" }, element("div", { class: "top-above" }, site.name), this.title),
      ),
      this.stage,
      element("footer", { class: "foot" }, this.zone.element),
      this.#paid.news,
    );
    root.removeAttribute("aria-busy");
    document.title = `${words.say("order.title")} · ${site.name}`;
  }

  async load() {
    if (!this.#claim.secret) return this.#fail(this.#words.say("order.no_secret"));
    try {
      await exchange(this.#api, this.#claim);
      this.#order = (await patiently(() => this.#api.order(this.#claim))).order;
    } catch (problem) {
      const isWrong = problem instanceof Refused && problem.status < 429;
      const wrong = isFromPayPage(this.#claim.secret) ? "order.return_over" : "order.not_yours";
      return this.#fail(isWrong ? this.#words.say(wrong) : sentenceFor(problem, this.#words), !isWrong);
    }
    this.ribbon.textContent = this.#order.test ? this.#words.say("test.ribbon") : "";
    this.ribbon.hidden = !this.#order.test;
    this.#show();
    this.#news ??= this.#follow();
    if (!this.#order.payment && this.#order.bookings.some(({ state }) => state === "confirming")) {
      await sleep(CONFIRMING_MS);
      await this.load();
    }
  }

  #follow() {
    const of = () => {
      const { bookings, payment } = /** @type {Order} */ (this.#order);
      const isRefunding = Boolean(payment?.refunding.amount);
      const isOwed = isRefunding || payment?.state === "returning" || Boolean(payment?.refund_refused?.amount);
      const isOver = !isOwed && bookings.every((one) => this.#isOver(one));
      return { slots: bookings.map(({ slot }) => slot), isRefunding, isOver };
    };
    const news = new OrderNews(this.#api.feedUrl, of, () => this.#renew());
    news.begin();
    return news;
  }

  /** Somebody is about to do something here, or waits for it: nothing may move under their fingers. */
  get #isBusy() {
    return this.#booked.isBusy || this.#cancelling.isBusy || this.#paid.isWatching;
  }

  /** @param {import("./widget/api.js").Booking} booking */
  #isOver({ state, ends_at }) {
    return state === "cancelled" || Date.parse(ends_at) < this.#clock.now();
  }

  /** Others may have changed it: who runs the site, or the customer somewhere else. False where that has to wait. */
  async #renew() {
    const before = this.#order;
    if (this.#isBusy) return false;
    const after = (await this.#api.order(this.#claim).catch(() => null))?.order;
    if (this.#isBusy || before !== this.#order) return false;
    if (!after || isSame(before, after)) return true;
    const isOwn = !isSame(withoutOthers(before), withoutOthers(after));
    this.#order = after;
    if (isOwn) this.#booked.forget();
    if (isOwn) this.#cancelling.forget();
    this.#showInPlace();
    if (isOwn) this.#paid.say(this.#words.say("order.changed"));
    return true;
  }

  /** Whoever was at a button is there again. */
  #showInPlace() {
    const had = this.stage.contains(document.activeElement) ? document.activeElement : null;
    this.#show();
    if (!had) return;
    /** @type {HTMLElement[]} */ const present = [...this.stage.querySelectorAll(/** @type {"a"} */ ("a, button"))];
    (present.find(({ textContent }) => textContent === had.textContent) ?? this.title).focus({ preventScroll: true });
  }

  /**
   * @param {string} sentence
   * @param {boolean} [canRetry]
   */
  #fail(sentence, canRetry = false) {
    fill(
      this.stage,
      element(
        "div",
        { class: "notice", role: "alert" },
        icon("warning"),
        element(
          "div",
          {},
          element("p", {}, sentence),
          canRetry &&
            element(
              "div",
              { class: "row" },
              element(
                "button",
                { type: "button", class: "button", onclick: () => void this.load() },
                this.#words.say("order.again"),
              ),
            ),
        ),
      ),
      !canRetry && this.#allBookings(),
    );
  }

  /** @param {Order} order  as it is after a payment */
  #payMoved(order) {
    const wasBooked = this.#order && stepOf(this.#order) === "booked";
    this.#order = order;
    this.#show();
    if (stepOf(order) === "booked" && !wasBooked) this.title.focus();
  }

  /**
   * There is no booking yet, or nothing came of it.
   * @param {Order} order
   */
  #showUnpaid(order) {
    const words = this.#words;
    const at = { words, zone: this.zone.current, siteZone: this.#site.zone };
    fill(
      this.stage,
      this.#paid.show(order, at.zone),
      order.bookings.map((booking) => element("div", { class: `is-${booking.state}` }, bookingCard(booking, order, at))),
      element(
        "dl",
        {},
        fact(words.say("done.number"), order.number),
        moneyFacts(order, words).map(([name, value]) => fact(name, value)).flat(),
      ),
    );
  }

  #show() {
    const order = this.#order;
    if (!order) return;
    const isPaid = stepOf(order) === "booked";
    this.title.textContent = this.#paid.titleOf(order);
    document.title = `${this.title.textContent} · ${this.#site.name}`;
    if (!isPaid && order.payment) return this.#showUnpaid(order);
    this.#watchDeadlines();
    const words = this.#words;
    fill(
      this.stage,
      order.erased_at && element("p", { class: "notice", role: "status" }, icon("check"), this.#erased(order.erased_at)),
      this.#booked.notices(),
      this.#booked.show(order, !this.#cancelling.isAsking),
      element(
        "dl",
        {},
        fact(words.say("done.number"), order.number),
        !order.erased_at && fact(words.say("order.name"), words.joined(order.customer.name, order.customer.email)),
        moneyFacts(order, words).map(([name, value]) => fact(name, value)).flat(),
      ),
      receiptLink(order, this.#address, words),
      element("div", { class: "row to-keep" }, this.#toCalendar(order), copyButton(this.#address.href, words)),
      !this.#booked.isMoving && !isMovePaid(order) && this.#cancelling.show(order, this.#isComing(order)),
      order.customer.email && this.#allBookings(),
    );
  }

  /** Of this page, to be opened elsewhere: that of the tab says no secret. */
  get #address() {
    const url = new URL(withSecret(location.href, this.#claim.secret));
    url.searchParams.delete("paying");
    return url;
  }

  /**
   * A calendar takes what was cancelled out by the same file.
   * @param {Order} order
   */
  #toCalendar(order) {
    const isAhead = order.bookings.some(
      ({ state, starts_at }) => state === "cancelled" && Date.parse(starts_at) > this.#clock.now(),
    );
    const key = this.#isComing(order) ? "order.calendar" : isAhead && !order.erased_at ? "order.calendar_cancelled" : null;
    return key && calendarButton(this.#api, this.#claim, this.#words, key);
  }

  #allBookings() {
    const { key, name } = this.#site;
    const address = `/my/${encodeURIComponent(key)}${location.search}`;
    return element("p", { class: "all-bookings" }, element("a", { href: address }, this.#words.say("my.all", { site: name })));
  }

  /** @param {string} at */
  #erased(at) {
    const day = dayAt(Date.parse(at), this.zone.current);
    return this.#words.say("order.erased", { day: this.#words.fullDay(day) });
  }

  /** @param {Order} order */
  #isComing(order) {
    return order.bookings.some(
      ({ state, starts_at }) => state === "confirmed" && Date.parse(starts_at) > this.#clock.now(),
    );
  }

  /** @param {Order} order */
  #renewed(order) {
    this.#order = order;
    this.#show();
  }

  #asks() {
    this.#show();
    /** @type {HTMLElement | null} */ (this.stage.querySelector("[data-focus]"))?.focus();
  }

  /** @param {Order | null} order */
  #ended(order) {
    this.#order = order ?? this.#order;
    this.#show();
    this.title.focus();
  }

  /** Shows it anew when the next deadline has passed. */
  #watchDeadlines() {
    clearTimeout(this.#waiting);
    const order = this.#order;
    const instants = order?.bookings.flatMap(({ move_until, starts_at }) => [move_until, starts_at]) ?? [];
    const leftMs = instants.map((at) => Date.parse(at) - this.#clock.now()).filter((left) => left > 0);
    const nextMs = Math.min(...leftMs);
    if (nextMs < WAIT_MAX_MS) this.#waiting = setTimeout(() => this.#show(), nextMs + 1);
  }
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("order"));
  const { site, order } = JSON.parse(document.getElementById("boot")?.textContent ?? "");
  passOverHasty(window);
  applyAccent(site.accent, () => document.documentElement.dataset.theme ?? "auto");
  const asked = new URLSearchParams(location.search);
  const words = await fetchWords(knownLocale(asked.get("lang"), site.locale));
  document.documentElement.lang = words.locale;
  document.documentElement.dir = words.direction;
  const claim = { id: order, secret: takeSecret() };
  const page = new OrderPage({ root, words, site, claim, hasPaid: asked.get("paying") === "done" });
  await page.load();
  addEventListener("hashchange", () => location.reload());
}

void start();
