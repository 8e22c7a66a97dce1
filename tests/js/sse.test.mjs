import assert from "node:assert/strict";
import test from "node:test";

import { EventParser } from "../../widget_static/widget/sse.js";

test("an event is read whole, with its kind, id and text", () => {
  const parser = new EventParser();

  assert.deepEqual(parser.read('event: seats\nid: 3.17-0\ndata: {"slots":[]}\n\n'), [
    { kind: "seats", id: "3.17-0", text: '{"slots":[]}' },
  ]);
});

test("an event may arrive in pieces that end anywhere", () => {
  const text =
    'retry: 1500\r\n\r\nevent: hello\r\ndata: {"a":\r\ndata: 1}\r\n\r\n: .\r\n\r\nevent: bye\r\ndata: {}\r\n\r\n';

  for (let at = 0; at <= text.length; at += 1) {
    const parser = new EventParser();
    const events = [...parser.read(text.slice(0, at)), ...parser.read(text.slice(at))];
    assert.deepEqual(
      events.map(({ kind, text: data }) => [kind, data]),
      [
        ["hello", '{"a":\n1}'],
        ["bye", "{}"],
      ],
      `split at ${at}`,
    );
    assert.equal(parser.retryMs, 1500);
  }
});

test("a heartbeat is no event", () => {
  assert.deepEqual(new EventParser().read(": .\n\n: .\n\n"), []);
});

test("an event without an end is given up before it fills the memory", () => {
  const parser = new EventParser();

  assert.throws(() => {
    for (let count = 0; count < 20; count += 1) parser.read("x".repeat(100_000));
  }, RangeError);
});
