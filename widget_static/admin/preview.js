// The live preview: the real widget in a frame, and this page as its host.

const SETTLE_MS = 250;
const HEIGHT_PX_MAX = 3000;

/** @param {HTMLIFrameElement} frame */
export function preview(frame) {
  window.addEventListener("message", (event) => {
    if (event.origin !== location.origin || event.source !== frame.contentWindow) return;
    const told = event.data?.tenuto;
    if (told?.type === "height" && Number.isFinite(told.px)) frame.style.height = `${Math.min(told.px, HEIGHT_PX_MAX)}px`;
  });
  const form = document.querySelector("[data-settings]");
  if (!(form instanceof HTMLFormElement)) return;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  form.addEventListener("input", (event) => {
    if (!(event.target instanceof Element) || !["theme", "locale", "accent"].includes(event.target.getAttribute("name") ?? "")) return;
    clearTimeout(timer);
    timer = setTimeout(() => show(frame, new FormData(form)), SETTLE_MS);
  });
}

/**
 * @param {HTMLIFrameElement} frame
 * @param {FormData} chosen
 */
function show(frame, chosen) {
  const url = new URL(frame.src);
  url.searchParams.set("theme", String(chosen.get("theme")));
  url.searchParams.set("lang", String(chosen.get("locale")));
  if (url.href !== frame.src) frame.src = url.href;
}
