// @ts-check
/** The only place that makes an accent colour readable: on light and on dark, as text and under text. */

/** Above the 4.5 of WCAG; thin coloured text on dark needs more to look as clear. */
const TEXT_CONTRAST_MIN = { light: 4.6, dark: 6.5 };
const LINE_CONTRAST_MIN = 3.1;
/** A filled shape only has to be seen: its text has the contrast, and a line around it where the fill is too faint. */
const FILL_CONTRAST_MIN = 1.25;
const STEPS = 40;
/** How much a button moves away from its text's colour under the pointer. */
const HOVER_SHARE = 0.14;
const SURFACES = { light: "#ffffff", dark: "#16191d" };

/** @typedef {[number, number, number]} Colour  red, green, blue, 0 to 255 */

/**
 * The colours of a theme made from the site's accent, as CSS custom properties.
 * @param {string} accent  #rrggbb
 * @param {"light" | "dark"} theme
 * @returns {Record<string, string>}
 */
export function accentColours(accent, theme) {
  const surface = parse(SURFACES[theme]);
  const colour = /^#[0-9a-f]{6}$/i.test(accent) ? parse(accent) : parse("#2f6f5e");
  const fill = pushedAway(colour, surface, FILL_CONTRAST_MIN);
  const onFill = readableOn(fill);
  const line = pushedAway(colour, surface, LINE_CONTRAST_MIN);
  const soft = theme === "light" ? mixed(surface, fill, 0.09) : mixed(surface, line, 0.2);
  return {
    "--accent": written(fill),
    "--accent-strong": written(mixed(fill, readableOn(onFill), HOVER_SHARE)),
    "--on-accent": written(onFill),
    "--accent-line": written(line),
    "--accent-text": written(pushedAway(colour, soft, TEXT_CONTRAST_MIN[theme])),
    "--accent-soft": written(soft),
  };
}

/**
 * Sets them for what the page looks like now, and again when the visitor's device turns light or dark.
 * @param {string} accent
 * @param {() => string} theme  auto, light or dark
 * @returns {() => void} to be called when the theme was changed
 */
export function applyAccent(accent, theme) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const isDark = theme() === "dark" || (theme() !== "light" && dark.matches);
    for (const [name, value] of Object.entries(accentColours(accent, isDark ? "dark" : "light"))) {
      document.documentElement.style.setProperty(name, value);
    }
  };
  dark.addEventListener("change", apply);
  apply();
  return apply;
}

/**
 * WCAG 2: from 1 to 21.
 * @param {Colour} one
 * @param {Colour} other
 */
export function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** @param {Colour} colour */
function luminance(colour) {
  const [red, green, blue] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * This colour, darker or lighter by as little as gives it the wanted contrast.
 * @param {Colour} colour
 * @param {Colour} background
 * @param {number} wanted
 */
function pushedAway(colour, background, wanted) {
  const end = readableOn(background);
  for (let step = 0; step < STEPS; step += 1) {
    const tried = mixed(colour, end, step / STEPS);
    if (contrast(tried, background) >= wanted) return tried;
  }
  return end;
}

/** @param {Colour} background */
function readableOn(background) {
  const [white, black] = [parse("#ffffff"), parse("#101214")];
  return contrast(white, background) >= contrast(black, background) ? white : black;
}

/**
 * @param {Colour} one
 * @param {Colour} other
 * @param {number} share  of the other
 * @returns {Colour}
 */
function mixed(one, other, share) {
  return /** @type {Colour} */ (one.map((value, index) => Math.round(value + (other[index] - value) * share)));
}

/**
 * @param {string} text
 * @returns {Colour}
 */
export function parse(text) {
  return /** @type {Colour} */ ([1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));
}

/** @param {Colour} colour */
function written(colour) {
  return `#${colour.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
