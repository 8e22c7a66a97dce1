// @ts-check
// The live preview: the real widget in a frame, and this page as its host.

import { accentColours } from "../widget/accent.js";

const SETTLE_MS = 250;
const HEIGHT_PX_MIN = 200;
const HEIGHT_PX_MAX = 3000;
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** @param {HTMLIFrameElement} frame */
export function preview(frame) {
  const form = document.querySelector("[data-settings]");
  if (!(form instanceof HTMLFormElement)) return;
  window.addEventListener("message", (event) => {
    if (event.origin !== location.origin || event.source !== frame.contentWindow) return;
    const told = event.data?.tenuto;
    if (told?.type === "ready") paint(frame, new FormData(form));
    if (told?.type === "height" && Number.isFinite(told.px)) grow(frame, told.px);
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling;
  form.addEventListener("input", () => {
    clearTimeout(settling);
    settling = setTimeout(() => follow(frame, new FormData(form)), SETTLE_MS);
  });
  // The widget paints itself anew when the device turns dark, with the accent that is saved: so we come right after it.
  DARK.addEventListener("change", () => setTimeout(() => paint(frame, new FormData(form))));
  follow(frame, new FormData(form));
}

/**
 * @param {HTMLIFrameElement} frame
 * @param {number} px
 */
function grow(frame, px) {
  frame.style.height = `${Math.min(Math.max(px, HEIGHT_PX_MIN), HEIGHT_PX_MAX)}px`;
}

/**
 * @param {HTMLIFrameElement} frame
 * @param {FormData} chosen
 */
function follow(frame, chosen) {
  const url = new URL(frame.src);
  url.searchParams.set("host", location.origin);
  url.searchParams.set("theme", String(chosen.get("theme")));
  url.searchParams.set("lang", String(chosen.get("locale")));
  if (url.href !== frame.src) frame.src = url.href;
  else paint(frame, chosen);
}

/**
 * The accent is not in the frame's address, but the frame is a page of ours, so we may paint in it.
 * @param {HTMLIFrameElement} frame
 * @param {FormData} chosen
 */
function paint(frame, chosen) {
  const accent = String(chosen.get("accent")).trim();
  const page = frame.contentDocument?.documentElement;
  if (!page || !/^#[0-9a-f]{6}$/i.test(accent)) return;
  const theme = chosen.get("theme");
  const isDark = theme === "dark" || (theme === "auto" && DARK.matches);
  for (const [name, value] of Object.entries(accentColours(accent, isDark ? "dark" : "light"))) {
    page.style.setProperty(name, value);
  }
}
