// @ts-check
/** The only place that knows what was chosen as it is counted and sent: its lines, their price, and what books them. */

import { answersTo } from "./questions.js";

/**
 * @typedef {import("./api.js").Service} Service
 * @typedef {{slot: import("./availability.js").Slot, seats: number, service: Service}} Choice
 * @typedef {import("./summary.js").Typed} Typed
 */

/** So many times are asked for at once; the server takes 20, which nobody wants to look through on a phone. */
export const TIMES_MAX = 5;

/**
 * What a service costs, asks for of others, and shows to them: where that changes, the form does.
 * @param {Service} service
 */
export function asks({ price, attendees_shown, attendee_emails }) {
  return JSON.stringify([price, attendees_shown, attendee_emails]);
}

/** @param {Choice[]} choices */
export function inOrder(choices) {
  return [...choices].sort((one, other) => one.slot.startsMs - other.slot.startsMs);
}

/** @param {Choice[]} choices */
export function linesOf(choices) {
  return choices.map(({ slot, seats }) => ({ slot: slot.id, seats }));
}

/** @param {Choice[]} choices */
export function seatsOf(choices) {
  return choices.reduce((sum, { seats }) => sum + seats, 0);
}

/**
 * Each once, in the order of the times.
 * @param {Choice[]} choices
 */
export function servicesOf(choices) {
  return [...new Map(choices.map(({ service }) => [service.id, service])).values()];
}

/**
 * Of all seats of one time.
 * @param {Choice} choice
 * @returns {import("./api.js").Money}
 */
export function priceOfOne({ seats, service: { price } }) {
  return { ...price, amount: price.amount * seats };
}

/** @param {Choice[]} choices */
function fullPriceOf(choices) {
  const prices = choices.map(priceOfOne);
  return { ...prices[0], amount: prices.reduce((sum, { amount }) => sum + amount, 0) };
}

/**
 * What is to be paid for all of it: with the code that was typed, as far as it counts for this.
 * @param {Choice[]} choices
 * @param {Pick<Typed, "coupon">} typed
 */
export function priceOf(choices, { coupon }) {
  const quote = coupon?.quote;
  return quote && countsFor(quote, choices) ? quote.total : fullPriceOf(choices);
}

/**
 * What a quote is about. Another service may cost the same, and be none that the code is for.
 * @param {Choice[]} choices
 */
export function subjectOf(choices) {
  return JSON.stringify(choices.map((choice) => [choice.service.id, priceOfOne(choice).amount]));
}

/**
 * @param {import("./coupon.js").Quote} quote
 * @param {Choice[]} choices
 */
export function countsFor(quote, choices) {
  return quote.subject === subjectOf(choices) && quote.full.amount === fullPriceOf(choices).amount;
}

/**
 * What is sent to book it: what was chosen and typed. Who comes, and what was answered, counts for each time.
 * @param {Choice[]} choices
 * @param {Typed} typed
 * @param {{zone: string, locale: string}} at
 */
export function wantedOf(choices, { name, email, attendees, addresses = [], answers = {}, coupon }, at) {
  // Who comes alone is the customer, whatever was typed for more before.
  const asked = (/** @type {string[]} */ typed, /** @type {number} */ seats) =>
    Array.from(typed.slice(0, seats > 1 ? seats : 0), (text) => (text ?? "").trim());
  const named = choices.map(({ seats }) => asked(attendees, seats));
  const addressed = choices.map(({ seats, service }) => (service.attendee_emails ? asked(addresses, seats) : []));
  const answered = choices.map(({ service }) => answersTo(service.questions, answers));
  return {
    lines: linesOf(choices),
    customer: { name: name.trim(), email: email.trim(), ...at },
    ...(named.flat().some(Boolean) ? { attendees: named } : {}),
    ...(addressed.flat().some(Boolean) ? { attendee_emails: addressed } : {}),
    ...(answered.some((each) => Object.keys(each).length > 0) ? { answers: answered } : {}),
    ...(coupon?.quote ? { coupon: coupon.quote.coupon } : {}),
  };
}
