// @ts-check
// What happens beside single fields while the operator changes them.

import { accentColours } from "../widget/accent.js";

const CLOCK_MS = 15_000;

/**
 * A warning shows only while its field differs from what is saved.
 * @param {HTMLInputElement | HTMLSelectElement} field
 */
export function warning(field) {
  const text = document.getElementById(field.dataset.warns ?? "");
  if (!text) return;
  const sentence = text.textContent;
  const update = () => {
    text.hidden = field.value === field.dataset.saved;
    text.textContent = text.hidden ? "" : sentence;
  };
  field.addEventListener("input", update);
  update();
}

/**
 * Greyed, but never locked, while the switch it belongs to is off.
 * @param {HTMLElement} row
 */
export function needs(row) {
  const box = /** @type {HTMLInputElement | null} */ (document.getElementById(row.dataset.needs ?? ""));
  if (!box) return;
  const update = () => row.classList.toggle("unneeded", !box.checked);
  box.addEventListener("change", update);
  update();
}

/**
 * A colour picker and a sample beside the text field that is sent.
 * @param {HTMLElement} row
 */
export function accentField(row) {
  const text = row.querySelector("input");
  if (!text) return;
  const picker = document.createElement("input");
  picker.type = "color";
  picker.setAttribute("aria-label", "Pick the accent colour");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const sample = document.createElement("span");
  sample.className = "sample";
  sample.textContent = "Continue";
  sample.setAttribute("aria-hidden", "true");
  const update = () => {
    if (!/^#[0-9a-f]{6}$/i.test(text.value.trim())) return;
    picker.value = text.value.trim().toLowerCase();
    const colours = accentColours(picker.value, dark.matches ? "dark" : "light");
    sample.style.background = colours["--accent"];
    sample.style.color = colours["--on-accent"];
  };
  picker.addEventListener("input", () => {
    text.value = picker.value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
  text.addEventListener("input", update);
  dark.addEventListener("change", update);
  row.prepend(picker);
  row.append(sample);
  update();
}

/**
 * The time on the clocks of the zone that is typed, as soon as there is such a zone.
 * @param {HTMLElement} clock
 */
export function zoneClock(clock) {
  const field = /** @type {HTMLInputElement | null} */ (document.getElementById(clock.dataset.clock ?? ""));
  if (!field) return;
  const update = () => {
    try {
      const time = new Intl.DateTimeFormat("en-GB", { timeZone: zoneOf(field), hour: "2-digit", minute: "2-digit" });
      clock.textContent = `, where it is ${time.format()} now`;
    } catch {
      clock.textContent = "";
    }
  };
  field.addEventListener("input", update);
  setInterval(update, CLOCK_MS);
  update();
}

/**
 * Whoever types a city means its zone.
 * @param {HTMLInputElement} field
 */
function zoneOf(field) {
  const typed = field.value.trim();
  const city = [...(field.list?.options ?? [])].find(({ label }) => label.toLowerCase().startsWith(`${typed.toLowerCase()},`));
  return city?.value ?? typed;
}

/** What a form says that came back with what was typed, or in which somebody types. */
export const NOT_SAVED = "Not saved yet";

/** @param {HTMLFormElement} form */
export function unsavedNote(form) {
  const note = /** @type {HTMLElement | null} */ (form.querySelector("[data-unsaved]"));
  if (!note) return;
  form.addEventListener("input", () => { note.textContent = NOT_SAVED; });
}
