// @ts-check
/** The only place for the step before booking: what was chosen, who comes, and what to do when the hold has ended. */

import { Attendees } from "./attendees.js";
import { leftOf, stateOf } from "./availability.js";
import { countsFor, priceOf } from "./choices.js";
import { Coupon } from "./coupon.js";
import { addDays, dayAt, startOf } from "./dates.js";
import { element, fill, icon } from "./elements.js";
import { EMAIL, EMAIL_LENGTH_MAX, mark, NAME_LENGTH_MAX } from "./fields.js";
import { Questions } from "./questions.js";
import { SlotList } from "./slots.js";
import { ticket } from "./ticket.js";

/**
 * @typedef {{name: string, email: string, attendees: string[], addresses?: string[], answers?: import("./questions.js").Answers,
 *   coupon?: import("./coupon.js").Typed}} Typed  what the visitor typed; outlives this view
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {object} Listeners
 * @property {() => void} onOther  another time
 * @property {() => void} onCancel
 * @property {() => Promise<void>} onConfirm
 * @property {(code: string, lines: import("./api.js").Line[]) => Promise<import("./api.js").QuoteAnswer>} onCode
 * @property {() => Promise<void>} onHoldAgain
 * @property {(text: string) => void} announce
 */

export class Summary {
  #words;
  #choice;
  #typed;
  #listeners;
  #isUnpaid;
  #isBusy = false;
  /** Shows another price. */ #onPrice = () => {};
  #hasEnded = false;
  #endedKey = "";

  /**
   * @param {{words: import("./words.js").Words, zone: string, site: import("./api.js").Site, nowMs: number}} at
   * @param {Choice} choice
   * @param {Typed} typed
   * @param {Listeners} listeners
   * @param {boolean} [isUnpaid]  the time to pay for it is over
   */
  constructor(at, choice, typed, listeners, isUnpaid = false) {
    this.#words = at.words;
    this.#choice = choice;
    this.#typed = typed;
    this.#listeners = listeners;
    this.#isUnpaid = isUnpaid;
    const { words } = at;
    this.day = new SlotList(words);
    this.name = this.#field({
      key: "name",
      type: "text",
      autocomplete: "name",
      required: true,
      maxlength: NAME_LENGTH_MAX,
    });
    this.email = this.#field({
      key: "email",
      type: "email",
      autocomplete: "email",
      required: !this.#isFree,
      maxlength: EMAIL_LENGTH_MAX,
    });
    this.coupon = at.site.coupons && !this.#isFree ? this.#couponField() : null;
    if (!this.coupon) this.#typed.coupon = undefined; // nobody could see it any more, or take it away
    this.attendees = new Attendees(words, choice, typed);
    this.questions = new Questions(words, this.#choice.service.questions, (typed.answers ??= {}));
    this.confirm = element("button", { type: "submit", class: "button primary wide" }, this.#act);
    this.note = element("div", { class: "notice is-problem", hidden: true });
    this.payNote = element("p", { class: "quiet held-note", hidden: !this.#isToPay }, words.say("pay.note"));
    this.ended = element("div", { class: "notice is-ended", hidden: true });
    this.held = element("p", { class: "quiet held-note" });
    this.actions = element(
      "div",
      { class: "actions" },
      this.confirm,
      this.payNote,
      this.held,
      element(
        "button",
        { type: "button", class: "button plain", onclick: listeners.onCancel },
        words.say(at.site.holds_on ? "summary.cancel" : "summary.cancel_unheld"),
      ),
    );
    this.form = element(
      "form",
      { novalidate: true, onsubmit: (/** @type {Event} */ event) => void this.#submit(event) },
      this.name.element,
      this.email.element,
      this.attendees.element,
      this.questions.elements,
      this.coupon?.element,
      this.note,
      this.actions,
    );
    this.ticket = element("div", {}, this.#ticket(at));
    this.#onPrice = () => fill(this.ticket, this.#ticket(at));
    this.element = element(
      "div",
      { class: "summary" },
      this.ended,
      element(
        "div",
        { class: "summary-body" },
        element("div", { class: "summary-side" }, this.ticket, this.#deadline(at), this.#day()),
        this.form,
      ),
    );
  }

  get #isFree() {
    return this.#choice.service.price.amount === 0;
  }

  /** Whether a pay page follows: a code may have taken all of the price off. */
  get #isToPay() {
    return priceOf(this.#choice, this.#typed).amount > 0;
  }

  /** What all seats cost, as it is read. */
  get #price() {
    return this.#words.money(priceOf(this.#choice, this.#typed));
  }

  #couponField() {
    const { slot, seats, service } = this.#choice;
    const { code = "", quote = null } = this.#typed.coupon ?? {};
    // Of its own: an answer to an earlier view is about what was chosen then, however late it is.
    const typed = (this.#typed.coupon = { code, quote: quote && countsFor(quote, this.#choice) ? quote : null });
    return new Coupon(this.#words, typed, {
      ask: async (asked) => ({ ...(await this.#listeners.onCode(asked, [{ slot: slot.id, seats }])), service: service.id }),
      onPrice: () => this.#reprice(),
      announce: this.#listeners.announce,
    });
  }

  #reprice() {
    this.#onPrice();
    this.payNote.hidden = !this.#isToPay;
    if (!this.#isBusy) this.confirm.textContent = this.#act;
  }

  /** What the button does. */
  get #act() {
    return !this.#isToPay ? this.#words.say("summary.confirm") : this.#words.say("summary.pay", { price: this.#price });
  }

  /** @param {{words: import("./words.js").Words, zone: string, site: import("./api.js").Site}} at */
  #ticket({ words, zone, site }) {
    const { slot, seats, service } = this.#choice;
    const price = this.#isToPay ? words.say("price.total", { price: this.#price }) : this.#price;
    return ticket(
      { ...slot, name: service.name, place: service.place, seats, price },
      { words, zone, siteZone: site.zone },
    );
  }

  /**
   * Until when there is a way back, where that is not until it starts.
   * @param {{words: import("./words.js").Words, zone: string, nowMs: number}} at
   */
  #deadline({ words, zone, nowMs }) {
    const { slot, service } = this.#choice;
    const untilMs = slot.startsMs - service.cancel_until_minutes * 60_000;
    if (untilMs === slot.startsMs) return null;
    const key = untilMs > nowMs ? "summary.until" : "summary.no_way_back";
    return element("p", { class: "deadline quiet" }, words.say(key, { time: words.moment(untilMs, zone) }));
  }

  /**
   * The day of the chosen slot, with it as the visitor's own while it is held.
   * @param {import("./availability.js").Availability} availability
   * @param {{nowMs: number, zone: string}} at
   * @param {boolean} isHeld
   */
  showDay(availability, { nowMs, zone }, isHeld) {
    const { slot: chosen, service } = this.#choice;
    const day = dayAt(chosen.startsMs, zone);
    const slots = availability.between(service.id, startOf(day, zone), startOf(addDays(day, 1), zone));
    const own = isHeld ? chosen.id : null;
    const shown = slots.filter((slot) => slot.id === own || stateOf(slot, nowMs) !== "closed");
    this.day.show(shown, { nowMs, zone, service, own });
  }

  /** What happens around the chosen slot meanwhile. */
  #day() {
    return element(
      "section",
      { class: "around", "aria-label": this.#words.say("summary.around") },
      element("h2", {}, this.#words.say("summary.around")),
      this.day.element,
    );
  }

  /**
   * @param {{key: "name" | "email", type: string, autocomplete: string, required: boolean, maxlength: number}} wanted
   */
  #field({ key, required, ...rest }) {
    const id = `field-${key}`;
    const said = key === "email" && !required ? "email_optional" : key;
    const { service, slot } = this.#choice;
    const isSeen = key === "email" || slot.capacity > 1;
    const hints = [`form.${said}_hint`, isSeen && `form.${key}_${service.attendees_shown}`];
    const hinted = hints.filter((hint) => hint && this.#words.has(hint)).map((hint) => this.#words.say(String(hint)));
    const hint = hinted.length > 0 && element("p", { class: "hint", id: `${id}-hint` }, hinted.join(" "));
    const problem = element("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
    const input = element("input", {
      id,
      name: key,
      value: this.#typed[key],
      "aria-required": String(required),
      "aria-describedby": [hint && `${id}-hint`, `${id}-problem`].filter(Boolean).join(" "),
      ...rest,
      oninput: () => {
        this.#typed[key] = input.value;
        mark(field);
      },
    });
    const field = {
      input,
      problem,
      element: element(
        "div",
        { class: "field" },
        element("label", { for: id }, this.#words.say(`form.${said}`)),
        input,
        hint,
        problem,
      ),
    };
    return field;
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    if (this.#isBusy || this.#hasEnded || !this.#isValid()) return;
    this.note.hidden = true;
    if (this.coupon?.isOpen) return this.coupon.apply(); // what it costs is seen before it is paid
    await this.#busy(this.#listeners.onConfirm, this.#isToPay ? "pay.opening" : "summary.confirming");
  }

  #isValid() {
    const { name, email } = this.#typed;
    const wrongName = name.trim() ? "" : "form.name_missing";
    const missing = this.#isFree ? "" : "form.email_missing";
    const wrongEmail = !email.trim() ? missing : EMAIL.test(email.trim()) ? "" : "form.email_wrong";
    mark(this.email, wrongEmail && this.#words.say(wrongEmail));
    mark(this.name, wrongName && this.#words.say(wrongName));
    const unanswered = this.questions.missing();
    const wrongAddress = this.attendees.wrong();
    (wrongName ? this.name.input : wrongEmail ? this.email.input : (wrongAddress ?? unanswered))?.focus();
    return !wrongName && !wrongEmail && !wrongAddress && !unanswered;
  }

  /**
   * @param {() => Promise<void>} act
   * @param {string} key  what the button says meanwhile
   */
  async #busy(act, key) {
    this.#isBusy = true;
    this.confirm.textContent = this.#words.say(key);
    this.confirm.setAttribute("aria-disabled", "true");
    try {
      await act();
    } finally {
      this.#isBusy = false;
      this.confirm.textContent = this.#act;
      this.confirm.removeAttribute("aria-disabled");
    }
  }

  /**
   * @param {string} sentence
   * @param {any} [problem]  of the server; it may be about an answer, or the code
   */
  complain(sentence, problem) {
    if (problem?.code === "coupon_refused" && this.coupon) return this.coupon.refuse(problem);
    const asked = problem?.details?.question;
    if (asked) sentence = this.#words.say(this.questions.refuse(asked) ? "question.look" : "question.changed");
    fill(this.note, icon("warning"), element("p", {}, sentence));
    this.note.hidden = false;
    this.#listeners.announce(sentence);
  }

  /** @param {string | null} until  on the visitor's clock; null where the site takes no holds */
  showHeld(until) {
    this.held.textContent = this.#words.say(until ? "summary.held_until" : "summary.not_held", { time: until ?? "" });
  }

  /**
   * The hold is over. What was typed stays; what can be done depends on whether the seats are still free.
   * @param {import("./availability.js").Slot | undefined} slot  as it is now
   * @param {number} nowMs
   * @param {boolean} wasBooked  by the site's operator, for this visitor
   */
  end(slot, nowMs, wasBooked) {
    const { seats } = this.#choice;
    const isFree = !wasBooked && slot !== undefined && stateOf(slot, nowMs) === "open" && leftOf(slot) >= seats;
    const key = wasBooked ? "ended.booked" : isFree ? "ended.free" : slot && stateOf(slot, nowMs) === "held" ? "ended.held" : "ended.taken";
    if (this.#hasEnded && key === this.#endedKey) return;
    const isNew = !this.#hasEnded;
    this.#hasEnded = true;
    this.#endedKey = key;
    const title = this.#words.say(
      wasBooked ? "ended.booked_title" : this.#isUnpaid ? "ended.unpaid_title" : "ended.title",
      { count: seats },
    );
    const sentence = this.#words.say(key, { count: seats });
    const again =
      isFree &&
      element(
        "button",
        { type: "button", class: "button primary", onclick: () => void this.#holdAgain() },
        this.#words.say("ended.again"),
      );
    const other = element(
      "button",
      { type: "button", class: `button${isFree ? "" : " primary"}`, onclick: this.#listeners.onOther },
      this.#words.say("ended.other"),
    );
    fill(
      this.ended,
      icon("clock"),
      element(
        "div",
        {},
        element("p", {}, element("strong", {}, title), " ", sentence),
        element("div", { class: "row" }, again, other),
      ),
    );
    this.ended.hidden = false;
    this.note.hidden = true;
    this.actions.hidden = true;
    this.element.classList.add("has-ended");
    if (isNew) this.#listeners.announce(`${title} ${sentence}`);
  }

  async #holdAgain() {
    if (!this.#isBusy) await this.#busy(this.#listeners.onHoldAgain, "summary.confirm");
  }

  /** Held again: everything is as it was. */
  resume() {
    this.#isUnpaid = false;
    this.#hasEnded = false;
    this.ended.hidden = true;
    this.note.hidden = true;
    this.actions.hidden = false;
    this.element.classList.remove("has-ended");
  }
}
