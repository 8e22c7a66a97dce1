// @ts-check
// What scripts add to lists and to the way between the rooms.

/** @param {HTMLButtonElement} button */
export function printButton(button) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

/**
 * A menu closes with Escape, and with a click elsewhere.
 * @param {HTMLDetailsElement} menu
 */
export function menu(menu) {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Node && menu.contains(event.target))) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
}

/**
 * Where the navigation is wider than the screen, the present room is in sight.
 * @param {HTMLElement} link
 */
export function showCurrent(link) {
  const strip = link.closest("ul");
  if (strip) strip.scrollLeft = link.offsetLeft - (strip.clientWidth - link.offsetWidth) / 2;
}
