// @ts-check
/** The only place that asks who comes, where several do: names, and addresses if the service wants them. */

import { element } from "./elements.js";
import { EMAIL, EMAIL_LENGTH_MAX, mark, NAME_LENGTH_MAX } from "./fields.js";

export class Attendees {
  #words;
  #typed;
  #hasAddresses;
  /** @type {import("./fields.js").Field[]} */ #names = [];
  /** @type {import("./fields.js").Field[]} */ #addresses = [];

  /**
   * @param {import("./words.js").Words} words
   * @param {import("./choices.js").Choice[]} choices  whoever comes, comes to each of these times
   * @param {import("./summary.js").Typed} typed
   */
  constructor(words, choices, typed) {
    const seats = Math.max(...choices.map((choice) => choice.seats));
    this.#words = words;
    this.#typed = typed;
    this.#hasAddresses = choices.some((choice) => choice.seats > 1 && choice.service.attendee_emails);
    this.element = seats > 1 ? this.#details(seats) : null;
  }

  /** @param {number} seats */
  #details(seats) {
    const { attendees, addresses = [] } = this.#typed;
    const words = this.#words;
    return element(
      "details",
      { class: "attendees", open: attendees.some(Boolean) || addresses.some(Boolean) },
      element("summary", {}, words.say("form.attendees")),
      element("p", { class: "hint" }, words.say("form.attendees_hint"), this.#hasAddresses && ` ${words.say("form.attendee_email_hint")}`),
      Array.from({ length: seats }, (_, index) => [this.#name(index), this.#hasAddresses && this.#address(index)]).flat(),
    );
  }

  /** @param {number} index */
  #name(index) {
    const { attendees } = this.#typed;
    const rest = { id: `attendee-${index}`, type: "text", maxlength: NAME_LENGTH_MAX };
    return this.#field(this.#names, attendees, index, { label: "form.attendee", ...rest });
  }

  /**
   * Of whoever sits there: they get mails of their own.
   * @param {number} index
   */
  #address(index) {
    const addresses = (this.#typed.addresses ??= []);
    const rest = { id: `attendee-email-${index}`, type: "email", maxlength: EMAIL_LENGTH_MAX };
    return this.#field(this.#addresses, addresses, index, { label: "form.attendee_email", ...rest });
  }

  /**
   * @param {import("./fields.js").Field[]} fields  that it becomes one of
   * @param {string[]} typed
   * @param {number} index
   * @param {{label: string, id: string, type: string, maxlength: number}} wanted
   */
  #field(fields, typed, index, { label, id, ...rest }) {
    const problem = element("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
    const input = element("input", {
      id,
      autocomplete: "off",
      value: typed[index] ?? "",
      "aria-describedby": `${id}-problem`,
      ...rest,
      oninput: () => {
        typed[index] = input.value;
        mark({ input, problem });
      },
    });
    fields.push({ input, problem });
    const said = this.#words.say(label, { count: index + 1 });
    return element("div", { class: "field" }, element("label", { for: id }, said), input, problem);
  }

  /** Marks what is no address; the first such field, or undefined. */
  wrong() {
    const wrong = this.#addresses.filter(({ input }) => input.value.trim() && !EMAIL.test(input.value.trim()));
    for (const field of [...this.#names, ...this.#addresses]) mark(field);
    return this.#mark([], wrong);
  }

  /**
   * Marks what the server does not take; the first such field, or undefined.
   * @param {string[]} refused  as the server calls them: whose, of which time, of which seat
   */
  refuse(refused) {
    const of = (/** @type {string} */ what) => (/** @type {unknown} */ _, /** @type {number} */ index) =>
      refused.some((field) => field.startsWith(`${what}.`) && field.endsWith(`.${index}`));
    return this.#mark(this.#names.filter(of("attendees")), this.#addresses.filter(of("attendee_emails")));
  }

  /**
   * @param {import("./fields.js").Field[]} names
   * @param {import("./fields.js").Field[]} addresses
   */
  #mark(names, addresses) {
    for (const field of names) mark(field, this.#words.say("form.name_wrong"));
    for (const field of addresses) mark(field, this.#words.say("form.attendee_email_wrong"));
    const first = names[0] ?? addresses[0];
    first?.input.closest("details")?.setAttribute("open", "");
    return first?.input;
  }
}
