// @ts-check
// The two comforts of passwords: look at what you type, and the code out of the first-run link.

/** @param {HTMLElement} field */
export function revealButton(field) {
  const input = field.querySelector("input");
  if (!input) return;
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-controls", input.id);
  const show = (/** @type {boolean} */ shown) => {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", shown ? "Hide password" : "Show password");
  };
  button.addEventListener("click", () => show(input.type === "password"));
  // Password managers and browsers keep what they find in a password field only.
  input.form?.addEventListener("submit", () => show(false));
  show(false);
  field.append(button);
}

/**
 * The code stands in the fragment, which browsers never send: so it is in no log, and looking at the link uses nothing up.
 * @param {HTMLFormElement} form
 */
export function readSetupCode(form) {
  const row = /** @type {HTMLElement | null} */ (form.querySelector("[data-setup-code]"));
  const input = row?.querySelector("input");
  if (!row || !input) return;
  const read = () => {
    if (location.hash) input.value = location.hash.slice(1);
    row.hidden = input.value !== "" && input.getAttribute("aria-invalid") !== "true";
  };
  // Another link opened while this page is shown loads nothing: only the fragment changes.
  addEventListener("hashchange", read);
  read();
}
