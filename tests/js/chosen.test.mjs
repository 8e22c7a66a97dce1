import assert from "node:assert/strict";
import test from "node:test";

import { page, settled } from "./dom.mjs";
import { Refused } from "../../widget_static/widget/api.js";
import { Chosen } from "../../widget_static/widget/chosen.js";
import { ServerClock } from "../../widget_static/widget/clock.js";
import { Words } from "../../widget_static/widget/words.js";

const YOGA = { id: "yoga", name: "Yoga" };
const DAY_MS = 86_400_000;
const slot = (number) => ({ id: `yoga.${number}`, startsMs: number * DAY_MS, capacity: 4, held: 0, booked: 0, version: 1 });
const choice = (number, seats = 1) => ({ slot: slot(number), seats, service: YOGA });
const line = (number, seats = 1) => ({ slot: `yoga.${number}`, seats });
const full = new Refused(409, { code: "slot_full", left: 0, slot: "yoga.3" }, null);

/** What anna has chosen, with a server that holds whatever is asked for, unless it is told to refuse the next. */
function annas({ holds_on = true } = {}) {
  const told = [];
  const server = { lines: [], version: 0, refusal: null };
  const answer = () => ({
    hold: { state: "held", lines: server.lines, version: server.version, expires_at: "2099-01-01T00:00:00Z", limit_at: "2099-01-01T00:00:00Z" },
  });
  const put = (lines) => {
    if (server.refusal) throw server.refusal;
    Object.assign(server, { lines, version: server.version + 1 });
    return answer();
  };
  const api = {
    hold: async (_, { lines }) => put(lines),
    change: async (_claim, _version, lines) => put(lines),
    findHold: async () => answer(),
    release: async () => {},
  };
  const around = { side: page.createElement("div"), calm() {}, warn() {}, announce() {} };
  const host = { tell: (what) => told.push(what) };
  const offer = { site: { holds_on, hold_minutes: 10 }, services: [YOGA] };
  const words = new Words({ "problem.of_time": "{time}: {problem}", "problem.slot_full": "It is taken." }, "en-GB");
  const availability = { slot: (id) => slot(Number(id.split(".")[1])) };
  const at = { api, words, clock: new ServerClock(), page: around, host, offer, availability, zone: { current: "UTC" } };
  const slotOf = async (id) => slot(Number(id.split(".")[1]));
  const chosen = new Chosen(at, { slotOf }, {
    onHold: () => told.push("onHold"),
    onOthers: () => told.push("onOthers"),
    onFull: (one) => told.push(`full ${one.slot.id}`),
  });
  return { chosen, server, told };
}

test("times are held together by their start, and one that cannot be had leaves the others held", async () => {
  const { chosen, server } = annas();
  await chosen.set([choice(2)]);
  await chosen.set([choice(2), choice(1, 3)]);
  assert.deepEqual(server.lines, [line(1, 3), line(2)]);
  server.refusal = full;

  await assert.rejects(chosen.set([...chosen.choices, choice(3)]), full);

  assert.deepEqual(chosen.choices.map(({ slot: { id } }) => id), ["yoga.1", "yoga.2"]);
  assert.deepEqual(chosen.keeper.current.lines, [line(1, 3), line(2)]);
  assert.deepEqual(chosen.slots, ["yoga.1", "yoga.2"]);
  assert.equal(chosen.said(full), "It is taken.");
  assert.match(chosen.said(new Refused(409, { ...full.details, slot: "yoga.2" }, null)), /3 January.*: It is taken\.$/);
  chosen.release();
  assert.deepEqual([chosen.choices, chosen.keeper.current], [[], null]);
});

test("seats of a service that is not offered any more are nobody's to hold again", () => {
  const { chosen } = annas();
  assert.equal(chosen.slotNow("yoga.1").id, "yoga.1");

  chosen.offered.services.pop();

  assert.equal(chosen.slotNow("yoga.1"), undefined);
});

test("where other times are held than we know of, as an answer was lost, those are what is chosen", async () => {
  const { chosen, server, told } = annas();
  await chosen.set([choice(1)]);
  Object.assign(server, { lines: [line(1), line(2)], version: 2 });

  await chosen.holding.check();
  await settled();

  assert.equal(told.at(-1), "onOthers");
  assert.deepEqual(chosen.choices.map(({ slot: { id } }) => id), ["yoga.1", "yoga.2"]);
  chosen.release();
});

test("what is given back on purpose is told to nobody but the host page", async () => {
  const { chosen, told } = annas();
  await chosen.set([choice(1)]);

  chosen.release();

  assert.deepEqual(told, ["hold", "hold_ended"]);
});

test("where the site holds nothing, the times are only kept, and it is said which of them is full by now", async () => {
  const { chosen, server, told } = annas({ holds_on: false });
  await chosen.set([choice(2, 2), choice(1)]);

  chosen.seatsMoved([{ ...slot(2), booked: 3, version: 2 }, { ...slot(1), booked: 3, version: 2 }], new Map());

  assert.deepEqual(server.lines, []);
  assert.deepEqual(told.filter((what) => what !== "onHold"), ["full yoga.2"]);
});
