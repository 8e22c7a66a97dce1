// @ts-check
/** The only place for the calls that are about orders: their own pages make them, and the widget does without. */

import { Api } from "./widget/api.js";

/**
 * @typedef {import("./widget/api.js").Money} Money
 * @typedef {{number: string, receipt_number: string, ordered_at: string, seller: {name: string, about: string},
 *   customer: {name: string, email: string},
 *   lines: {service_name: string, starts_at: string, ends_at: string, seats: number, unit_price: Money, price: Money,
 *     state: string}[],
 *   coupon: {code: string, discount: Money} | null, total: Money, tax: string, paid: Money, paid_by: string | null,
 *   payments: {amount: Money, at: string, paid_by: string | null}[],
 *   refunds: {amount: Money, at: string, state: "waiting" | "done"}[], disputed: Money, test: boolean}} Receipt
 */

export class OrdersApi extends Api {
  /**
   * @param {import("./widget/api.js").Claim} claim
   * @returns {Promise<import("./widget/api.js").OrderAnswer>}
   */
  order({ id, secret }) {
    return this.ask("GET", `/orders/${id}`, { secret });
  }

  /**
   * @param {string} id
   * @param {string} code  that the pay page sends a customer back with
   * @returns {Promise<import("./widget/api.js").CheckoutAnswer>}
   */
  comeBack(id, code) {
    return this.ask("POST", `/orders/${id}/return`, { secret: code });
  }

  /**
   * @param {import("./widget/api.js").Claim} claim
   * @param {string} [slot]  where the only booking is that is to be cancelled; without it, all are
   * @returns {Promise<import("./widget/api.js").OrderAnswer>}
   */
  cancelOrder({ id, secret }, slot) {
    return this.ask("POST", `/orders/${id}/cancellation`, { secret, body: slot ? { slot } : undefined });
  }

  /**
   * @param {import("./widget/api.js").Claim} claim
   * @param {string | null} alternative  of what is held for whoever has paid too late; null: none of them
   * @returns {Promise<import("./widget/api.js").OrderAnswer>}
   */
  choose({ id, secret }, alternative) {
    return this.ask("POST", `/orders/${id}/choice`, { secret, body: { alternative } });
  }

  /**
   * @param {import("./widget/api.js").Claim} claim
   * @param {{id: string, lines: import("./widget/api.js").Line[], difference?: Money}} wanted  the same id again is the same
   *   call; the difference is what its customer has agreed to settle
   * @returns {Promise<import("./widget/api.js").OrderAnswer>}
   */
  reschedule({ id, secret }, wanted) {
    return this.ask("POST", `/orders/${id}/reschedule`, { secret, body: wanted });
  }

  /**
   * Of a move that is to be paid.
   * @param {import("./widget/api.js").Claim} claim
   * @returns {Promise<import("./widget/api.js").OrderAnswer>}
   */
  giveUpMove({ id, secret }) {
    return this.ask("DELETE", `/orders/${id}/reschedule`, { secret });
  }

  /**
   * @param {import("./widget/api.js").Claim} claim
   * @returns {Promise<{receipt: Receipt}>}
   */
  receipt({ id, secret }) {
    return this.ask("GET", `/orders/${id}/receipt`, { secret });
  }

  /** @param {string} email  to which a link goes, if there are bookings */
  askForLink(email) {
    return this.ask("POST", "/my-bookings/links", { body: { email } });
  }

  /**
   * @param {string} code  of such a link
   * @param {string | null} after  `next` of the page before
   * @returns {Promise<import("./widget/api.js").MyBookingsAnswer>}
   */
  myBookings(code, after) {
    const from = after ? `?after=${encodeURIComponent(after)}` : "";
    return this.ask("GET", `/my-bookings${from}`, { secret: code });
  }
}
