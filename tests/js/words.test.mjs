import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

import { asVisitorsWrite, knownLocale, Words } from "../../widget_static/widget/words.js";

const STATIC = new URL("../../widget_static/", import.meta.url);
const LANGUAGES = readdirSync(new URL("locales/", STATIC)).map((name) => name.replace(".json", ""));
const dictionary = (language) => JSON.parse(readFileSync(new URL(`locales/${language}.json`, STATIC), "utf8"));
const values = (sentence) => [...new Set(JSON.stringify(sentence).match(/\{\w+\}/g))].sort();

/** Everything our modules say, as far as it can be read in them: say("key"). */
function keysSaid() {
  const sources = [...readdirSync(new URL("widget/", STATIC)).map((name) => `widget/${name}`), "order.js", "booked.js", "moving.js", "asked.js", "my.js", "paid.js"];
  return sources.flatMap((name) =>
    [...readFileSync(new URL(name, STATIC), "utf8").matchAll(/say\("([a-z_.]+)"/g)].map(([, key]) => key),
  );
}

test("every language has every sentence, with the same values in it", () => {
  const english = dictionary("en");

  for (const language of LANGUAGES) {
    const other = dictionary(language);
    assert.deepEqual(Object.keys(other).sort(), Object.keys(english).sort(), language);
    for (const key of Object.keys(english))
      assert.deepEqual(values(other[key]), values(english[key]), `${language} ${key}`);
  }
});

test("every plural has all forms that its language uses", () => {
  for (const language of LANGUAGES) {
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    for (const [key, sentence] of Object.entries(dictionary(language))) {
      if (typeof sentence === "object")
        assert.deepEqual(Object.keys(sentence).sort(), [...pluralCategories].sort(), `${language} ${key}`);
    }
  }
});

test("nothing is said that no language has", () => {
  const known = dictionary("en");

  assert.deepEqual(
    keysSaid().filter((key) => !(key in known)),
    [],
  );
});

test("there is a sentence for every refusal that a visitor can meet", () => {
  const known = dictionary("en");
  const codes = [
    "slot_full",
    "slot_closed",
    "too_soon",
    "too_far",
    "hold_ended",
    "hold_budget_spent",
    "too_many_seats",
    "payments_not_set_up",
    "payments_away",
    "payment_refused",
    "paying",
    "unavailable",
    "loading",
    "invalid_request",
    "too_late",
    "not_found",
    "too_large",
  ];

  assert.deepEqual(
    codes.filter((code) => !(`problem.${code}` in known)),
    [],
  );
});

test("a count chooses its plural, and numbers are written as the language does", () => {
  const german = new Words(dictionary("de"), "de-DE");

  assert.equal(german.say("slot.left", { count: 1 }), "noch 1 Platz");
  assert.equal(german.say("slot.left", { count: 1200 }), "noch 1.200 Plätze");
});

test("a countdown is rounded up, so that it reads zero only at the end", () => {
  const english = new Words(dictionary("en"), "en");

  assert.equal(english.countdown(600_000), "10:00");
  assert.equal(english.countdown(599_001), "10:00");
  assert.equal(english.countdown(1), "00:01");
  assert.equal(english.countdown(0), "00:00");
  assert.equal(english.countdown(-5_000), "00:00");
});

test("amounts have the digits of their currency", () => {
  const english = new Words(dictionary("en"), "en-GB");

  assert.equal(english.money({ amount: 1250, currency: "EUR" }), "€12.50");
  assert.equal(english.money({ amount: 1250, currency: "JPY" }), "JP¥1,250");
  assert.equal(english.money({ amount: 0, currency: "EUR" }), "Free");
});

test("a language tag that is none, or one of a language that there is not, is passed over", () => {
  assert.equal(knownLocale("de_DE!", null, "en-GB"), "en-GB");
  assert.equal(knownLocale("", undefined, "ar-eg"), "ar-EG");
  assert.equal(knownLocale("it-IT", "de-AT"), "de-AT");
  assert.equal(knownLocale("it-IT", "tlh"), "en");
  assert.equal(knownLocale(), "en");
});

test("dates are written as the visitor's own country writes that language", () => {
  assert.equal(asVisitorsWrite("en", ["de-DE", "en-GB", "en-US"]), "en-GB");
  assert.equal(asVisitorsWrite("en", ["de-DE"]), "en");
  assert.equal(asVisitorsWrite("de-AT", ["de-DE"]), "de-AT");
});

test("a day of another year than today's is written with its year", () => {
  const words = new Words({}, "en-GB");

  assert.equal(words.shortDay("2026-12-31", "2026-11-21"), words.shortDay("2026-12-31"));
  assert.doesNotMatch(words.shortDay("2026-12-31"), /2026/);
  assert.match(words.shortDay("2027-01-04", "2026-11-21"), /4 January 2027/);
});

test("a time on the night of a change says by which clock it is, as the same time may come twice", () => {
  const words = new Words({}, "en-GB");
  const times = (from, to, zone = "Europe/Berlin") => words.times(Date.parse(from), Date.parse(to), zone);

  assert.equal(times("2027-10-31T00:00Z", "2027-10-31T01:00Z"), "02:00 CEST \u2013 02:00 CET");
  assert.match(times("2027-10-31T01:00Z", "2027-10-31T02:00Z"), /^02:00\W03:00 CET$/);
  assert.equal(times("2027-03-28T00:30Z", "2027-03-28T01:30Z"), "01:30 CET \u2013 03:30 CEST");
  assert.equal(times("2027-04-03T14:30Z", "2027-04-03T15:30Z", "Australia/Lord_Howe"), "01:30 GMT+11 \u2013 02:00 GMT+10:30");
  assert.match(times("2027-10-31T03:00Z", "2027-10-31T04:00Z"), /^04:00\W05:00$/);
  assert.equal(words.time(Date.parse("2027-10-31T00:30Z"), "Europe/Berlin"), "02:30 CEST");
  assert.match(words.moment(Date.parse("2027-10-31T01:30Z"), "Europe/Berlin"), /^Sunday,? 31 October at 02:30 CET$/);
});

test("a time that ends on the next day is told without two dates, as the visitor knows the day", () => {
  const times = (from, to) => new Words({}, "en-GB").times(Date.parse(from), Date.parse(to), "Europe/Berlin");

  assert.equal(times("2027-06-28T21:30Z", "2027-06-28T22:30Z"), "23:30 \u2013 00:30");
  assert.match(times("2027-06-28T21:30Z", "2027-06-30T22:30Z"), /28\/06\/2027.*01\/07\/2027/);
});
