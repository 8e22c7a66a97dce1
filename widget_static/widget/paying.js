// @ts-check
/** The only place for paying: the tab of the pay page, what is shown until the payment is decided, and the ways out. */

import { Refused, Unreachable } from "./api.js";
import { element, fill, icon } from "./elements.js";
import { patiently, sleep } from "./patience.js";
import { PaymentWatch, stepOf, whyReturned } from "./payment.js";
import { sentenceFor } from "./problems.js";
import { ticketsOf } from "./tickets.js";

/** When nothing was paid, it takes a moment until the hold goes on: so often it is looked at. */
const LOOKS_MAX = 6;
const LOOK_AGAIN_MS = 500;

/**
 * @typedef {import("./api.js").CheckoutAnswer} CheckoutAnswer
 * @typedef {{go: (url: string) => boolean, close: () => void}} PayTab
 * @typedef {object} Listeners
 * @property {(answer: CheckoutAnswer) => void} onBooked
 * @property {(isOver: boolean) => void} onUnpaid  nothing was paid: the seats are still held, or it is too late
 * @property {() => void} onOther  another time
 */

/**
 * A tab for the pay page, which no frame may show. To be called by the click itself: a moment later a browser would
 * take it for a pop-up that nobody asked for. Null where it does so anyway.
 * @param {import("./words.js").Words} words
 * @returns {PayTab | null}
 */
export function openTab(words) {
  const tab = window.open("", "_blank");
  if (!tab) return null;
  sayIn(tab, words.say("pay.opening"));
  return {
    go: (url) => {
      if (tab.closed) return false;
      tab.opener = null;
      tab.location.replace(url);
      return true;
    },
    close: () => tab.close(),
  };
}

/**
 * @param {Window} tab
 * @param {string} sentence
 */
function sayIn({ document }, sentence) {
  try {
    document.title = sentence;
    document.documentElement.style.colorScheme = "light dark";
    document.body.style.font = "1rem system-ui, sans-serif";
    document.body.append(sentence);
  } catch {
    // A browser inside of an app may keep it to itself: it stays empty until the pay page is there.
  }
}

export class Paying {
  #at;
  #choices;
  #claim;
  #listeners;
  #watch;
  #isLeaving = false;
  /** @type {CheckoutAnswer | null} */ #answer = null;

  /**
   * @param {{api: import("./api.js").Api, words: import("./words.js").Words, clock: import("./clock.js").ServerClock,
   *   page: import("./page.js").Page, keeper: import("./hold.js").HoldKeeper, zone: string,
   *   site: import("./api.js").Site}} at
   * @param {import("./choices.js").Choice[]} choices
   * @param {import("./api.js").Claim} claim  of the hold that is paid
   * @param {Listeners} listeners
   */
  constructor(at, choices, claim, listeners) {
    this.#at = at;
    this.#choices = choices;
    this.#claim = claim;
    this.#listeners = listeners;
    const { words } = at;
    this.#watch = new PaymentWatch((atStripe) => this.#ask(atStripe), {
      onAnswer: (answer) => this.#learn(answer),
      onProblem: (problem) => this.#failed(problem),
    });
    this.text = element("p", { class: "quiet" });
    this.ticket = element("div", { class: "booking" });
    this.until = element("p", { class: "quiet held-note" });
    this.progress = element("progress", { hidden: true, "aria-label": words.say("paid.confirming_title") });
    this.problem = element("div", { class: "notice is-problem", hidden: true });
    this.open = element("a", { class: "button wide", target: "_blank", rel: "noopener", hidden: true });
    this.leave = element(
      "button",
      { type: "button", class: "button plain", onclick: () => void this.#goBack() },
      words.say("pay.change"),
    );
    this.actions = element("div", { class: "actions" }, this.open, this.until, this.leave);
    this.element = element(
      "div",
      { class: "done paying" },
      element("div", { class: "done-mark", "aria-hidden": "true" }, icon("clock")),
      this.text,
      this.progress,
      this.problem,
      this.ticket,
      this.actions,
    );
  }

  /** @param {import("./api.js").Money} total */
  #showTicket(total) {
    fill(this.ticket, ...ticketsOf(this.#choices, total, this.#at, { isSold: true }));
  }

  /**
   * @param {CheckoutAnswer | null} answer  where the server has said already what there is to pay
   * @param {PayTab | null} [tab]  that waits for the address of the pay page; null: the browser gave none
   */
  begin(answer, tab) {
    const { words, page } = this.#at;
    page.name({ title: words.say("pay.title") });
    page.focus();
    const url = answer?.order.payment?.pay_url;
    const isOpened = Boolean(url && tab?.go(url));
    if (!isOpened) tab?.close();
    const isBlocked = tab !== undefined && !isOpened;
    this.open.textContent = words.say(isBlocked ? "pay.open" : "pay.open_again");
    this.open.classList.toggle("primary", isBlocked);
    this.#say(isBlocked ? "pay.blocked" : "pay.waiting");
    if (answer && this.#learn(answer)) return;
    this.#watch.start(answer === null);
  }

  stop() {
    this.#watch.stop();
    this.#at.page.side.hidden = false;
  }

  /** Because of news: something has become of the seats, or the time is over. */
  async look() {
    const untilMs = Date.parse(this.#answer?.order.payment?.pay_until ?? "");
    await this.#watch.look(untilMs <= this.#at.clock.now());
  }

  /** @param {boolean} atStripe */
  async #ask(atStripe) {
    const { api } = this.#at;
    if (!atStripe || !this.#answer) return api.checkout("GET", this.#claim);
    return { ...this.#answer, ...(await api.askPayment({ id: this.#claim.id, secret: this.#answer.order_secret })) };
  }

  /**
   * @param {CheckoutAnswer} answer
   * @returns {boolean} whether it is decided
   */
  #learn(answer) {
    const { order } = answer;
    if (!this.#answer) this.#showTicket(order.total);
    this.#answer = answer;
    const step = stepOf(order);
    this.#at.page.calm();
    if (step === "booked") this.#listeners.onBooked(answer);
    else if (step === "over") void this.#over();
    else if (step === "returned" || step === "choosing") this.#tooLate(answer, step);
    else this.#show(order, step === "confirming");
    return step !== "waiting" && step !== "confirming";
  }

  /**
   * @param {import("./api.js").Order} order
   * @param {boolean} isConfirming
   */
  #show({ payment }, isConfirming) {
    const { words, zone, page } = this.#at;
    const url = payment?.pay_url;
    const hadFocus = this.actions.contains(document.activeElement);
    if (url) this.open.href = url;
    this.open.hidden = !url || isConfirming;
    this.until.hidden = this.leave.hidden = isConfirming;
    this.progress.hidden = !isConfirming || Boolean(payment?.delayed);
    page.side.hidden = isConfirming; // what counts down is the time to pay
    this.until.textContent = words.say("pay.until", { time: words.time(Date.parse(payment?.pay_until ?? "") || 0, zone) });
    if (!isConfirming) return;
    page.name({ title: words.say("paid.confirming_title") });
    this.#say(payment?.delayed ? "paid.delayed" : "pay.confirming");
    if (hadFocus) page.focus(); // on a way out that is gone now
  }

  /**
   * @param {CheckoutAnswer} answer
   * @param {"returned" | "choosing"} step
   */
  #tooLate({ order, order_url }, step) {
    const { words, page, keeper } = this.#at;
    keeper.forget();
    this.progress.hidden = true;
    this.ticket.classList.add("is-cancelled");
    page.name({ title: words.say(`paid.${step}_title`) });
    const time = words.time(Date.parse(order.payment?.offered_until ?? "") || 0, this.#at.zone);
    this.#say(step === "choosing" ? "choosing.elsewhere" : `paid.${whyReturned(order)}`, { price: words.money(order.total), time });
    const url = new URL(order_url);
    url.searchParams.set("lang", words.locale);
    const { onOther } = this.#listeners;
    const other = element("button", { type: "button", class: "button", onclick: onOther }, words.say("ended.other"));
    const label = words.say(step === "choosing" ? "choosing.open" : "done.open");
    const open = element("a", { class: "button", href: url.href, target: "_blank", rel: "noopener" }, label);
    const actions = step === "choosing" ? [open] : [other, open];
    actions.forEach((action, place) => action.classList.add(place ? "plain" : "primary"));
    fill(this.actions, actions);
    page.focus();
  }

  /**
   * Once, however often it is heard.
   * @param {string} key
   * @param {Record<string, string>} [values]
   */
  #say(key, values) {
    const sentence = this.#at.words.say(key, values);
    if (this.text.textContent !== sentence) this.#at.page.announce(sentence);
    this.text.textContent = sentence;
  }

  get #isWaiting() {
    return !this.#answer || stepOf(this.#answer.order) === "waiting";
  }

  async #goBack() {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.problem.hidden = true;
    this.leave.setAttribute("aria-disabled", "true");
    try {
      const answer = await patiently(() => this.#at.api.checkout("DELETE", this.#claim));
      this.#back(answer.hold.state === "held" ? answer : null);
    } catch (problem) {
      // It may be paid, or over: what became of it is the answer, if it has become of it.
      if (problem instanceof Refused && problem.status < 429) await this.#watch.look(true);
      if (this.#isWaiting) this.#complain(sentenceFor(problem, this.#at.words));
    } finally {
      this.#isLeaving = false;
      this.leave.removeAttribute("aria-disabled");
    }
  }

  /** @param {string} sentence */
  #complain(sentence) {
    fill(this.problem, icon("warning"), element("p", {}, sentence));
    this.problem.hidden = false;
    this.#at.page.announce(sentence);
  }

  /** @param {unknown} problem  while asking; where there is nothing to be paid any more, that is the answer */
  #failed(problem) {
    if (problem instanceof Unreachable) this.#at.page.warn(this.#at.words.say("problem.offline"));
    else if (problem instanceof Refused && problem.status < 429) void this.#over();
  }

  /** Nothing was paid, or too late. The hold itself may run longer than that. */
  async #over() {
    this.stop();
    try {
      for (let tried = 1; tried <= LOOKS_MAX; tried += 1) {
        const answer = await patiently(() => this.#at.api.findHold(this.#claim));
        if (answer.hold.state === "held") return this.#back(answer);
        if (answer.hold.state !== "paying") break;
        await sleep(LOOK_AGAIN_MS);
      }
    } catch {
      // Whoever cannot be asked gives no seats either.
    }
    this.#back(null);
  }

  /** @param {import("./api.js").HoldAnswer | null} answer  null: the seats are given back */
  #back(answer) {
    const { keeper, page, words } = this.#at;
    this.stop();
    if (answer) keeper.goOn(this.#claim, answer);
    else keeper.forget();
    this.#listeners.onUnpaid(!answer);
    if (answer) page.announce(words.say("pay.back"));
  }
}
