// @ts-check
// What scripts add to the drawn week, beside that it moves by itself.

/**
 * Where seven days have no room beside each other, the chosen one is in sight.
 * @param {HTMLElement} day
 */
export function showChosenDay(day) {
  const drawing = day.parentElement;
  const axis = drawing?.querySelector(".axis");
  if (!drawing || !(axis instanceof HTMLElement)) return;
  const end = day.offsetLeft + day.offsetWidth - drawing.offsetLeft;
  if (end > drawing.clientWidth) drawing.scrollLeft = day.offsetLeft - drawing.offsetLeft - axis.offsetWidth;
}
