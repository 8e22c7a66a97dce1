// What happens beside single fields while the operator changes them.

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
  const sample = document.createElement("span");
  sample.className = "sample";
  sample.textContent = "Continue";
  sample.setAttribute("aria-hidden", "true");
  const update = () => {
    if (!/^#[0-9a-f]{6}$/i.test(text.value.trim())) return;
    picker.value = text.value.trim().toLowerCase();
    sample.style.background = picker.value;
    sample.style.color = inkOn(picker.value);
  };
  picker.addEventListener("input", () => {
    text.value = picker.value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
  text.addEventListener("input", update);
  row.prepend(picker);
  row.append(sample);
  update();
}

/**
 * Black or white, whichever is easier to read on this colour (WCAG 2 relative luminance).
 * @param {string} colour
 */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? "#000" : "#fff";
}

/** @param {HTMLFormElement} form */
export function unsavedNote(form) {
  const note = /** @type {HTMLElement | null} */ (form.querySelector("[data-unsaved]"));
  if (!note) return;
  form.addEventListener("input", () => { note.hidden = false; });
}
