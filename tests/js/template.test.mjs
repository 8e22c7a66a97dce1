import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

const ROOT = new URL("../../", import.meta.url);
const page = (name) => readFileSync(new URL(`widget_server/templates/${name}`, ROOT), "utf8");

/** The modules that these import, and what those import; not what they fetch later. */
function imported(modules, found = new Set()) {
  for (const module of modules) {
    if (found.has(module)) continue;
    found.add(module);
    const source = readFileSync(new URL(`widget_static/widget/${module}.js`, ROOT), "utf8");
    imported([...source.matchAll(/^import .* from "\.\/(\w+)\.js";$/gm)].map(([, name]) => name), found);
  }
  return found;
}

test("the widget's page asks at once for every module that it needs at once, and for no other", () => {
  const list = /for module in \[([^\]]+)\]/.exec(page("widget.html"))[1];
  const preloaded = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name);

  assert.deepEqual([...preloaded, "main"].sort(), [...imported(["main"])].sort());
});

test("every module is reached from the first, at once or later", () => {
  const modules = readdirSync(new URL("widget_static/widget/", ROOT)).map((name) => name.replace(".js", ""));
  const visit = readFileSync(new URL("widget_static/widget/visit.js", ROOT), "utf8");
  const later = [...visit.matchAll(/\[?import\("\.\/(\w+)\.js"\)[,\]]/g)].map(([, name]) => name);

  assert.deepEqual([...imported(["main", ...later])].sort(), modules.sort());
});

test("no page has a script or a style in it: their policy forbids both", () => {
  for (const name of ["widget.html", "customer.html"]) {
    assert.doesNotMatch(page(name), /<style|\sstyle=|\son\w+=/, name);
    for (const [script] of page(name).matchAll(/<script[^>]*>/g))
      assert.match(script, /src=|type="application\/json"/, name);
  }
});

test("no module writes HTML from text", () => {
  const names = readdirSync(new URL("widget_static/widget/", ROOT)).map((name) => `widget/${name}`);
  for (const name of [...names, "order.js", "receipt.js", "my.js", "link.js", "order_news.js", "cancelling.js", "paid.js", "booked.js", "moving.js", "asked.js", "embed.js"]) {
    assert.doesNotMatch(
      readFileSync(new URL(`widget_static/${name}`, ROOT), "utf8"),
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|"\*"/,
      name,
    );
  }
});

test("no module keeps anything in the frame: no cookies, no storage", () => {
  for (const name of readdirSync(new URL("widget_static/widget/", ROOT))) {
    assert.doesNotMatch(
      readFileSync(new URL(`widget_static/widget/${name}`, ROOT), "utf8"),
      /localStorage|sessionStorage|indexedDB|document\.cookie|caches\./,
      name,
    );
  }
});
