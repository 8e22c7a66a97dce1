// @ts-check
// What scripts add to lists and to the way between the rooms.

/** @param {HTMLButtonElement} button */
export function printButton(button) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

/**
 * Where the navigation is wider than the screen, the present room is in sight.
 * @param {HTMLElement} link
 */
export function showCurrent(link) {
  const strip = link.closest("ul");
  if (strip) strip.scrollLeft = link.offsetLeft - (strip.clientWidth - link.offsetWidth) / 2;
}
