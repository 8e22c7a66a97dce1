// @ts-check
/** The only place that knows what may be typed of a person, and how what is wrong stands beneath its field. */

export const NAME_LENGTH_MAX = 120;
export const EMAIL_LENGTH_MAX = 254;
export const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** @typedef {{input: HTMLInputElement, problem: HTMLElement}} Field */

/**
 * @param {Field} field
 * @param {string} [sentence]  none: nothing is wrong
 */
export function mark({ input, problem }, sentence = "") {
  input.setAttribute("aria-invalid", String(sentence !== ""));
  problem.hidden = !sentence;
  problem.textContent = sentence;
}
