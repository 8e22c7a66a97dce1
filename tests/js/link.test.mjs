import assert from "node:assert/strict";
import test from "node:test";

import { exchange, orderPageOf, takeSecret, withSecret } from "../../widget_static/link.js";

const PAGE = "https://receipts.example.org/o/studio/AAAA";

/** A tab whose address Anna has opened. */
function opens(href) {
  globalThis.location = { href };
  globalThis.history = {
    state: null,
    replaceState(state, _, url) {
      this.state = state;
      globalThis.location = { href: url };
    },
  };
}

test("the secret of a link is in the address no more, and still there after a reload", () => {
  opens(`${PAGE}?lang=de#secret`);

  assert.equal(takeSecret(), "secret");
  assert.equal(location.href, `${PAGE}?lang=de`);
  assert.equal(takeSecret(), "secret");
  opens(PAGE);
  assert.equal(takeSecret(), "");
});

test("whoever comes from the pay page exchanges their code for a secret, once", async () => {
  opens(`${PAGE}?paying=done#return=code`);
  const [claim, asked] = [{ id: "AAAA", secret: takeSecret() }, []];
  const api = { comeBack: async (id, code) => (asked.push([id, code]), { order_secret: "secret" }) };

  await exchange(api, claim);
  await exchange(api, claim);

  assert.deepEqual(asked, [["AAAA", "code"]]);
  assert.equal(claim.secret, "secret");
  assert.equal(takeSecret(), "secret");
  assert.equal(location.href, `${PAGE}?paying=done`);
});

test("from a receipt the way back leads to its order, whatever the server is called", () => {
  assert.equal(orderPageOf(`${PAGE}/receipt?lang=de`), `${PAGE}?lang=de`);
  assert.equal(withSecret(orderPageOf(`${PAGE}/receipt`), "secret"), `${PAGE}#secret`);
});
