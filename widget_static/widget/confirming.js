// @ts-check
/** The only place that turns what is held into a booking, or begins to pay for it. Whatever is sent may be sent again. */

import { isUnknown } from "./hold.js";
import { patiently } from "./patience.js";

/**
 * @typedef {import("./api.js").Claim} Claim
 * @typedef {import("./api.js").Confirmation} Confirmation
 * @typedef {{api: import("./api.js").Api, keeper: import("./hold.js").HoldKeeper}} Parts
 */

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
