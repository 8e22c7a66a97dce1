// @ts-check
/** The only place that waits for a payment: it asks what became of it, soon after news and ever more slowly without. */

import { Refused } from "./api.js";
import { jittered } from "./patience.js";

const WAIT_MS = 1_500;
const WAIT_MAX_MS = 15_000;
const SLOWER = 1.4;

/** @typedef {import("./api.js").Order} Order */

/**
 * What an order means to whoever pays it. Waiting: nothing is decided. Confirming: the money is there, and the seats are
 * just being booked. Choosing: it was paid, the seats were gone, and others are held to choose from. Returned: it was
 * paid, nothing is booked, and the money goes back; as long as nobody knows whether it was paid at all, that is waited
 * for. Over: nothing was taken.
 * @param {Order} order
 * @returns {"waiting" | "confirming" | "choosing" | "booked" | "returned" | "over"}
 */
export function stepOf(order) {
  if (order.state === "voided") return order.payment?.paid.amount ? "returned" : "waiting";
  if (order.payment?.state === "offering") return order.payment.offered?.length ? "choosing" : "confirming";
  if (order.state === "open") return "waiting";
  if (order.state === "authorised") return "confirming";
  return order.state === "expired" ? "over" : "booked";
}

/**
 * Money may go back for other reasons than that the seats were gone.
 * @param {Order} order
 */
export function whyReturned({ payment }) {
  return payment?.too_late ? "returned" : "not_completed";
}

/** @template Answer */
export class PaymentWatch {
  #ask;
  #listeners;
  #waitMs = WAIT_MS;
  #isAsking = false;
  #isStopped = false;
  /** Whoever asks meanwhile is asked for again, at Stripe if one of them wanted that. @type {{atStripe: boolean} | null} */
  #wanted = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #next;
  #onSight = () => document.hidden || void this.look(true);

  /**
   * @param {(atStripe: boolean) => Promise<Answer>} ask  at Stripe: the server shall ask there first, as whoever pays
   *   may just have come back
   * @param {{onAnswer: (answer: Answer) => boolean, onProblem: (problem: unknown) => void}} listeners  the first says
   *   whether it is decided
   */
  constructor(ask, listeners) {
    this.#ask = ask;
    this.#listeners = listeners;
  }

  /**
   * Also anew, after it was decided.
   * @param {boolean} atStripe  whether to ask there now, or only look in a while
   */
  start(atStripe) {
    this.#isStopped = false;
    document.addEventListener("visibilitychange", this.#onSight);
    addEventListener("online", this.#onSight);
    addEventListener("pageshow", this.#onSight);
    if (atStripe) void this.look(true);
    else this.#lookLater();
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#next);
    document.removeEventListener("visibilitychange", this.#onSight);
    removeEventListener("online", this.#onSight);
    removeEventListener("pageshow", this.#onSight);
  }

  /** @param {boolean} [atStripe] */
  async look(atStripe = false) {
    if (this.#isStopped) return;
    this.#waitMs = WAIT_MS;
    if (this.#isAsking) this.#wanted = { atStripe: atStripe || (this.#wanted?.atStripe ?? false) };
    else await this.#look(atStripe);
  }

  /** @param {boolean} atStripe */
  async #look(atStripe) {
    clearTimeout(this.#next);
    this.#isAsking = true;
    try {
      const answer = await this.#ask(atStripe);
      if (!this.#isStopped && this.#listeners.onAnswer(answer)) this.stop();
    } catch (problem) {
      if (!this.#isStopped) this.#listeners.onProblem(problem);
      if (problem instanceof Refused && problem.retryAfterMs) this.#waitMs = Math.max(this.#waitMs, problem.retryAfterMs);
    } finally {
      this.#isAsking = false;
    }
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted && !this.#isStopped) await this.#look(wanted.atStripe);
    else this.#lookLater();
  }

  #lookLater() {
    clearTimeout(this.#next);
    if (this.#isStopped) return;
    this.#next = setTimeout(() => void this.#look(false), jittered(this.#waitMs));
    this.#waitMs = Math.min(this.#waitMs * SLOWER, WAIT_MAX_MS);
  }
}
