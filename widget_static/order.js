// @ts-check
/** The only place for the order page: the way back to what was booked. Reading it changes nothing. */

import { Asked, wrote } from "./asked.js";
import { exchange, isFromPayPage, takeSecret, withSecret } from "./link.js";
import { Moving } from "./moving.js";
import { OrderNews } from "./order_news.js";
import { OrdersApi } from "./orders_api.js";
import { moneyFacts, Paid, refundNote } from "./paid.js";
import { applyAccent } from "./widget/accent.js";
import { Refused } from "./widget/api.js";
import { ServerClock } from "./widget/clock.js";
import { calendarButton } from "./widget/calendar_file.js";
import { bookingCard, copyButton, receiptLink } from "./widget/confirmation.js";
import { dayAt } from "./widget/dates.js";
import { element, fill, icon } from "./widget/elements.js";
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
  #isAsking = false;
  #isCancelling = false;
  /** @type {OrderNews | null} */ #news = null;
  /** @type {Moving | null} */ #moving = null;
  #hasMoved = false;
  /** By the slot whose customer is asked for another time. @type {Map<string, Asked>} */ #asked = new Map();
  /** What somebody has to know who is asked no more. @type {string | null} */ #told = null;
  /** @type {string | null} */ #problem = null;
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
      this.#moving?.show();
      this.#show();
    });
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
      return { slots: bookings.map(({ slot }) => slot), isRefunding: Boolean(payment?.refunding.amount) };
    };
    const news = new OrderNews(this.#api.feedUrl, of, () => this.#renew());
    news.begin();
    return news;
  }

  /** Somebody is about to do something here, or waits for it: nothing may move under their fingers. */
  get #isBusy() {
    const isAsked = [...this.#asked.values()].some(({ isBusy }) => isBusy);
    return Boolean(this.#moving) || this.#isAsking || this.#isCancelling || isAsked || this.#paid.isWatching;
  }

  /** Others may have changed it: who runs the site, or the customer somewhere else. */
  async #renew() {
    const before = this.#order;
    if (this.#isBusy) return;
    const after = (await this.#api.order(this.#claim).catch(() => null))?.order;
    if (!after || this.#isBusy || before !== this.#order || isSame(before, after)) return;
    const isOwn = !isSame(withoutOthers(before), withoutOthers(after));
    this.#order = after;
    if (isOwn) [this.#hasMoved, this.#told, this.#problem] = [false, null, null];
    this.#showInPlace();
    if (isOwn) this.#paid.say(this.#words.say("order.changed"));
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
      order.bookings.map((booking) => element("div", { class: `is-${booking.state}` }, bookingCard(booking, at))),
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
      this.#hasMoved &&
        element("p", { class: "notice is-moved", role: "status" }, icon("check"), words.say("moving.done")),
      order.erased_at && element("p", { class: "notice", role: "status" }, icon("check"), this.#erased(order.erased_at)),
      this.#told && element("p", { class: "notice is-problem", role: "alert" }, icon("warning"), this.#told),
      order.bookings.map((booking) =>
        element(
          "div",
          { class: `order-card is-${booking.state}` },
          element(
            "p",
            { class: `state is-${booking.state}` },
            icon(booking.state === "confirmed" ? "check" : "clock"),
            words.say(`order.state.${booking.state}`),
          ),
          bookingCard(booking, { words, zone: this.zone.current, siteZone: this.#site.zone }),
          this.#coming(booking),
          booking.answers.length > 0 && this.#answers(booking),
          booking.cancellation?.message && wrote(booking.cancellation.message, this.#site.name, words),
          this.#movingOf(booking),
        ),
      ),
      element(
        "dl",
        {},
        fact(words.say("done.number"), order.number),
        !order.erased_at && fact(words.say("order.name"), words.joined(order.customer.name, order.customer.email)),
        moneyFacts(order, words).map(([name, value]) => fact(name, value)).flat(),
      ),
      receiptLink(order, this.#address, words),
      element("div", { class: "row to-keep" }, this.#toCalendar(order), copyButton(this.#address.href, words)),
      this.#cancelling(order),
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
   * All who come at that time, as far as its service shows them; not to whoever comes alone.
   * @param {import("./widget/api.js").Booking} booking
   */
  #coming({ attendees = [], seats }) {
    const { name, email } = /** @type {Order} */ (this.#order).customer;
    const isAlone = seats === 1 && attendees.every((one) => one === email || one === name.trim().split(/\s/)[0]);
    if (attendees.length === 0 || (isAlone && attendees.length === 1)) return null;
    const words = this.#words;
    return element("dl", { class: "coming" }, fact(words.say("order.attendees"), words.joined(...attendees)));
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

  /** @param {import("./widget/api.js").Booking} booking */
  #answers({ answers }) {
    const words = this.#words;
    const said = (/** @type {string | boolean} */ answer) =>
      typeof answer === "string" ? answer : words.say(answer ? "question.yes" : "question.no");
    return element("dl", { class: "answers" }, answers.flatMap(({ question, answer }) => fact(question, said(answer))));
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

  /** @param {import("./widget/api.js").Booking} booking */
  #movingOf(booking) {
    if (this.#moving?.booking === booking) return this.#moving.element;
    const order = /** @type {Order} */ (this.#order);
    const isAhead = booking.state === "confirmed" && Date.parse(booking.starts_at) > this.#clock.now();
    if (isAhead && booking.move_request) return this.#askedOf(order, booking);
    if (!isAhead || Date.parse(booking.move_until) <= this.#clock.now() || this.#moving || this.#isAsking) return null;
    const button = element(
      "button",
      { type: "button", class: "button move", "data-slot": booking.slot, onclick: () => void this.#move(booking) },
      this.#words.say("moving.begin"),
    );
    return element("div", { class: "row" }, button);
  }

  /**
   * @param {Order} order
   * @param {import("./widget/api.js").Booking} booking
   */
  #askedOf(order, booking) {
    const { slot } = booking;
    let asked = this.#asked.get(slot);
    if (!asked?.renew(order)) {
      const parts = { api: this.#api, words: this.#words, claim: this.#claim, zone: () => this.zone.current };
      asked = new Asked({ ...parts, site: this.#site.name }, { order, booking }, {
        onMoved: (moved) => this.#moved(moved),
        onCancelled: (cancelled) => this.#cancelled(cancelled),
        onOther: () => void this.#move(/** @type {Asked} */ (this.#asked.get(slot)).booking),
        onOutdated: (told) => void this.#askAnew(slot, told),
      });
      this.#asked.set(slot, asked);
    }
    return asked.show();
  }

  /**
   * What is free may be something else by now, and perhaps nothing is asked any more.
   * @param {string} slot
   * @param {string} told
   */
  async #askAnew(slot, told) {
    await this.#lookAgain();
    const asked = this.#asked.get(slot);
    if (this.#order && asked?.renew(this.#order)) asked.tell(told);
    else this.#told = told;
    this.#show();
  }

  /** @param {Order} order */
  #cancelled(order) {
    [this.#order, this.#hasMoved, this.#told] = [order, false, null];
    this.#show();
    this.title.focus();
  }

  /** @param {import("./widget/api.js").Booking} booking */
  async #move(booking) {
    const order = /** @type {Order} */ (this.#order);
    const from = dayAt(this.#clock.now(), this.#site.zone);
    const moving = new Moving(
      { api: this.#api, words: this.#words, claim: this.#claim, zone: () => this.zone.current },
      { order, booking, from },
      { onMoved: (moved) => this.#moved(moved), onStop: () => this.#stay(booking.slot) },
    );
    [this.#moving, this.#hasMoved, this.#told] = [moving, false, null];
    this.#show();
    moving.heading.focus();
    await moving.load();
  }

  /** @param {Order} order */
  #moved(order) {
    [this.#order, this.#moving, this.#hasMoved, this.#told] = [order, null, true, null];
    this.#asked.clear();
    this.#show();
    this.title.focus();
  }

  /** @param {string} slot */
  #stay(slot) {
    this.#moving = null;
    this.#show();
    this.#news?.soon();
    /** @type {HTMLElement | null} */ const begin = this.stage.querySelector(`.move[data-slot="${slot}"]`);
    (begin ?? this.#asked.get(slot)?.heading)?.focus();
  }

  /** @param {Order} order */
  #cancelling(order) {
    if (this.#moving) return null;
    const words = this.#words;
    if (order.bookings.every(({ state }) => state === "cancelled"))
      return element("p", { class: "quiet", role: "status" }, words.say("order.cancelled"));
    const isAsked = order.bookings.length === 1 && order.bookings[0].move_request;
    if (!this.#isComing(order) || isAsked) return null;
    const problem =
      this.#problem && element("p", { class: "notice is-problem", role: "alert" }, icon("warning"), this.#problem);
    const deadline = this.#deadline(order);
    if (Date.parse(order.cancel_until ?? "") <= this.#clock.now()) return element("div", {}, problem, deadline);
    if (!this.#isAsking)
      return element(
        "div",
        {},
        problem,
        deadline,
        element(
          "button",
          { type: "button", class: "button", onclick: () => this.#ask(true) },
          words.say("order.cancel"),
        ),
      );
    const yes = element(
      "button",
      { type: "button", class: "button danger", onclick: () => void this.#cancel(yes) },
      words.say("order.cancel_yes"),
    );
    return element(
      "div",
      { class: "ask", role: "alertdialog", "aria-labelledby": "ask" },
      element("p", { id: "ask" }, words.say("order.cancel_ask"), refundNote(order, words)),
      problem,
      element(
        "div",
        { class: "row" },
        yes,
        element(
          "button",
          { type: "button", class: "button", "data-focus": true, onclick: () => this.#ask(false) },
          words.say("order.cancel_no"),
        ),
      ),
    );
  }

  /**
   * Until when there is a way back, or was; nothing where that is until it starts.
   * @param {Order} order
   */
  #deadline(order) {
    const [words, nowMs] = [this.#words, this.#clock.now()];
    const untilMs = Date.parse(order.cancel_until ?? "");
    if (order.bookings.some(({ starts_at }) => Date.parse(starts_at) === untilMs)) return null;
    const canMove = order.bookings.some(({ move_until }) => Date.parse(move_until) > nowMs);
    const key = `${untilMs > nowMs ? "order.until" : "order.too_late"}${canMove === untilMs > nowMs ? "" : "_cancel"}`;
    const time = words.moment(untilMs, this.zone.current);
    return element("p", { class: "deadline quiet", role: "status" }, words.say(key, { time }));
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

  /** @param {boolean} isAsking */
  #ask(isAsking) {
    this.#isAsking = isAsking;
    this.#problem = null;
    this.#show();
    if (!isAsking) this.#news?.soon();
    /** @type {HTMLElement | null} */ (
      this.stage.querySelector(isAsking ? "[data-focus]" : ".button:last-child")
    )?.focus();
  }

  /** The deadline may be another one by now. */
  async #lookAgain() {
    this.#isAsking = false;
    this.#order = (await this.#api.order(this.#claim).catch(() => null))?.order ?? this.#order;
  }

  /** @param {HTMLButtonElement} button */
  async #cancel(button) {
    this.#isCancelling = button.disabled = true;
    button.textContent = this.#words.say("order.cancelling");
    try {
      this.#order = (await patiently(() => this.#api.cancelOrder(this.#claim))).order;
      this.#isAsking = false;
      this.#problem = null;
    } catch (problem) {
      this.#problem = sentenceFor(problem, this.#words, this.zone.current);
      if (problem instanceof Refused && problem.code === "too_late") await this.#lookAgain();
    }
    this.#isCancelling = false;
    this.#show();
    this.title.focus();
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * Who else comes, and what else is free, is not what has become of a booking.
 * @param {Order | null} order
 */
function withoutOthers(order) {
  return order?.bookings.map(({ attendees: _, move_request: asked, ...own }) => [own, asked?.message]);
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("order"));
  const { site, order } = JSON.parse(document.getElementById("boot")?.textContent ?? "");
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
