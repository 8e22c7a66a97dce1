import assert from "node:assert/strict";
import test from "node:test";

import { Refused, Unreachable } from "../../widget_static/widget/api.js";
import { send } from "../../widget_static/widget/confirming.js";
import { HoldKeeper, mayBeOurs } from "../../widget_static/widget/hold.js";

const LINES = [{ slot: "yoga.20261126T0830Z.60", seats: 2 }];
const ANNA = { customer: { name: "Anna", email: "", zone: "UTC", locale: "en" } };

/** A hundred times faster: how long is waited before anybody asks again, patience.test.mjs sees. */
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (act, ms) => later(act, ms / 100);

/** A server that does as told: `plan` has per question "lost" (done, but the answer lost), a refusal, or nothing. */
class FakeServer {
  holds = new Map();
  /** What each hold has, and how often it has changed. */
  lines = new Map();
  versions = new Map();
  orders = new Map();
  asked = [];
  plan = [];

  #turn(what, act) {
    this.asked.push(what);
    const next = this.plan.shift();
    if (next instanceof Error) throw next;
    const answer = act();
    if (next === "lost") throw new Unreachable("the answer was lost");
    return answer;
  }

  #answer(id, state = "held") {
    return {
      hold: {
        id,
        state,
        lines: this.lines.get(id) ?? LINES,
        expires_at: "2026-11-21T12:10:00Z",
        limit_at: "2026-11-21T12:30:00Z",
        version: this.versions.get(id) ?? 1,
      },
      server_now: "2026-11-21T12:00:00Z",
    };
  }

  async hold({ id }) {
    return this.#turn("hold", () => {
      this.holds.set(id, "held");
      return this.#answer(id);
    });
  }

  async findHold({ id }) {
    return this.#turn("find", () => this.#answer(id, this.holds.get(id) ?? "expired"));
  }

  async change({ id }, version, lines) {
    return this.#turn("change", () => {
      const now = this.versions.get(id) ?? 1;
      const isAgain = now === version + 1 && JSON.stringify(this.lines.get(id)) === JSON.stringify(lines);
      if (now !== version && !isAgain) throw new Refused(409, { code: "changed" }, null);
      this.lines.set(id, lines);
      this.versions.set(id, version + 1);
      return this.#answer(id);
    });
  }

  async release({ id }) {
    return this.#turn("release", () => this.holds.set(id, "released"));
  }

  async confirm({ id }, body) {
    return this.#turn("confirm", () => {
      const text = JSON.stringify(body);
      if (this.orders.has(id) && this.orders.get(id) !== text) throw new Refused(409, { code: "id_conflict" }, null);
      this.orders.set(id, text);
      this.holds.set(id, "confirmed");
      return { order: { id, number: "ABCD-2345" }, server_now: "2026-11-21T12:00:00Z" };
    });
  }
}

function keeper() {
  const server = new FakeServer();
  return { server, keeper: new HoldKeeper(server, () => {}) };
}

const confirm = (keeper, api, wanted) => send({ api, keeper }, wanted, { isHeld: true, isPriced: false });

test("a hold whose answer was lost is asked for again under the same id", async () => {
  const { server, keeper: anna } = keeper();
  server.plan = ["lost"];

  await anna.take(LINES);

  assert.deepEqual(server.asked, ["hold", "hold"]);
  assert.equal(server.holds.size, 1);
});

test("a refusal is not repeated", async () => {
  const { server, keeper: anna } = keeper();
  server.plan = [new Refused(409, { code: "slot_full", left: 1 }, null)];

  await assert.rejects(anna.take(LINES), { code: "slot_full" });
  assert.deepEqual(server.asked, ["hold"]);
  assert.equal(anna.current, null);
});

test("after a refusal the next wish has an id of its own", async () => {
  const { server, keeper: anna } = keeper();
  server.plan = [new Refused(409, { code: "id_conflict" }, null)];
  await assert.rejects(anna.take(LINES));

  await anna.take(LINES);

  assert.equal(server.holds.size, 1);
  assert.ok(anna.current);
});

test("a confirmation whose answer was lost books once, whatever was typed meanwhile", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  server.plan = ["lost", "lost", "lost", "lost"];
  await assert.rejects(confirm(anna, server, ANNA), Unreachable);

  const answer = await confirm(anna, server, { customer: { ...ANNA.customer, name: "Anna Berg" } });

  assert.equal(answer.order.number, "ABCD-2345");
  assert.equal(server.orders.size, 1);
  assert.equal(JSON.parse([...server.orders.values()][0]).customer.name, "Anna");
});

test("after a refused confirmation the form may be mended and sent again", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  server.plan = [new Refused(400, { code: "invalid_request" }, null)];
  await assert.rejects(confirm(anna, server, { customer: { ...ANNA.customer, email: "anna@" } }));

  await confirm(anna, server, ANNA);

  assert.equal([...server.orders.values()][0], JSON.stringify({ ...ANNA, visitor: anna.visitor }));
});

test("a hold that turned into a booking behind a lost answer is still ours", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  server.plan = ["lost", "lost", "lost", "lost"];
  await assert.rejects(confirm(anna, server, ANNA));

  assert.equal((await anna.check()).state, "confirmed");
});

test("a hold is over only when the server says so", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  server.plan = [new Unreachable("offline")];

  await assert.rejects(anna.check(), Unreachable);
  assert.ok(anna.current);
  server.holds.set(anna.current.id, "expired");
  assert.equal(await anna.check(), null);
});

test("a hold that the operator has booked is over, and known to be booked", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  server.holds.set(anna.current.id, "confirmed");

  assert.equal(await anna.check(), null);
  assert.ok(anna.wasBooked);

  await anna.take(LINES);
  assert.ok(!anna.wasBooked);
});

const MORE = [...LINES, { slot: "yoga.20261203T0830Z.60", seats: 1 }];

test("a hold has other lines in place of its own, also where the answer was lost", async () => {
  const { server, keeper: anna } = keeper();
  const { id } = await anna.take(LINES);
  server.plan = ["lost"];

  await anna.change(MORE);

  assert.deepEqual([anna.current.id, anna.current.lines, anna.current.version], [id, MORE, 2]);
  assert.deepEqual(server.asked, ["hold", "change", "change"]);
});

test("a hold that was only prolonged meanwhile has its other lines all the same", async () => {
  const { server, keeper: anna } = keeper();
  const { id } = await anna.take(LINES);
  server.versions.set(id, 2);

  await anna.change(MORE);

  assert.deepEqual([anna.current.lines, anna.current.version], [MORE, 3]);
});

test("lines that somebody has changed elsewhere are not written over, but known from then on", async () => {
  const { server, keeper: anna } = keeper();
  const { id } = await anna.take(LINES);
  const elsewhere = [{ ...LINES[0], seats: 3 }];
  server.lines.set(id, elsewhere);
  server.versions.set(id, 2);

  await assert.rejects(anna.change(MORE), { code: "changed" });

  assert.deepEqual([anna.current.lines, server.lines.get(id)], [elsewhere, elsewhere]);
});

test("what cannot be had besides leaves the hold as it is", async () => {
  const { server, keeper: anna } = keeper();
  const before = await anna.take(LINES);
  server.plan = [new Refused(409, { code: "slot_full", left: 0, slot: MORE[1].slot }, null)];

  await assert.rejects(anna.change(MORE), { code: "slot_full" });

  assert.equal(anna.current, before);
});

test("a hold found after a reload belongs to the same visitor", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  const kept = { id: anna.current.id, secret: anna.current.secret, visitor: anna.visitor };
  const again = new HoldKeeper(server, () => {});

  await again.find(kept);

  assert.equal(again.current.id, kept.id);
  assert.equal(again.visitor, kept.visitor);
});

test("a hold that is found once something else is held is given back, and takes nobody's place", async () => {
  const { server, keeper: anna } = keeper();
  const { id, secret } = await anna.take(LINES);
  const again = new HoldKeeper(server, () => {});
  server.plan = [new Unreachable("it takes a while")];
  const finding = again.find({ id, secret, visitor: anna.visitor }, async () => again.current !== null);
  const other = await again.take(MORE);

  assert.equal(await finding, null);

  assert.equal(again.current, other);
  assert.deepEqual([server.holds.get(id), server.holds.get(other.id)], ["released", "held"]);
});

test("giving back is told at once and repeated until it arrived", async () => {
  const { server, keeper: anna } = keeper();
  await anna.take(LINES);
  const { id } = anna.current;
  server.plan = [new Refused(503, { code: "unavailable" }, 0), ...Array(4).fill(new Unreachable("no line"))];

  anna.release();
  assert.equal(anna.current, null);
  assert.equal(anna.leaving.id, id);
  for (const until = performance.now() + 60_000; server.asked.length < 7 && performance.now() < until; ) await new Promise(setImmediate);

  assert.equal(server.holds.get(id), "released");
  assert.deepEqual(server.asked, ["hold", ...Array(6).fill("release")]);
});

test("news that may be of our own hold is told from what others do", () => {
  const before = { held: 5, booked: 3, version: 7 };
  const after = (held, booked, version = 8) => mayBeOurs(before, { held, booked, version }, 2);

  assert.ok(after(3, 3), "ours may have been given back");
  assert.ok(after(3, 5), "ours may have been booked");
  assert.ok(after(5, 3), "ours may have been prolonged");
  assert.ok(after(1, 3), "ours is surely gone");
  assert.ok(after(7, 3, 9), "we have missed a step");
  assert.ok(mayBeOurs(undefined, before, 2), "we have not seen it before");
  assert.ok(!after(6, 3), "somebody else took a seat");
  assert.ok(!after(4, 3), "somebody else gave one back");
  assert.ok(!after(4, 4), "somebody else has booked");
  assert.ok(!after(5, 2), "somebody else has cancelled");
});
