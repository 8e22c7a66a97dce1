// @ts-check
/** The only place that turns keys, instants and amounts into what a person reads, in one language. */

/** @typedef {Record<string, string | Record<string, string>>} Dictionary  sentences, or forms by plural category */

import { dayAt, offsetMs } from "./dates.js";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** So near to a change of clocks it is said by which one a time is: an hour may come twice, or be skipped. */
const NEAR_MS = 7_200_000;
/** @type {Intl.DateTimeFormatOptions} */
const TIME = { hour: "numeric", minute: "2-digit" };
/** How the server counts, and what is charged. Browsers do not tell: to them, others have no decimals either. */
const WITHOUT_DECIMALS = new Set("BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split(" "));
const WITH_THREE_DECIMALS = new Set(["BHD", "JOD", "KWD", "OMR", "TND"]);

export class Words {
  #dictionary;
  #plurals;
  /** @type {Map<string, Intl.DateTimeFormat>} */ #formats = new Map();

  /**
   * @param {Dictionary} dictionary
   * @param {string} locale
   */
  constructor(dictionary, locale) {
    this.locale = locale;
    this.#dictionary = dictionary;
    this.#plurals = new Intl.PluralRules(locale);
  }

  /** For the page: which way these words run. */
  get direction() {
    return RIGHT_TO_LEFT.includes(new Intl.Locale(this.locale).language) ? "rtl" : "ltr";
  }

  /**
   * A sentence with its values put in; `count` chooses the plural form. A missing one shows its key.
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   */
  say(key, values = {}) {
    const found = this.#dictionary[key] ?? key;
    const form = typeof found === "string" ? found : (found[this.#plurals.select(Number(values.count))] ?? found.other);
    return form.replace(/\{(\w+)\}/g, (_, name) => this.#value(values[name] ?? ""));
  }

  /** @param {string} key */
  has(key) {
    return key in this.#dictionary;
  }

  /**
   * Among words from right to left, a name or an address keeps its own direction, and turns nothing around it.
   * @param {string | number} value
   */
  #value(value) {
    if (typeof value === "number") return new Intl.NumberFormat(this.locale).format(value);
    return this.direction === "rtl" ? `\u2068${value}\u2069` : value;
  }

  /**
   * "10:00–11:00". Browsers write both dates where the end is on another day, and leave it out where the clock shows
   * the same once more.
   * @param {number} fromMs
   * @param {number} toMs
   * @param {string} zone
   */
  times(fromMs, toMs, zone) {
    const clock = this.#format({ ...clockNear(zone, fromMs, toMs), timeZone: zone });
    const [isOtherDay, isOtherClock] = [dayAt, offsetMs].map((at) => at(fromMs, zone) !== at(toMs, zone));
    if (toMs - fromMs >= DAY_MS || !(isOtherDay || isOtherClock)) return clock.formatRange(fromMs, toMs);
    return `${clock.format(fromMs)} \u2013 ${clock.format(toMs)}`;
  }

  /**
   * @param {number} instantMs
   * @param {string} zone
   */
  time(instantMs, zone) {
    return this.#format({ ...clockNear(zone, instantMs), timeZone: zone }).format(instantMs);
  }

  /**
   * "Saturday 21 November at 10:00"
   * @param {number} instantMs
   * @param {string} [zone]
   */
  moment(instantMs, zone) {
    const { timeZoneName } = clockNear(zone, instantMs);
    const day = /** @type {const} */ ({ weekday: "long", day: "numeric", month: "long" });
    return this.#format({ ...day, ...TIME, timeZoneName, timeZone: zone }).format(instantMs);
  }

  /**
   * "Saturday 21 November", of a day that is a text.
   * @param {string} day
   */
  day(day) {
    return this.#format({ weekday: "long", day: "numeric", month: "long", timeZone: "UTC" }).format(noon(day));
  }

  /**
   * As `day`, with the year.
   * @param {string} day
   */
  fullDay(day) {
    return this.#format({ dateStyle: "full", timeZone: "UTC" }).format(noon(day));
  }

  /**
   * "Sat 21 November", and with the year where that is another one than today's.
   * @param {string} day
   * @param {string} [today]
   */
  shortDay(day, today = day) {
    /** @type {Intl.DateTimeFormatOptions} */ const year = day.slice(0, 4) === today.slice(0, 4) ? {} : { year: "numeric" };
    return this.#format({ weekday: "short", day: "numeric", month: "long", ...year, timeZone: "UTC" }).format(noon(day));
  }

  /** @param {string} day */
  dayNumber(day) {
    return (
      this.#format({ day: "numeric", timeZone: "UTC" })
        .formatToParts(noon(day))
        .find((part) => part.type === "day")?.value ?? ""
    );
  }

  /** @param {string} month */
  month(month) {
    return this.#format({ month: "long", year: "numeric", timeZone: "UTC" }).format(noon(`${month}-01`));
  }

  /** @param {string} month */
  monthName(month) {
    return this.#format({ month: "long", timeZone: "UTC" }).format(noon(`${month}-01`));
  }

  /**
   * @param {string} day  any day of that weekday
   * @param {"narrow" | "short" | "long"} length
   */
  weekday(day, length) {
    return this.#format({ weekday: length, timeZone: "UTC" }).format(noon(day));
  }

  /**
   * "Pia and Maria".
   * @param {string[]} names
   */
  list(names) {
    return new Intl.ListFormat(this.locale).format(names);
  }

  /**
   * "Pia, Maria": side by side, each in its own direction.
   * @param {(string | false)[]} parts  what is empty is left out
   */
  joined(...parts) {
    return parts.filter(Boolean).map((part) => this.#value(String(part))).join(this.say("list.comma"));
  }

  /**
   * What is left of a countdown, rounded up so that it reads 0:00 only at the end.
   * @param {number} ms
   */
  countdown(ms) {
    const seconds = Math.ceil(Math.max(0, ms) / SECOND_MS);
    const two = new Intl.NumberFormat(this.locale, { minimumIntegerDigits: 2, useGrouping: false });
    return `${two.format(Math.floor(seconds / 60))}:${two.format(seconds % 60)}`;
  }

  /**
   * "5 minutes" or "30 seconds".
   * @param {number} ms
   */
  duration(ms) {
    const [count, unit] =
      ms >= MINUTE_MS ? [Math.round(ms / MINUTE_MS), "minute"] : [Math.ceil(ms / SECOND_MS), "second"];
    return this.#unit(count, unit);
  }

  /**
   * "45 minutes", "3 hours" or "1 hour 30 minutes".
   * @param {number} minutes
   */
  length(minutes) {
    const counts = { day: Math.floor(minutes / 1440), hour: Math.floor(minutes / 60) % 24, minute: minutes % 60 };
    const parts = Object.entries(counts).filter(([, count]) => count);
    const spelled = parts.map(([unit, count]) => this.#unit(count, unit));
    return new Intl.ListFormat(this.locale, { type: "unit", style: "narrow" }).format(spelled);
  }

  /**
   * @param {number} count
   * @param {string} unit
   */
  #unit(count, unit) {
    return new Intl.NumberFormat(this.locale, { style: "unit", unit, unitDisplay: "long" }).format(count);
  }

  /** @param {import("./api.js").Money} money */
  money({ amount, currency }) {
    if (amount === 0) return this.say("price.free");
    const digits = WITHOUT_DECIMALS.has(currency) ? 0 : WITH_THREE_DECIMALS.has(currency) ? 3 : 2;
    // Browsers write forints and some others without decimals: so do we, unless there are any.
    const shown = amount % 10 ** digits ? { minimumFractionDigits: digits, maximumFractionDigits: digits } : {};
    return new Intl.NumberFormat(this.locale, { style: "currency", currency, ...shown }).format(amount / 10 ** digits);
  }

  /**
   * "Berlin" of "Europe/Berlin".
   * @param {string} zone
   */
  city(zone) {
    return (zone.split("/").pop() ?? zone).replaceAll("_", " ");
  }

  /**
   * Months are shown as the calendar has them, also where dates are usually counted in another one.
   * @param {Intl.DateTimeFormatOptions} options
   */
  #format(options) {
    const key = JSON.stringify(options);
    let format = this.#formats.get(key);
    if (!format) {
      format = new Intl.DateTimeFormat(this.locale, { ...options, calendar: "gregory" });
      this.#formats.set(key, format);
    }
    return format;
  }
}

/**
 * @param {string | undefined} zone
 * @param {number} fromMs
 * @param {number} [toMs]
 * @returns {Intl.DateTimeFormatOptions}
 */
function clockNear(zone, fromMs, toMs = fromMs) {
  const isNear = offsetMs(fromMs - NEAR_MS, zone) !== offsetMs(toMs + NEAR_MS, zone);
  return isNear ? { ...TIME, timeZoneName: "short" } : { timeStyle: "short" };
}

/** @param {string} day */
function noon(day) {
  return Date.parse(`${day}T12:00:00Z`);
}

/** Languages that there is a file for. */
const LANGUAGES = ["en", "ar", "de", "es", "fr"];
const RIGHT_TO_LEFT = ["ar"];

/**
 * The first of these whose language there is; English if there is none.
 * @param {...(string | null | undefined)} tags
 */
export function knownLocale(...tags) {
  for (const tag of tags) {
    try {
      const [locale] = Intl.getCanonicalLocales(tag ?? []);
      if (locale && LANGUAGES.includes(new Intl.Locale(locale).language)) return locale;
    } catch {
      // Somebody wrote a language that is none: the next one counts.
    }
  }
  return "en";
}

/**
 * A bare language as the visitor writes it, where they use the same: dates of "en" are British to whoever reads en-GB.
 * @param {string} locale
 * @param {readonly string[]} preferred
 */
export function asVisitorsWrite(locale, preferred) {
  const { language, region } = new Intl.Locale(locale);
  return (!region && preferred.find((own) => new Intl.Locale(own).language === language)) || locale;
}

/** @param {string} locale  that is known */
export async function fetchWords(locale) {
  const { language } = new Intl.Locale(locale);
  const response = await fetch(new URL(`../locales/${language}.json`, import.meta.url));
  return new Words(await response.json(), asVisitorsWrite(locale, navigator.languages));
}
