import assert from "node:assert/strict";
import test from "node:test";

import {
  addDays,
  dayAt,
  daysOf,
  firstWeekday,
  moveByMonths,
  rangesFor,
  sameWall,
  startOf,
  weekdayOf,
} from "../../widget_static/widget/dates.js";

test("an evening in Berlin is the same day's afternoon in New York and the next day in Auckland", () => {
  const instant = Date.parse("2026-11-21T18:30:00Z");

  assert.equal(dayAt(instant, "Europe/Berlin"), "2026-11-21");
  assert.equal(dayAt(instant, "America/New_York"), "2026-11-21");
  assert.equal(dayAt(instant, "Pacific/Auckland"), "2026-11-22");
});

test("a day begins at its first instant, in every zone and on the days on which clocks change", () => {
  const starts = {
    "Europe/Berlin 2026-03-29": "2026-03-28T23:00:00Z",
    "Europe/Berlin 2026-03-30": "2026-03-29T22:00:00Z",
    "Europe/Berlin 2026-10-25": "2026-10-24T22:00:00Z",
    "America/New_York 2026-11-01": "2026-11-01T04:00:00Z",
    "Asia/Kathmandu 2026-05-05": "2026-05-04T18:15:00Z",
    // Here the clock goes from midnight to one, so the day has no midnight.
    "Asia/Beirut 2026-03-29": "2026-03-28T22:00:00Z",
  };

  for (const [key, start] of Object.entries(starts)) {
    const [zone, day] = key.split(" ");
    assert.equal(new Date(startOf(day, zone)).toISOString(), start.replace("Z", ".000Z"), key);
  }
});

test("every day of a year begins where the one before it ends", () => {
  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia"]) {
    for (let day = "2026-01-01"; day < "2027-01-01"; day = addDays(day, 1)) {
      const start = startOf(day, zone);
      assert.equal(dayAt(start, zone), day, `${zone} ${day}`);
      assert.equal(dayAt(start - 1, zone), addDays(day, -1), `${zone} ${day}`);
    }
  }
});

test("a month of the visitor is asked for in stretches of the site's days, none longer than a question may be", () => {
  const month = { first: "2026-12-01", last: "2026-12-31", earliest: "2026-11-21" };

  assert.deepEqual(rangesFor({ ...month, zone: "Europe/Berlin", siteZone: "Europe/Berlin" }), [
    { from: "2026-12-01", to: "2026-12-31" },
  ]);
  assert.deepEqual(rangesFor({ ...month, zone: "America/New_York", siteZone: "Europe/Berlin" }), [
    { from: "2026-12-01", to: "2026-12-31" },
    { from: "2027-01-01", to: "2027-01-01" },
  ]);
  assert.equal(rangesFor({ ...month, zone: "Pacific/Auckland", siteZone: "Europe/Berlin" })[0].from, "2026-11-30");
});

test("nothing is asked about days that are over", () => {
  const month = { first: "2026-11-01", last: "2026-11-30", zone: "Europe/Berlin", siteZone: "Europe/Berlin" };

  assert.deepEqual(rangesFor({ ...month, earliest: "2026-11-21" }), [{ from: "2026-11-21", to: "2026-11-30" }]);
  assert.deepEqual(rangesFor({ ...month, earliest: "2026-12-01" }), []);
});

test("a month on from the last of January is the last of February", () => {
  assert.equal(moveByMonths("2026-01-31", 1), "2026-02-28");
  assert.equal(moveByMonths("2026-01-31", -12), "2025-01-31");
  assert.equal(daysOf("2028-02").length, 29);
});

test("weeks begin as the visitor's country has it, also where the browser does not tell", () => {
  const { getWeekInfo } = Intl.Locale.prototype;
  const weekInfo = Object.getOwnPropertyDescriptor(Intl.Locale.prototype, "weekInfo");
  const begins = { de: 1, "en-GB": 1, fr: 1, en: 7, "en-US": 7, "pt-BR": 7, he: 7, ar: 6, "fa-IR": 6, dv: 5 };
  const found = () => Object.fromEntries(Object.keys(begins).map((locale) => [locale, firstWeekday(locale)]));

  assert.deepEqual(found(), begins);
  try {
    delete Intl.Locale.prototype.getWeekInfo;
    delete Intl.Locale.prototype.weekInfo;
    assert.deepEqual(found(), begins);
  } finally {
    if (getWeekInfo) Intl.Locale.prototype.getWeekInfo = getWeekInfo;
    if (weekInfo) Object.defineProperty(Intl.Locale.prototype, "weekInfo", weekInfo);
  }
  assert.equal(weekdayOf("2026-11-22"), 7);
});

test("two zones are the same only if they are in every week of the year", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");

  assert.ok(sameWall("Europe/Berlin", "Europe/Paris", now));
  assert.ok(!sameWall("Europe/Berlin", "Africa/Lagos", now));
  // Alike in November and in May, and an hour apart in April, as Cairo changes its clocks weeks after Athens.
  assert.ok(!sameWall("Europe/Athens", "Africa/Cairo", now));
});
