// @ts-check
/** The only place that knows what was chosen as it is counted and sent: its price, and what books it. */

import { answersTo } from "./questions.js";

/**
 * @typedef {import("./api.js").Service} Service
 * @typedef {{slot: import("./availability.js").Slot, seats: number, service: Service}} Choice
 * @typedef {import("./summary.js").Typed} Typed
 */

/**
 * What a service costs, asks for of others, and shows to them: where that changes, the form does.
 * @param {Service} service
 */
export function asks({ price, attendees_shown, attendee_emails }) {
  return JSON.stringify([price, attendees_shown, attendee_emails]);
}

/**
 * What is to be paid: with the code that was typed, as far as it counts for this choice.
 * @param {Choice} choice
 * @param {Pick<Typed, "coupon">} typed
 * @returns {import("./api.js").Money}
 */
export function priceOf(choice, { coupon }) {
  const { seats, service } = choice;
  const quote = coupon?.quote;
  return quote && countsFor(quote, choice) ? quote.total : { ...service.price, amount: service.price.amount * seats };
}

/**
 * Another service may cost the same, and be none that the code is for.
 * @param {import("./coupon.js").Quote} quote
 * @param {Choice} choice
 */
export function countsFor(quote, { seats, service }) {
  return quote.service === service.id && quote.full.amount === service.price.amount * seats;
}

/**
 * What is sent to book it: what was chosen and typed.
 * @param {Choice} choice
 * @param {Typed} typed
 * @param {{zone: string, locale: string}} at
 */
export function wantedOf({ slot, seats, service }, { name, email, attendees, addresses, answers, coupon }, at) {
  const asked = seats > 1 ? seats : 0; // who comes alone is the customer, whatever was typed for more before
  const named = attendees.slice(0, asked).map((attendee) => attendee.trim());
  const addressed = Array.from(service.attendee_emails ? (addresses ?? []).slice(0, asked) : [], (address) => (address ?? "").trim());
  return {
    lines: [{ slot: slot.id, seats }],
    customer: { name: name.trim(), email: email.trim(), ...at },
    ...(named.some(Boolean) ? { attendees: [Array.from(named, (attendee) => attendee ?? "")] } : {}),
    ...(addressed.some(Boolean) ? { attendee_emails: [addressed] } : {}),
    ...answersTo(service.questions, answers ?? {}),
    ...(coupon?.quote ? { coupon: coupon.quote.coupon } : {}),
  };
}
