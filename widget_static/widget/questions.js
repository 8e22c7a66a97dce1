// @ts-check
/** The only place for what a service asks whoever books: its fields, what is wrong with them, and the answers. */

import { element } from "./elements.js";

const ANSWER_LENGTH_MAX = 200;
const LONG_ANSWER_LENGTH_MAX = 2_000;

/**
 * @typedef {import("./api.js").Question} Question
 * @typedef {Record<string, string | boolean>} Answers  by the question's id; outlives this view
 * @typedef {{element: HTMLElement, focus: () => void, mark: (sentence: string | null) => void}} Field
 */

/**
 * As they are sent: those that were given to what is asked.
 * @param {Question[]} questions
 * @param {Answers} typed
 * @returns {Answers}
 */
export function answersTo(questions, typed) {
  const given = questions
    .map(({ id }) => [id, typeof typed[id] === "string" ? typed[id].trim() : typed[id]])
    .filter(([, answer]) => answer !== undefined && answer !== "");
  return Object.fromEntries(given);
}

export class Questions {
  #words;
  #questions;
  #typed;
  /** @type {Map<string, Field>} */ #fields = new Map();

  /**
   * @param {import("./words.js").Words} words
   * @param {Question[]} questions
   * @param {Answers} typed
   */
  constructor(words, questions, typed) {
    this.#words = words;
    this.#questions = questions;
    this.#typed = typed;
    for (const question of questions) this.#fields.set(question.id, this.#field(question));
    this.elements = [...this.#fields.values()].map((field) => field.element);
  }

  /** Marks what is missing; the first field that is, or undefined. */
  missing() {
    const without = this.#questions.filter(({ id, required }) => required && !isGiven(this.#typed[id]));
    for (const { id } of this.#questions)
      this.#fields.get(id)?.mark(without.some((one) => one.id === id) ? this.#words.say("question.missing") : null);
    return without.length > 0 ? this.#fields.get(without[0].id) : undefined;
  }

  /**
   * What the server does not take. Whether that is asked here at all: the service may ask something else by now.
   * @param {string} id
   */
  refuse(id) {
    const field = this.#fields.get(id);
    field?.mark(this.#words.say(isGiven(this.#typed[id]) ? "question.wrong" : "question.missing"));
    field?.focus();
    return field !== undefined;
  }

  /**
   * @param {Question} question
   * @returns {Field}
   */
  #field(question) {
    const id = `question-${question.id}`;
    const problem = element("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
    const label = question.required ? question.text : this.#words.say("question.optional", { question: question.text });
    const about = { "aria-describedby": `${id}-problem`, "aria-required": String(question.required) };
    const { kind } = question;
    const inputs = kind === "yes_no" ? this.#yesNo(question, id) : [kind === "choice" ? this.#choice(question, id, about) : this.#text(question, id, about)];
    const mark = (/** @type {string | null} */ sentence) => {
      for (const input of inputs) input.setAttribute("aria-invalid", String(sentence !== null));
      problem.hidden = sentence === null;
      problem.textContent = sentence ?? "";
    };
    for (const input of inputs) input.addEventListener("input", () => mark(null));
    const shown = kind === "yes_no" ? this.#group(label, inputs, problem) : element("div", { class: "field" }, element("label", { for: id }, label), inputs, problem);
    return { element: shown, focus: () => inputs[0].focus(), mark };
  }

  /**
   * @param {Question} question
   * @param {string} id
   * @param {Record<string, string>} about
   */
  #text({ id: key, kind }, id, about) {
    const isLong = kind === "long_text";
    const maxlength = isLong ? LONG_ANSWER_LENGTH_MAX : ANSWER_LENGTH_MAX;
    const keep = (/** @type {Event} */ event) => {
      this.#typed[key] = /** @type {HTMLInputElement} */ (event.target).value;
    };
    const input = isLong
      ? element("textarea", { id, rows: 3, maxlength, oninput: keep, ...about })
      : element("input", { id, type: "text", autocomplete: "off", maxlength, oninput: keep, ...about });
    input.value = String(this.#typed[key] ?? "");
    return input;
  }

  /**
   * @param {Question} question
   * @param {string} id
   * @param {Record<string, string>} about
   */
  #choice({ id: key, choices }, id, about) {
    const options = choices.map((choice) => element("option", { value: choice, selected: this.#typed[key] === choice }, choice));
    const none = element("option", { value: "" }, this.#words.say("question.choose"));
    const keep = (/** @type {Event} */ event) => {
      this.#typed[key] = /** @type {HTMLSelectElement} */ (event.target).value;
    };
    return element("select", { id, oninput: keep, ...about }, none, options);
  }

  /**
   * @param {Question} question
   * @param {string} id
   */
  #yesNo({ id: key }, id) {
    return [true, false].map((answer) =>
      element("input", {
        id: `${id}-${answer}`,
        type: "radio",
        name: id,
        checked: this.#typed[key] === answer,
        "aria-describedby": `${id}-problem`,
        oninput: () => {
          this.#typed[key] = answer;
        },
      }),
    );
  }

  /**
   * @param {string} label
   * @param {HTMLElement[]} inputs
   * @param {HTMLElement} problem
   */
  #group(label, inputs, problem) {
    const said = ["question.yes", "question.no"].map((key) => this.#words.say(key));
    const ticks = inputs.map((input, place) => element("label", { class: "tick" }, input, said[place]));
    return element("fieldset", { class: "field yes-no" }, element("legend", {}, label), element("div", { class: "row" }, ticks), problem);
  }
}

/** @param {string | boolean | undefined} answer */
function isGiven(answer) {
  return typeof answer === "boolean" || Boolean(answer?.trim());
}
