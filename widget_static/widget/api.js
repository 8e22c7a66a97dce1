// @ts-check
/** The only place that speaks HTTP with the server, and that knows the shapes of its answers. */

const TIMEOUT_MS = 15_000;

/**
 * @typedef {{amount: number, currency: string}} Money  minor units
 * @typedef {{id: string, text: string, kind: "text" | "long_text" | "choice" | "yes_no", required: boolean,
 *   choices: string[]}} Question
 * @typedef {{key: string, name: string, zone: string, currency: string, locale: string, accent: string, theme: string,
 *   holds_on: boolean, hold_minutes: number, payments: boolean, coupons: boolean, mails: boolean,
 *   test: boolean}} Site
 * @typedef {{id: string, name: string, kind: string, place: string, description: string, length_minutes: number,
 *   capacity: number, seats_per_booking_max: number, price: Money, notice_minutes: number, horizon_days: number,
 *   cancel_until_minutes: number, attendees_shown: string, attendee_emails: boolean,
 *   questions: Question[]}} Service
 * @typedef {{id: string, starts_at: string, ends_at: string, capacity: number, held: number, booked: number,
 *   left: number, state: "open" | "held" | "full" | "closed", version: number, frees_at: string | null}} Slot
 * @typedef {{service: string, zone: string, from: string, to: string, notice_minutes: number, epoch: number,
 *   schedule_version: number, feed_id: string, slots: Slot[], why_not: Record<string, string>}} AvailabilityAnswer
 * @typedef {{next: {day: string, slot: string, starts_at: string} | null}} NextAnswer
 * @typedef {{slot: string, seats: number}} Line
 * @typedef {{coupon: string, full: Money, discount: Money, total: Money}} QuoteAnswer
 * @typedef {{hold: {id: string, state: string, lines: Line[], expires_at: string, limit_at: string, version: number},
 *   server_now: string}} HoldAnswer
 * @typedef {{slot: string, service: string, service_name: string, starts_at: string, ends_at: string, seats: number,
 *   state: string, place: string, access: string, attendees?: string[], served_by?: string[], move_until: string,
 *   answers: {question: string, answer: string | boolean}[],
 *   move_request: {message: string, alternatives: {slot: string, starts_at: string, ends_at: string}[]} | null,
 *   cancellation: {message: string} | null, refund_if_cancelled: Money | null, move_difference: Money}} Booking
 * @typedef {{state: "opening" | "open" | "offering" | "capturing" | "paid" | "returning" | "ended", pay_url: string | null,
 *   pay_until: string, paid: Money, refunding: Money, refunded: Money, refund_refused?: Money,
 *   refund_if_cancelled: Money, offered?: Offered[], offered_until?: string | null, delayed?: boolean,
 *   too_late?: boolean, move?: MovePayment | null}} Payment
 * @typedef {{state: string, amount: Money, times: {slot: string, starts_at: string, ends_at: string, leaves: string}[],
 *   pay_url: string | null, pay_until: string}} MovePayment
 * @typedef {{id: string, times: {slot: string, service_name: string, starts_at: string, ends_at: string, seats: number}[]}} Offered
 * @typedef {{id: string, number: string, state: string, total: Money, coupon: {code: string, discount: Money} | null, payment: Payment | null, customer: {name: string, email: string},
 *   bookings: Booking[], created_at: string, cancel_until: string | null, test: boolean,
 *   erased_at: string | null}} Order
 * @typedef {{order: Order, order_secret?: string, order_url?: string, server_now: string}} OrderAnswer
 * @typedef {OrderAnswer & {order_secret: string, order_url: string}} CheckoutAnswer
 * @typedef {{name: string, email: string, zone: string, locale: string}} Customer
 * @typedef {{customer: Customer, attendees?: string[][], attendee_emails?: string[][], answers?: Record<string, string | boolean>[], lines?: Line[],
 *   visitor?: string, coupon?: string}} Confirmation
 * @typedef {{order: string, number: string, order_url: string, slot: string, service_name: string, starts_at: string,
 *   ends_at: string, seats: number, state: string, place: string, asked_to_move: boolean, test: boolean}} MyBooking
 * @typedef {{bookings: MyBooking[], next: string | null, expires_at: string, server_now: string}} MyBookingsAnswer
 * @typedef {{id: string, secret: string}} Claim  what a hold or an order is reached with
 */

/** The server said no. `code` is one of the public codes; `details` stand beside it in the answer. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, message?: string, [detail: string]: any}} body
   * @param {number | null} retryAfterMs
   */
  constructor(status, body, retryAfterMs) {
    super(body.message ?? `status ${status}`);
    this.status = status;
    this.code = body.code ?? (status >= 500 ? "unavailable" : "unknown");
    this.details = body;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Nobody answered: offline, or too slow. What was asked may have happened or not. */
export class Unreachable extends Error {}

export class Api {
  base;
  #clock;

  /**
   * @param {string} siteKey
   * @param {import("./clock.js").ServerClock} clock  learns from every answer that tells the server's time
   */
  constructor(siteKey, clock) {
    this.base = `/v1/sites/${encodeURIComponent(siteKey)}`;
    this.#clock = clock;
  }

  get feedUrl() {
    return `${this.base}/feed`;
  }

  /** @returns {Promise<{site: Site, services: Service[]}>} */
  services() {
    return this.ask("GET", "/services");
  }

  /**
   * @param {string} service
   * @param {{from: string, to: string}} range  days of the site's zone, both included
   * @returns {Promise<AvailabilityAnswer>}
   */
  availability(service, { from, to }) {
    return this.ask("GET", `/services/${encodeURIComponent(service)}/availability?from=${from}&to=${to}`);
  }

  /**
   * @param {string} service
   * @param {string} from  day of the site's zone
   * @returns {Promise<NextAnswer>}
   */
  next(service, from) {
    return this.ask("GET", `/services/${encodeURIComponent(service)}/next?from=${from}`);
  }

  /**
   * What it costs with a code.
   * @param {string} coupon
   * @param {Line[]} lines
   * @returns {Promise<QuoteAnswer>}
   */
  quote(coupon, lines) {
    return this.ask("POST", "/quotes", { body: { coupon, lines } });
  }

  /**
   * @param {Claim} claim
   * @param {{visitor: string, lines: Line[]}} wanted
   * @returns {Promise<HoldAnswer>}
   */
  hold({ id, secret }, { visitor, lines }) {
    return this.ask("POST", "/holds", { secret, body: { id, visitor, lines } });
  }

  /**
   * @param {Claim} claim
   * @returns {Promise<HoldAnswer>}
   */
  findHold({ id, secret }) {
    return this.ask("GET", `/holds/${id}`, { secret });
  }

  /**
   * @param {Claim} claim
   * @param {number} version
   * @returns {Promise<HoldAnswer>}
   */
  renew({ id, secret }, version) {
    return this.ask("PATCH", `/holds/${id}`, { secret, body: { version, renew: true } });
  }

  /**
   * Other lines in place of its own, all or none.
   * @param {Claim} claim
   * @param {number} version
   * @param {Line[]} lines
   * @returns {Promise<HoldAnswer>}
   */
  change({ id, secret }, version, lines) {
    return this.ask("PATCH", `/holds/${id}`, { secret, body: { version, lines } });
  }

  /** @param {Claim} claim */
  release({ id, secret }) {
    return this.ask("DELETE", `/holds/${id}`, { secret });
  }

  /**
   * @param {Claim} claim
   * @param {Confirmation} confirmation
   * @returns {Promise<OrderAnswer>}
   */
  confirm({ id, secret }, confirmation) {
    return this.ask("POST", `/holds/${id}/confirmation`, { secret, body: confirmation });
  }

  /**
   * POST begins to pay for a hold, GET tells how that stands; both answer with a CheckoutAnswer. DELETE pays no more for
   * it, and answers with the hold.
   * @param {"POST" | "GET" | "DELETE"} method
   * @param {Claim} claim
   * @param {Confirmation} [body]
   */
  checkout(method, { id, secret }, body) {
    return this.ask(method, `/holds/${id}/checkout`, { secret, body });
  }

  /**
   * The order, after its server has asked whether it is paid.
   * @param {Claim} claim
   * @returns {Promise<OrderAnswer>}
   */
  askPayment({ id, secret }) {
    return this.ask("POST", `/orders/${id}/payment`, { secret });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{secret?: string, body?: object}} [contents]
   * @returns {Promise<any>}
   */
  async ask(method, path, { secret, body } = {}) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (secret) headers.Authorization = `Bearer ${secret}`;
    if (body) headers["Content-Type"] = "application/json";
    const askedAt = this.#clock.ticks();
    const { response, answer } = await reach(this.base + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "omit",
    });
    if (!response.ok) throw new Refused(response.status, answer?.error ?? {}, retryAfterMs(response));
    if (answer === null && response.status !== 204) throw new Unreachable("an answer that is not ours");
    if (answer?.server_now) this.#clock.learn(answer.server_now, askedAt);
    return answer;
  }
}

/**
 * @param {string} url
 * @param {RequestInit} request
 */
export async function reach(url, request) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(url, { ...request, signal: limit.signal });
    const text = await response.text();
    return { response, text, answer: text ? parsed(text) : null };
  } catch (problem) {
    throw new Unreachable(String(problem));
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} text  a proxy's error page is no JSON, and no reason to fail in another way */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {Response} response */
export function retryAfterMs(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : null;
}

/** 128 random bits in base64url: ids and secrets of holds, ids of visitors. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
