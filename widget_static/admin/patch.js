// @ts-check
/**
 * The only place that turns a part of the page into a newer one. What is the same stays the very same element: so focus,
 * what is opened and where somebody has scrolled to are left alone.
 */

/**
 * @param {Element} present  what is in it is changed until it looks like what is in the other
 * @param {Element} wanted  is taken apart
 */
export function patchChildren(present, wanted) {
  dropGone(present, wanted);
  const keyed = new Map([...present.children].map((child) => [keyOf(child), child]));
  let next = present.firstChild;
  for (const child of [...wanted.childNodes]) {
    const same = match(next, child, keyed);
    if (!same) {
      present.insertBefore(child, next);
    } else {
      if (same === next) next = next.nextSibling;
      else present.insertBefore(same, next);
      if (same instanceof Element && child instanceof Element) patch(same, child);
      else if (same.nodeValue !== child.nodeValue) same.nodeValue = child.nodeValue;
    }
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

/**
 * @param {Element} present
 * @param {Element} wanted
 */
function patch(present, wanted) {
  // A countdown is written by the page itself for as long as it ends at the same time.
  const ends = present.getAttribute("data-ends");
  if (ends !== null && ends === wanted.getAttribute("data-ends")) return;
  patchAttributes(present, wanted);
  patchChildren(present, wanted);
}

/**
 * First of all, so that nothing that stays has to be moved: what is moved loses the focus.
 * @param {Element} present
 * @param {Element} wanted
 */
function dropGone(present, wanted) {
  const stay = new Set([...wanted.children].map(keyOf));
  for (const child of [...present.children]) {
    if (keyOf(child) !== null && !stay.has(keyOf(child))) child.remove();
  }
}

/**
 * What of the present page becomes this: the one of the same key, else what stands there, if it is of the same kind.
 * @param {Node | null} next
 * @param {Node} wanted
 * @param {Map<string | null, Element>} keyed
 */
function match(next, wanted, keyed) {
  if (wanted instanceof Element && keyOf(wanted) !== null) {
    const same = keyed.get(keyOf(wanted));
    return same?.nodeName === wanted.nodeName ? same : null;
  }
  const isKeyed = next instanceof Element && keyOf(next) !== null;
  return next && !isKeyed && next.nodeName === wanted.nodeName ? next : null;
}

/** @param {Element} element */
function keyOf(element) {
  return element.getAttribute("data-key");
}

/**
 * @param {Element} present
 * @param {Element} wanted
 */
function patchAttributes(present, wanted) {
  for (const { name } of [...present.attributes]) {
    // Opened by whoever reads; the server sends it closed.
    if (!wanted.hasAttribute(name) && name !== "open") present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
}
