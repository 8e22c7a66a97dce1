// @ts-check
/** The only place that turns what is held into a booking, or begins to pay for it. Whatever is sent may be sent again. */

import { priceOf, wantedOf } from "./choices.js";
import { fill } from "./elements.js";
import { isUnknown } from "./hold.js";
import { patiently } from "./patience.js";
import { openTab, Paying } from "./paying.js";

/**
 * @typedef {import("./api.js").Claim} Claim
 * @typedef {import("./api.js").Confirmation} Confirmation
 * @typedef {{api: import("./api.js").Api, keeper: import("./hold.js").HoldKeeper}} Parts
 * @typedef {object} Listeners
 * @property {() => void} onPaying  the step of paying is about to be shown
 * @property {(answer: import("./api.js").OrderAnswer) => void} onBooked
 * @property {(isOver: boolean) => void} onUnpaid  nothing was paid: the seats are still held, or it is too late
 * @property {() => void} onOther  another time
 * @property {(problem: unknown) => Promise<void>} onRefused
 */

export class Confirming {
  #at;
  #chosen;
  #on;

  /**
   * @param {import("./ordering.js").Surroundings} at
   * @param {import("./chosen.js").Chosen} chosen
   * @param {Listeners} on
   */
  constructor(at, chosen, on) {
    this.#at = at;
    this.#chosen = chosen;
    this.#on = on;
  }

  /** Not what a code has made free. */
  get isToPay() {
    return priceOf(this.#chosen.choices, this.#at.typed).amount > 0;
  }

  async confirm() {
    const { api, words, zone, typed, offer } = this.#at;
    const { choices, holding, keeper } = this.#chosen;
    const wanted = wantedOf(choices, typed, { zone: zone.current, locale: words.locale });
    const isHeld = offer.site.holds_on || keeper.current !== null;
    const isPriced = this.isToPay;
    const tab = isPriced ? openTab(words) : null;
    try {
      const answer = await holding.confirm(() => send({ api, keeper }, wanted, { isHeld, isPriced }));
      if (isPriced) this.awaitPayment(answer, tab);
      else this.#on.onBooked(answer);
    } catch (problem) {
      tab?.close();
      await this.#on.onRefused(problem);
    }
  }

  /** It is a booking, or being paid, and the answer that said so was lost: the same gets the same answer. */
  async confirmAgain() {
    if (this.#chosen.choices.length === 0) return;
    if (this.isToPay) this.awaitPayment();
    else await this.confirm();
  }

  /**
   * @param {any} [answer]  of the server to the checkout, where it has said already what there is to pay
   * @param {import("./paying.js").PayTab | null} [tab]  for the pay page, if this is its beginning
   * @param {Claim | null} [claim]
   */
  awaitPayment(answer = null, tab = undefined, claim = this.#chosen.keeper.current) {
    if (!claim) return;
    const { zone, page, offer } = this.#at;
    const { choices, holding, keeper } = this.#chosen;
    const { onBooked, onUnpaid, onOther } = this.#on;
    this.#on.onPaying();
    const at = { ...this.#at, keeper, zone: zone.current, site: offer.site };
    const paying = new Paying(at, choices, claim, { onBooked, onUnpaid, onOther });
    holding.paying = paying;
    fill(page.stage, paying.element);
    paying.begin(answer, tab);
  }
}

/**
 * A booking at once, or a checkout of what has a price.
 * @param {Parts} parts
 * @param {Confirmation} confirmation
 * @param {{isHeld: boolean, isPriced: boolean}} how  where nothing is held, the seats are taken in the same step
 * @returns {Promise<any>}
 */
export async function send({ api, keeper }, confirmation, { isHeld, isPriced }) {
  const claim = isHeld ? keeper.running() : keeper.claimFor(confirmation.lines ?? []);
  const wanted = { ...confirmation, visitor: keeper.visitor };
  try {
    return await (isPriced ? checkOut : confirm)({ api, keeper }, claim, wanted);
  } catch (problem) {
    if (!isUnknown(problem)) keeper.sent = null;
    if (!isUnknown(problem) && !isHeld) keeper.open = null;
    throw problem;
  }
}

/**
 * After an unknown outcome the same is sent again, whatever was typed since.
 * @param {Parts} parts
 * @param {Claim} claim
 * @param {Confirmation} wanted
 */
async function confirm({ api, keeper }, claim, wanted) {
  const body = keeper.sent?.id === claim.id ? keeper.sent.body : wanted;
  keeper.sent = { id: claim.id, body };
  const answer = await patiently(() => api.confirm(claim, body));
  keeper.open = keeper.sent = keeper.current = null;
  return answer;
}

/**
 * Until it is decided, the hold is being paid. The same again gets the same pay page, another wish ends it first.
 * @param {Parts} parts
 * @param {Claim} claim
 * @param {Confirmation} wanted
 */
async function checkOut({ api, keeper }, claim, wanted) {
  keeper.sent = { id: claim.id, body: wanted };
  const answer = await patiently(() => api.checkout("POST", claim, wanted));
  const until = answer.order.payment.pay_until;
  const lines = wanted.lines ?? [];
  keeper.open = null;
  keeper.goOn(claim, { hold: { state: "paying", lines, version: 0, expires_at: until, limit_at: until } });
  return answer;
}
