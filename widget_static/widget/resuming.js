// @ts-check
/** The only place that finds out what of an earlier page goes on: what is held, and what is being paid or was. */

/**
 * @typedef {import("./api.js").CheckoutAnswer} CheckoutAnswer
 * @typedef {import("./api.js").Service} Service
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {import("./choices.js").Choice} Choice
 */

/**
 * Null: it cannot go on. `answer` is the server's to its checkout; null while it is only held. Raises Refused where it
 * was never paid for, Unreachable.
 * @param {{api: import("./api.js").Api, services: Service[],
 *   slotOf: (id: string, service: Service) => Promise<Slot | undefined>}} parts
 * @param {import("./api.js").Claim} claim
 * @param {{state: string, lines: import("./api.js").Line[]}} hold
 * @returns {Promise<{choice: Choice, answer: CheckoutAnswer | null} | null>}
 */
export async function resumed({ api, services, slotOf }, claim, { state, lines: [line] }) {
  const service = services.find(({ id }) => id === line.slot.split(".")[0]);
  const offered = async () => (service ? await slotOf(line.slot, service) : undefined);
  if (state === "held") {
    const slot = await offered();
    return service && slot ? { choice: { slot, seats: line.seats, service }, answer: null } : null;
  }
  // Whatever is offered by now: what is being paid was sold as its order says.
  const answer = await api.checkout("GET", claim);
  const slot = (await offered()) ?? slotSold(line.slot, answer);
  return { choice: { slot, seats: line.seats, service: service ?? serviceSold(line.slot, answer) }, answer };
}

/**
 * @param {string} id
 * @param {CheckoutAnswer} answer
 */
function soldAt(id, { order: { bookings } }) {
  return bookings.find(({ slot }) => slot === id) ?? bookings[0];
}

/**
 * As much of it as is told to whoever pays for it.
 * @param {string} id
 * @param {CheckoutAnswer} answer
 */
function slotSold(id, answer) {
  const { starts_at, ends_at } = soldAt(id, answer);
  return /** @type {Slot} */ ({ id, startsMs: Date.parse(starts_at), endsMs: Date.parse(ends_at) });
}

/**
 * Likewise.
 * @param {string} id
 * @param {CheckoutAnswer} answer
 */
function serviceSold(id, answer) {
  const { service, service_name: name, place } = soldAt(id, answer);
  return /** @type {Service} */ ({ id: service, name, place, price: answer.order.total });
}
