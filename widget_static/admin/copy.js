// @ts-check
// The copy button beside the embed snippet.

const SAID_FOR_MS = 4000;

/** @param {HTMLButtonElement} button */
export function copyButton(button) {
  const source = document.getElementById(button.dataset.copy ?? "");
  const said = button.parentElement?.querySelector("[data-copied]");
  if (!source || !said) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    said.textContent = (await copied(source)) ? "Copied" : "Marked: press Ctrl or ⌘ and C";
    setTimeout(() => { said.textContent = ""; }, SAID_FOR_MS);
  });
}

/** @param {HTMLElement} source */
async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return true;
  } catch {
    // Plain http, or not permitted: mark it, so that one key press is left to do.
    getSelection()?.selectAllChildren(source);
    return false;
  }
}
