import assert from "node:assert/strict";
import test from "node:test";

import { whatFor } from "../../widget_static/widget/confirmation.js";

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
