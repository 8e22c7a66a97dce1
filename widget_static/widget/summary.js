// @ts-check
/** The only place for the step before booking: what was chosen, who books it, and the button that does. */

import { Attendees } from "./attendees.js";
import { stateOf } from "./availability.js";
import { countsFor, linesOf, priceOf, servicesOf, subjectOf } from "./choices.js";
import { Coupon } from "./coupon.js";
import { addDays, dayAt, startOf } from "./dates.js";
import { element, fill, icon } from "./elements.js";
import { Ended } from "./ended.js";
import { EMAIL, EMAIL_LENGTH_MAX, mark, NAME_LENGTH_MAX } from "./fields.js";
import { Questions } from "./questions.js";
import { SlotList } from "./slots.js";
import { Tickets } from "./tickets.js";

/**
 * @typedef {{name: string, email: string, attendees: string[], addresses?: string[], answers?: import("./questions.js").Answers,
 *   coupon?: import("./coupon.js").Typed}} Typed  what the visitor typed; outlives this view
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {object} Listeners
 * @property {() => void} onAdd  another time besides
 * @property {(choice: Choice) => void} onRemove
 * @property {() => void} onOther  another time instead
 * @property {() => void} onCancel
 * @property {() => Promise<void>} onConfirm
 * @property {(code: string, lines: import("./api.js").Line[]) => Promise<import("./api.js").QuoteAnswer>} onCode
 * @property {(free: Choice[]) => Promise<void>} onHoldAgain
 * @property {(text: string) => void} announce
 */

export class Summary {
  #words;
  #choices;
  #typed;
  #listeners;
  #isUnpaid;
  #isBusy = false;
  #hasEnded = false;

  /**
   * @param {{words: import("./words.js").Words, zone: string, site: import("./api.js").Site, nowMs: number}} at
   * @param {Choice[]} choices
   * @param {Typed} typed
   * @param {Listeners} listeners
   * @param {{isUnpaid?: boolean, canRemove?: boolean}} [how]  the time to pay for it is over; there are several times, or were
   */
  constructor(at, choices, typed, listeners, { isUnpaid = false, canRemove = false } = {}) {
    this.#words = at.words;
    this.#choices = choices;
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
    this.attendees = new Attendees(words, choices, typed);
    this.questions = new Questions(words, servicesOf(choices).flatMap(({ questions }) => questions), (typed.answers ??= {}));
    this.confirm = element("button", { type: "submit", class: "button primary wide" }, this.#act);
    this.note = element("div", { class: "notice is-problem", hidden: true });
    this.payNote = element("p", { class: "quiet held-note", hidden: !this.#isToPay }, words.say("pay.note"));
    this.ended = new Ended(words, {
      onAgain: (free) => void this.#holdAgain(free),
      onOther: listeners.onOther,
      announce: listeners.announce,
    });
    this.tickets = new Tickets(at, choices, { onAdd: listeners.onAdd, onRemove: listeners.onRemove, canRemove });
    this.tickets.show(this.#total);
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
      this.#isSharing && element("p", { class: "hint" }, words.say("form.for_all")),
      this.attendees.element,
      this.questions.elements,
      this.coupon?.element,
      this.note,
      this.actions,
    );
    this.element = element(
      "div",
      { class: "summary" },
      this.ended.element,
      element(
        "div",
        { class: "summary-body" },
        element("div", { class: "summary-side" }, this.tickets.element, choices.length === 1 && this.#day()),
        this.form,
      ),
    );
  }

  get #isFree() {
    return this.#choices.every(({ service }) => service.price.amount === 0);
  }

  /** Something is asked once for all times. */
  get #isSharing() {
    return this.#choices.length > 1 && Boolean(this.attendees.element || this.questions.elements.length);
  }

  get #total() {
    return priceOf(this.#choices, this.#typed);
  }

  /** Whether a pay page follows: a code may have taken all of the price off. */
  get #isToPay() {
    return this.#total.amount > 0;
  }

  #couponField() {
    const choices = this.#choices;
    const { code = "", quote = null } = this.#typed.coupon ?? {};
    // Of its own: an answer to an earlier view is about what was chosen then, however late it is.
    const typed = (this.#typed.coupon = { code, quote: quote && countsFor(quote, choices) ? quote : null });
    return new Coupon(this.#words, typed, {
      ask: async (asked) => ({ ...(await this.#listeners.onCode(asked, linesOf(choices))), subject: subjectOf(choices) }),
      onPrice: () => this.#reprice(),
      announce: this.#listeners.announce,
    });
  }

  #reprice() {
    this.tickets.show(this.#total);
    this.payNote.hidden = !this.#isToPay;
    if (!this.#isBusy) this.confirm.textContent = this.#act;
  }

  /** What the button does. */
  get #act() {
    const words = this.#words;
    return this.#isToPay ? words.say("summary.pay", { price: words.money(this.#total) }) : words.say("summary.confirm");
  }

  /**
   * The day of the only chosen slot, with it as the visitor's own while it is held.
   * @param {import("./availability.js").Availability} availability
   * @param {{nowMs: number, zone: string}} at
   * @param {boolean} isHeld
   */
  showDay(availability, { nowMs, zone }, isHeld) {
    if (this.#choices.length > 1) return;
    const [{ slot: chosen, service }] = this.#choices;
    const day = dayAt(chosen.startsMs, zone);
    const slots = availability.between(service.id, startOf(day, zone), startOf(addDays(day, 1), zone));
    const own = isHeld ? [chosen.id] : [];
    const shown = slots.filter((slot) => own.includes(slot.id) || stateOf(slot, nowMs) !== "closed");
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
    const seen = this.#choices.filter(({ slot }) => key === "email" || slot.capacity > 1);
    const hints = [`form.${said}_hint`, ...new Set(seen.map(({ service }) => `form.${key}_${service.attendees_shown}`))];
    const hinted = hints.filter((hint) => this.#words.has(hint)).map((hint) => this.#words.say(hint));
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
    // As they are seen: not all that fills in fields by itself says that it does.
    const [name, email] = [this.#typed.name, this.#typed.email] = [this.name.input.value, this.email.input.value];
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
    if (problem?.code === "invalid_request" && this.#refuse(problem.details.fields ?? [])) return;
    const asked = problem?.details?.question;
    if (asked) sentence = this.#words.say(this.questions.refuse(asked) ? "question.look" : "question.changed");
    fill(this.note, icon("warning"), element("p", {}, sentence));
    this.note.hidden = false;
    this.#listeners.announce(sentence);
  }

  /**
   * What the server does not take stands at its field, which has the focus then. Whether it has one here.
   * @param {{field: string}[]} fields
   */
  #refuse(fields) {
    const isRefused = (/** @type {string} */ name) => fields.some(({ field }) => field === `customer.${name}`);
    const wrong = [this.name, this.email].filter(({ input }) => isRefused(input.name));
    for (const field of wrong) mark(field, this.#words.say(`form.${field.input.name}_wrong`));
    const first = wrong[0]?.input ?? this.attendees.refuse(fields.map(({ field }) => field));
    first?.focus();
    return Boolean(first);
  }

  /** @param {string | null} until  on the visitor's clock; null where the site takes no holds */
  showHeld(until) {
    this.held.textContent = this.#words.say(until ? "summary.held_until" : "summary.not_held", { time: until ?? "" });
  }

  /**
   * The hold is over. What was typed stays; what can be done depends on whether the seats are still free.
   * @param {Omit<import("./ended.js").Now, "isUnpaid">} now
   */
  end(now) {
    this.#hasEnded = true;
    const had = this.element.contains(document.activeElement);
    this.tickets.end(this.ended.show(this.#choices, { ...now, isUnpaid: this.#isUnpaid }));
    this.note.hidden = true;
    this.actions.hidden = true;
    const focused = document.activeElement;
    if (had && (!this.element.contains(focused) || focused?.closest("[hidden]"))) this.ended.focus(); // it was on what is gone
    this.element.classList.add("has-ended");
  }

  /** @param {Choice[]} free */
  async #holdAgain(free) {
    if (!this.#isBusy) await this.#busy(() => this.#listeners.onHoldAgain(free), "summary.confirm");
  }
}
