// @ts-check
/** The only place that asks who comes, where several do: names, and addresses if the service wants them. */

import { element } from "./elements.js";
import { EMAIL, EMAIL_LENGTH_MAX, mark, NAME_LENGTH_MAX } from "./fields.js";

export class Attendees {
  #words;
  #typed;
  #hasAddresses;
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
    const id = `attendee-${index}`;
    return element(
      "div",
      { class: "field" },
      element("label", { for: id }, this.#words.say("form.attendee", { count: index + 1 })),
      element("input", {
        id,
        type: "text",
        autocomplete: "off",
        maxlength: NAME_LENGTH_MAX,
        value: this.#typed.attendees[index] ?? "",
        oninput: (/** @type {Event} */ event) => {
          this.#typed.attendees[index] = /** @type {HTMLInputElement} */ (event.target).value;
        },
      }),
    );
  }

  /**
   * Of whoever sits there: they get mails of their own.
   * @param {number} index
   */
  #address(index) {
    const id = `attendee-email-${index}`;
    const addresses = (this.#typed.addresses ??= []);
    const problem = element("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
    const input = element("input", {
      id,
      type: "email",
      autocomplete: "off",
      maxlength: EMAIL_LENGTH_MAX,
      value: addresses[index] ?? "",
      "aria-describedby": `${id}-problem`,
      oninput: () => {
        addresses[index] = input.value;
        mark({ input, problem });
      },
    });
    this.#addresses.push({ input, problem });
    const label = this.#words.say("form.attendee_email", { count: index + 1 });
    return element("div", { class: "field" }, element("label", { for: id }, label), input, problem);
  }

  /** Marks what is no address; the first such field, or undefined. */
  wrong() {
    const wrong = this.#addresses.filter(({ input }) => input.value.trim() && !EMAIL.test(input.value.trim()));
    const sentence = this.#words.say("form.attendee_email_wrong");
    for (const field of this.#addresses) mark(field, wrong.includes(field) ? sentence : "");
    if (wrong.length > 0) wrong[0].input.closest("details")?.setAttribute("open", "");
    return wrong[0]?.input;
  }
}
