// @ts-check
/**
 * The only place for what a widget remembers that is a page of its own: in the state of its entry in the tab's history,
 * which a reload finds again, and which ends with the tab. In a frame there is no such thing: the host page keeps the hold.
 */

/** @typedef {Pick<import("./host.js").Hello, "hold" | "visitor" | "typed"> & {booked?: string}} Kept  `booked`: where it is */

const KEY = "tenuto";

/** @returns {Kept} */
export function remembered() {
  return history.state?.[KEY] ?? {};
}

/** @param {Kept} changed */
function remember(changed) {
  history.replaceState({ ...history.state, [KEY]: { ...remembered(), ...changed } }, "");
}

/**
 * What a host page would be told.
 * @param {string} type
 * @param {any} contents
 */
export function note(type, { id, secret, visitor, typed, url }) {
  if (type === "hold") remember({ hold: { id, secret, visitor }, visitor });
  else if (type === "hold_ended") remember({ hold: null });
  else if (type === "booked") remember({ hold: null, typed: undefined, booked: url });
  else if (type === "visitor") remember({ visitor: id });
  else if (type === "typed") remember({ typed });
}
