// @ts-check
/**
 * The only place for the links that customers come with. What stands behind the `#` is taken out of the address at once,
 * so that nobody copies or photographs it with that; this entry of the tab's history keeps it, so that a reload finds it.
 */

import { patiently } from "./widget/patience.js";

const KEY = "tenuto_link";
/** What the pay page sends a customer back with: no secret, but a code that is exchanged for one, for a while. */
const RETURN = "return=";

/** What stood behind the `#` when this page was opened, or the address was changed; empty where there was nothing. */
export function takeSecret() {
  const url = new URL(location.href);
  const found = url.hash.slice(1);
  if (found) keep(found);
  return found || String(history.state?.[KEY] ?? "");
}

/** @param {string} secret */
function keep(secret) {
  history.replaceState({ ...history.state, [KEY]: secret }, "", withSecret(location.href, ""));
}

/**
 * Of whoever comes from the pay page, the code is exchanged. Raises Refused where it counts no more, Unreachable.
 * @param {import("./orders_api.js").OrdersApi} api
 * @param {import("./widget/api.js").Claim} claim  gets the secret
 */
export async function exchange(api, claim) {
  if (!claim.secret.startsWith(RETURN)) return;
  const { order_secret: secret } = await patiently(() => api.comeBack(claim.id, claim.secret.slice(RETURN.length)));
  claim.secret = secret;
  keep(secret);
}

/** @param {string} secret  as it was taken */
export function isFromPayPage(secret) {
  return secret.startsWith(RETURN);
}

/**
 * An address to be opened or given away.
 * @param {string} address
 * @param {string} secret
 */
export function withSecret(address, secret) {
  const url = new URL(address);
  url.hash = secret;
  return url.href;
}

/**
 * The order page, of whose receipt this is the address.
 * @param {string} address
 */
export function orderPageOf(address) {
  const url = new URL(address);
  url.pathname = url.pathname.replace(/\/receipt\/?$/, "");
  return url.href;
}
