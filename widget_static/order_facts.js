// @ts-check
/** The only place for what the order page lists of an order and its bookings, each under its name. */

import { element } from "./widget/elements.js";

/** @typedef {import("./widget/api.js").Order} Order */
/** @typedef {import("./widget/api.js").Booking} Booking */
/** @typedef {import("./widget/words.js").Words} Words */

/**
 * @param {string} name
 * @param {string} value
 */
export function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

/**
 * What its customer has answered.
 * @param {Booking} booking
 * @param {Words} words
 */
export function answersOf({ answers }, words) {
  if (answers.length === 0) return null;
  const said = (/** @type {string | boolean} */ answer) =>
    typeof answer === "string" ? answer : words.say(answer ? "question.yes" : "question.no");
  return element("dl", { class: "answers" }, answers.flatMap(({ question, answer }) => fact(question, said(answer))));
}

/**
 * All who come at that time, as far as its service shows them; not to whoever comes alone.
 * @param {Booking} booking
 * @param {Order} order
 * @param {Words} words
 */
export function comingOf({ attendees = [], seats }, { customer }, words) {
  const own = [customer.email, customer.name.trim().split(/\s/)[0]];
  const isAlone = seats === 1 && attendees.length === 1 && own.includes(attendees[0]);
  if (attendees.length === 0 || isAlone) return null;
  return element("dl", { class: "coming" }, fact(words.say("order.attendees"), words.joined(...attendees)));
}

/**
 * Without who else comes, and what else is free: what has become of the order itself.
 * @param {Order | null} order
 */
export function withoutOthers(order) {
  return order?.bookings.map(({ attendees: _, move_request: asked, ...own }) => [own, asked?.message]);
}
