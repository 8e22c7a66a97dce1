// @ts-check
/**
 * The only place that knows days. A day is a text like "2026-11-21" and a month one like "2026-11", in whichever zone
 * the caller says; instants are epoch milliseconds.
 */

const DAY_MS = 86_400_000;

/** Clocks are only ever changed at a quarter of an hour, so what was found for one instant holds for all in it. */
const QUARTER_MS = 900_000;
const FOUND_MAX = 20_000;

/** @type {Map<string, Intl.DateTimeFormat>} */
const walls = new Map();
/** @type {Map<string, number>} */
const found = new Map();

/**
 * The day that the wall clock of a zone shows at an instant.
 * @param {number} instantMs
 * @param {string} zone
 */
export function dayAt(instantMs, zone) {
  return new Date(instantMs + offsetMs(instantMs, zone)).toISOString().slice(0, 10);
}

/**
 * The first instant of a day, also where the clock skips midnight.
 * @param {string} day
 * @param {string} zone
 */
export function startOf(day, zone) {
  const midnightMs = Date.parse(`${day}T00:00:00Z`);
  const offsets = [-DAY_MS, DAY_MS].map((shift) => offsetMs(midnightMs + shift, zone));
  const instants = offsets.map((offset) => midnightMs - offset).sort((one, other) => one - other);
  return instants.find((instantMs) => dayAt(instantMs, zone) >= day) ?? instants[1];
}

/**
 * How far the wall clock of a zone is ahead of UTC at an instant.
 * @param {number} instantMs
 * @param {string} [zone]  of the device, if there is none
 */
export function offsetMs(instantMs, zone) {
  const quarterMs = Math.floor(instantMs / QUARTER_MS) * QUARTER_MS;
  const key = `${zone} ${quarterMs}`;
  const known = found.get(key);
  if (known !== undefined) return known;
  if (found.size >= FOUND_MAX) found.clear();
  const offset = wallMs(quarterMs, zone) - quarterMs;
  found.set(key, offset);
  return offset;
}

/**
 * What the wall clock of a zone shows, as if it showed UTC.
 * @param {number} instantMs
 * @param {string} [zone]
 */
function wallMs(instantMs, zone) {
  /** @type {Record<string, number>} */
  const part = {};
  for (const { type, value } of wallOf(zone).formatToParts(instantMs)) part[type] = Number(value);
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
}

/** @param {string} [zone] */
function wallOf(zone = "") {
  let wall = walls.get(zone);
  if (!wall) {
    const digits = /** @type {const} */ ("2-digit");
    wall = new Intl.DateTimeFormat("en-US", {
      timeZone: zone || undefined,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: digits,
      day: digits,
      hour: digits,
      minute: digits,
      second: digits,
    });
    walls.set(zone, wall);
  }
  return wall;
}

/**
 * Whether two zones show the same wall time in each week of a year. Of some, clocks change within weeks of each other.
 * @param {string} one
 * @param {string} other
 * @param {number} nowMs
 */
export function sameWall(one, other, nowMs) {
  const weeks = Array.from({ length: 53 }, (_, week) => nowMs + week * 7 * DAY_MS);
  return one === other || weeks.every((atMs) => offsetMs(atMs, one) === offsetMs(atMs, other));
}

/**
 * @param {string} day
 * @param {number} count
 */
export function addDays(day, count) {
  return new Date(Date.parse(`${day}T12:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

/** @param {string} day */
export function monthOf(day) {
  return day.slice(0, 7);
}

/**
 * @param {string} month
 * @param {number} count
 */
export function addMonths(month, count) {
  const [year, number] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + count, 1)).toISOString().slice(0, 7);
}

/**
 * The same day of another month, or that month's last.
 * @param {string} day
 * @param {number} months
 */
export function moveByMonths(day, months) {
  const month = addMonths(monthOf(day), months);
  const days = daysOf(month);
  return days[Math.min(Number(day.slice(8)), days.length) - 1];
}

/** @param {string} month */
export function daysOf(month) {
  const [year, number] = month.split("-").map(Number);
  const count = new Date(Date.UTC(year, number, 0)).getUTCDate();
  return Array.from({ length: count }, (_, index) => `${month}-${String(index + 1).padStart(2, "0")}`);
}

/**
 * 1 is Monday, 7 is Sunday.
 * @param {string} day
 */
export function weekdayOf(day) {
  return new Date(`${day}T12:00:00Z`).getUTCDay() || 7;
}

/**
 * The stretches of days in the site's zone that cover days of the viewer's zone, each at most `daysMax` long, which
 * is what one question may ask for. Nothing before `earliest`.
 * @param {{first: string, last: string, zone: string, siteZone: string, earliest: string, daysMax?: number}} wanted
 * @returns {{from: string, to: string}[]}
 */
export function rangesFor({ first, last, zone, siteZone, earliest, daysMax = 31 }) {
  const start = dayAt(startOf(first, zone), siteZone);
  const end = dayAt(startOf(addDays(last, 1), zone) - 1, siteZone);
  const ranges = [];
  for (let from = start < earliest ? earliest : start; from <= end; from = addDays(from, daysMax)) {
    const to = addDays(from, daysMax - 1);
    ranges.push({ from, to: to < end ? to : end });
  }
  return ranges;
}

/** For browsers whose Intl does not tell: regions whose weeks do not begin on Monday, from the Unicode CLDR. */
const WEEKS = [
  [5, "MV"],
  [6, "AF BH DJ DZ EG IQ IR JO KW LY OM QA SD SY"],
  [
    7,
    "AG AS BD BR BS BT BW BZ CA CO DM DO ET GT GU HK HN ID IL IN JM JP KE KH KR LA MH MM MO MT MX MZ NI NP PA PE PH " +
      "PK PR PT PY SA SG SV TH TT TW UM US VE VI WS YE ZA ZW",
  ],
];

/**
 * The weekday that a week begins with.
 * @param {string} locale
 */
export function firstWeekday(locale) {
  const named = /** @type {any} */ (new Intl.Locale(locale));
  const week = named.getWeekInfo?.() ?? named.weekInfo;
  const region = named.maximize().region ?? "";
  return Number(week?.firstDay ?? WEEKS.find(([, regions]) => String(regions).split(" ").includes(region))?.[0] ?? 1);
}

/** The zone of the visitor's device. */
export function deviceZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
