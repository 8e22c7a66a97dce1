// @ts-check
/**
 * The only place that passes over a click which was meant for what stood there before: the second of a double one, where
 * the first has brought something else beneath it. Nobody has read that yet, and it may be what gives a booking up.
 */

/** A mouse counts its clicks, as fast as its owner has set it; of fingers, what is so soon again, and so near, is the same. */
const HASTE_MS = 400;
const NEAR_PX = 20;

/** @typedef {Pick<MouseEvent, "detail" | "timeStamp" | "screenX" | "screenY">} Click */

/** @param {EventTarget} page  that is listened to, from now on */
export function passOverHasty(page) {
  /** @type {Click | null} */ let last = null;
  /** What was meant by it. @type {unknown} */ let meant = null;
  /** Not every browser says of a click itself what made it. None: a screen reader, or what else needs no pointer. */
  let pointer = "";
  page.addEventListener("pointerdown", (event) => (pointer = /** @type {PointerEvent} */ (event).pointerType), true);
  page.addEventListener("click", (event) => hear(/** @type {MouseEvent} */ (event)), true);

  /** @param {MouseEvent} event */
  function hear(event) {
    const isByHand = pointer !== "mouse";
    if (event.detail === 0 || !pointer) return; // by the keyboard, or the like
    pointer = "";
    const thing = thingOf(/** @type {Element} */ (event.target));
    const isHasty = last !== null && thing !== meant && isSame(last, event, isByHand);
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
 * @param {boolean} isByHand
 */
function isSame(last, now, isByHand) {
  const isNear = Math.hypot(now.screenX - last.screenX, now.screenY - last.screenY) < NEAR_PX;
  return now.detail > 1 || (isByHand && isNear && now.timeStamp - last.timeStamp < HASTE_MS);
}
