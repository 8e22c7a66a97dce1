import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

import { Words } from "../../widget_static/widget/words.js";

const STATIC = new URL("../../widget_static/", import.meta.url);
const LANGUAGES = readdirSync(new URL("locales/", STATIC)).map((name) => name.replace(".json", ""));
const dictionary = (language) => JSON.parse(readFileSync(new URL(`locales/${language}.json`, STATIC), "utf8"));
const words = (locale) => new Words(dictionary(locale.slice(0, 2)), locale);
/** Written in English as they are elsewhere. */
const SAME = {
  de: ["place.online", "zone.there", "zone.named"],
  es: ["question.no", "order.total"],
  fr: ["form.email", "order.total", "my.email"],
};
const isWord = (sentence) => /\p{L}/u.test(JSON.stringify(sentence).replace(/\{\w+\}|"\w+":/g, ""));
const plain = (text) => text.replace(/[\u2066-\u2069]/g, "").replace(/[\u00a0\u202f]/g, " ");

test("the widget looks for a file of just those languages that there are", () => {
  const source = readFileSync(new URL("widget/words.js", STATIC), "utf8");
  const known = JSON.parse(/const LANGUAGES = (\[.+\]);/.exec(source)[1]);

  assert.deepEqual(known.sort(), LANGUAGES.sort());
});

test("no language has a sentence in English left", () => {
  const english = dictionary("en");

  for (const language of LANGUAGES.filter((code) => code !== "en")) {
    const other = dictionary(language);
    const left = Object.keys(english).filter(
      (key) => isWord(english[key]) && JSON.stringify(other[key]) === JSON.stringify(english[key]),
    );
    assert.deepEqual(left, SAME[language] ?? [], language);
  }
});

test("what is written in Arabic has Arabic in it, and no other words than those that are the same everywhere", () => {
  for (const [key, sentence] of Object.entries(dictionary("ar"))) {
    const text = JSON.stringify(sentence).replace(/\{\w+\}|"\w+":|anna@example\.org/g, "");
    assert.doesNotMatch(text, /[A-Za-z]/, key);
  }
});

test("seats are counted in all six forms of Arabic", () => {
  const counted = [0, 1, 2, 3, 11, 100].map((count) => words("ar").say("seats.count", { count }));

  assert.deepEqual(counted, ["لا مقاعد", "مقعد واحد", "مقعدان", "3 مقاعد", "11 مقعدًا", "100 مقعد"]);
});

test("names and addresses keep their own direction among Arabic words, and nothing is put around them elsewhere", () => {
  assert.ok(words("ar").say("done.mail", { email: "anna@example.org" }).includes("\u2068anna@example.org\u2069"));
  assert.doesNotMatch(words("fr").say("done.mail", { email: "anna@example.org" }), /[\u2066-\u2069]/);
  assert.equal(words("ar").direction, "rtl");
  assert.equal(words("fr").direction, "ltr");
});

test("what stands side by side is parted as its language does it", () => {
  assert.equal(words("en").joined("Anna", "", false, "Ben"), "Anna, Ben");
  assert.equal(plain(words("ar").joined("آنا", "anna@example.org")), "آنا، anna@example.org");
});

test("days are those of the calendar that is shown, also where another one is usual", () => {
  assert.match(words("ar-SA").fullDay("2026-11-21"), /نوفمبر/);
  assert.equal(words("ar").dayNumber("2026-11-21"), "21");
});

test("lengths are written in hours where that reads better", () => {
  const lengths = (locale) => [45, 60, 90, 180, 2880].map((minutes) => plain(words(locale).length(minutes)));

  assert.deepEqual(lengths("en-GB"), ["45 minutes", "1 hour", "1 hour 30 minutes", "3 hours", "2 days"]);
  assert.deepEqual(lengths("de"), ["45 Minuten", "1 Stunde", "1 Stunde, 30 Minuten", "3 Stunden", "2 Tage"]);
  assert.deepEqual(lengths("fr"), ["45 minutes", "1 heure", "1 heure 30 minutes", "3 heures", "2 jours"]);
  assert.deepEqual(lengths("es"), ["45 minutos", "1 hora", "1 hora 30 minutos", "3 horas", "2 días"]);
  assert.deepEqual(lengths("ar"), ["45 دقيقة", "ساعة", "ساعة و30 دقيقة", "3 ساعات", "يومان"]);
});
