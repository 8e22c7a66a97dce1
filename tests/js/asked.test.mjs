import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { all, press, settled } from "./dom.mjs";
import { Asked } from "../../widget_static/asked.js";
import { Refused } from "../../widget_static/widget/api.js";
import { Words } from "../../widget_static/widget/words.js";

const WORDS = new Words(JSON.parse(readFileSync(new URL("../../widget_static/locales/en.json", import.meta.url), "utf8")), "en-GB");
const CLAIM = { id: "o".repeat(22), secret: "s".repeat(22) };
const FREE = { slot: "yoga.20261127T0830Z.60", starts_at: "2026-11-27T08:30:00Z", ends_at: "2026-11-27T09:30:00Z" };
const euros = (amount) => ({ amount, currency: "EUR" });
const BOOKING = { slot: "yoga.20261126T0830Z.60", seats: 1, move_request: { message: "", alternatives: [FREE] } };
/** Nobody waits here: a busy server says that it stays busy for longer than anybody sits through. */
const BUSY = new Refused(503, { code: "unavailable" }, 60_000);

/** Anna's page, with a server that does to each call what is planned, and keeps under which id it was asked. */
function annas(plan, { booking = BOOKING, payment = null } = {}) {
  const [ids, moved] = [[], []];
  const api = {
    reschedule: async (_, { id }) => {
      ids.push(id);
      const next = plan.shift();
      if (next instanceof Error) throw next;
      return { order: "moved" };
    },
  };
  const parts = { api, words: WORDS, claim: CLAIM, zone: () => "UTC", site: "The studio" };
  const asked = new Asked(parts, { order: { bookings: [booking], payment }, booking }, {
    onMoved: (order) => moved.push(order),
    onCancelled: () => {},
    onOther: () => {},
    onOutdated: () => {},
  });
  const click = async () => {
    all(asked.show(), "button")[0].click();
    await settled();
  };
  return { asked, ids, moved, click };
}

test("a move of which nobody knows whether it happened is asked for again under the same id", async () => {
  for (const lost of [BUSY, new Refused(429, { code: "too_many_tries" }, 60_000), new Refused(408, { code: "too_slow" }, null)]) {
    const { ids, moved, click } = annas([lost]);

    await click();
    await click();

    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
    assert.deepEqual(moved, ["moved"]);
  }
});

test("before cancelling, whoever is asked to move reads what comes back for this booking", () => {
  const paid = { paid: euros(7500), refund_if_cancelled: euros(7500) };
  const { asked } = annas([], { booking: { ...BOOKING, refund_if_cancelled: euros(2500) }, payment: paid });

  press(asked.show(), "Cancel instead");

  assert.match(asked.element.textContent, /You get €25.00 of €75.00 back\./);
});

test("a no is for good under its id, so the next click asks anew", async () => {
  const { ids, click } = annas([new Refused(409, { code: "paying" }, null)]);

  await click();
  await click();

  assert.equal(new Set(ids).size, 2);
});
