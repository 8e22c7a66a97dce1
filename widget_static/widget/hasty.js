// @ts-check
/**
 * The only place that passes over a click which was meant for what stood there before: the second of a double one, where
 * the first has brought something else beneath it. Nobody has read that yet, and it may be what gives a booking up.
 */

/** A mouse counts its clicks, as fast as its owner has set it; of fingers, what is so soon again, and so near, is the same. */
const HASTE_MS = 400;
const NEAR_PX = 20;

/** @typedef {Pick<MouseEvent, "detail" | "timeStamp" | "screenX" | "screenY"> & {pointerType?: string}} Click */

/** @param {EventTarget} page  that is listened to, from now on */
export function passOverHasty(page) {
  /** @type {Click | null} */ let last = null;
  /** What was meant by it. @type {unknown} */ let meant = null;
  page.addEventListener("click", (event) => hear(/** @type {PointerEvent} */ (event)), true);

  /** @param {PointerEvent} event */
  function hear(event) {
    if (event.detail === 0) return; // by the keyboard
    const thing = thingOf(/** @type {Element} */ (event.target));
    const isHasty = last !== null && thing !== meant && isSame(last, event);
    last = event;
    if (!isHasty) meant = thing;
    else {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }
}

/**
 * A label stands for its field, on which browsers let a click of their own follow.
 * @param {Element} target
 */
function thingOf(target) {
  return target.closest("label")?.control ?? target.closest("a, button, input, summary") ?? target;
}

/**
 * @param {Click} last
 * @param {Click} now
 */
function isSame(last, now) {
  const isNear = Math.hypot(now.screenX - last.screenX, now.screenY - last.screenY) < NEAR_PX;
  const isByHand = now.pointerType !== "mouse";
  return now.detail > 1 || (isByHand && isNear && now.timeStamp - last.timeStamp < HASTE_MS);
}
