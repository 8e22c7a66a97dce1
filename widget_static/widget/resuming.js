// @ts-check
/** The only place that finds out what of an earlier page goes on: what is held, and what is being paid or was. */

/**
 * @typedef {import("./api.js").CheckoutAnswer} CheckoutAnswer
 * @typedef {import("./api.js").Line} Line
 * @typedef {import("./api.js").Service} Service
 * @typedef {import("./availability.js").Slot} Slot
 * @typedef {import("./choices.js").Choice} Choice
 * @typedef {{services: Service[], slotOf: (id: string, service: Service) => Promise<Slot | undefined>}} Offered
 */

/**
 * What of these lines is still offered.
 * @param {Offered} offered
 * @param {Line[]} lines
 * @returns {Promise<Choice[]>}
 */
export async function choicesOf({ services, slotOf }, lines) {
  const found = await Promise.all(
    lines.map(async ({ slot: id, seats }) => {
      const service = services.find((each) => each.id === id.split(".")[0]);
      const slot = service && (await slotOf(id, service));
      return service && slot ? [{ slot, seats, service }] : [];
    }),
  );
  return found.flat();
}

/**
 * `answer` is the server's to its checkout; null while it is only held: then there are only choices that are still
 * offered, perhaps none. Raises Refused where it was never paid for, Unreachable.
 * @param {Offered & {api: import("./api.js").Api}} parts
 * @param {import("./api.js").Claim} claim
 * @param {{state: string, lines: Line[]}} hold
 * @returns {Promise<{choices: Choice[], answer: CheckoutAnswer | null}>}
 */
export async function resumed(parts, claim, { state, lines }) {
  if (state === "held") return { choices: await choicesOf(parts, lines), answer: null };
  // Whatever is offered by now: what is being paid was sold as its order says.
  const answer = await parts.api.checkout("GET", claim);
  const offered = await choicesOf(parts, lines);
  const sold = (/** @type {Line} */ { slot, seats }) => ({ slot: slotSold(slot, answer), seats, service: serviceSold(slot, answer, parts.services) });
  return { choices: lines.map((line) => offered.find((choice) => choice.slot.id === line.slot) ?? sold(line)), answer };
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
 * As it is offered, or else likewise.
 * @param {string} id
 * @param {CheckoutAnswer} answer
 * @param {Service[]} services
 */
function serviceSold(id, answer, services) {
  const { service, service_name: name, place } = soldAt(id, answer);
  const sold = /** @type {Service} */ ({ id: service, name, place, price: answer.order.total });
  return services.find((each) => each.id === service) ?? sold;
}
