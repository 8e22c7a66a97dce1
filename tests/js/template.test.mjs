import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

const ROOT = new URL("../../", import.meta.url);
const page = (name) => readFileSync(new URL(`widget_server/templates/${name}`, ROOT), "utf8");

test("the widget's page asks for every module at once", () => {
  const modules = readdirSync(new URL("widget_static/widget/", ROOT)).map((name) => name.replace(".js", ""));
  const list = /for module in \[([^\]]+)\]/.exec(page("widget.html"))[1];
  const preloaded = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name);

  assert.deepEqual([...preloaded, "main"].sort(), modules.sort());
});

test("no page has a script or a style in it: their policy forbids both", () => {
  for (const name of ["widget.html", "order.html"]) {
    assert.doesNotMatch(page(name), /<style|\sstyle=|\son\w+=/, name);
    for (const [script] of page(name).matchAll(/<script[^>]*>/g))
      assert.match(script, /src=|type="application\/json"/, name);
  }
});

test("no module writes HTML from text", () => {
  const names = readdirSync(new URL("widget_static/widget/", ROOT)).map((name) => `widget/${name}`);
  for (const name of [...names, "order.js", "embed.js"]) {
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
