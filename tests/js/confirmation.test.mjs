import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import "./dom.mjs";
import { bookingCard, whatFor } from "../../widget_static/widget/confirmation.js";
import { Words } from "../../widget_static/widget/words.js";

const NOON = Date.parse("2026-11-21T12:00:00Z");
const [BEFORE, AFTER] = ["2026-11-21T11:00:00Z", "2026-11-21T13:00:00Z"];

function booked({ cancel_until = null, move_until = BEFORE, email = "anna@example.org" }) {
  return { customer: { email }, cancel_until, bookings: [{ move_until: BEFORE }, { move_until }] };
}

test("the link is to cancel or move while one of both is possible, and to look afterwards", () => {
  assert.equal(whatFor(booked({ cancel_until: AFTER }), NOON), "done.link");
  assert.equal(whatFor(booked({ move_until: AFTER }), NOON), "done.link");
  assert.equal(whatFor(booked({ cancel_until: BEFORE }), NOON), "done.link_to_look");
  assert.equal(whatFor(booked({}), NOON), "done.link_to_look");
});

test("without an address it is the only way back", () => {
  assert.equal(whatFor(booked({ cancel_until: AFTER, email: "" }), NOON), "done.only_link");
});

test("a booking says when it is on the visitor's clock and on the site's, where these differ", () => {
  const english = readFileSync(new URL("../../widget_static/locales/en.json", import.meta.url), "utf8");
  const words = new Words(JSON.parse(english), "en-GB");
  const [starts_at, ends_at] = ["2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"];
  const yoga = { starts_at, ends_at, service_name: "Yoga", seats: 1, place: "in_person", access: "" };
  const said = (zone) => bookingCard(yoga, { bookings: [yoga] }, { words, zone, siteZone: "Europe/Berlin" }).textContent;

  assert.match(said("America/New_York"), /04:00.*in New York.*10:00.*in Berlin/);
  assert.match(said("Europe/Berlin"), /10:00/);
  assert.doesNotMatch(said("Europe/Berlin"), /in Berlin/);
});
