// @ts-check
/** The only place for the receipt of an order: to be read, printed or kept. Reading it changes nothing. */

import { orderPageOf, takeSecret, withSecret } from "./link.js";
import { OrdersApi } from "./orders_api.js";
import { applyAccent } from "./widget/accent.js";
import { Refused } from "./widget/api.js";
import { ServerClock } from "./widget/clock.js";
import { dayAt } from "./widget/dates.js";
import { element, fill, icon } from "./widget/elements.js";
import { patiently } from "./widget/patience.js";
import { sentenceFor } from "./widget/problems.js";
import { fetchWords, knownLocale } from "./widget/words.js";

/** @typedef {import("./orders_api.js").Receipt} Receipt */
/** @typedef {import("./widget/words.js").Words} Words */

/**
 * @param {Receipt} receipt
 * @param {Words} words
 * @param {string} zone  of the site: a receipt is the same wherever it is read
 */
function contents(receipt, words, zone) {
  const { seller, customer, number, receipt_number, ordered_at } = receipt;
  return [
    element("p", { class: "seller" }, element("strong", {}, seller.name), seller.about && `\n${seller.about}`),
    element(
      "dl",
      {},
      fact(words.say("receipt.number"), receipt_number),
      fact(words.say("done.number"), number),
      fact(words.say("receipt.date"), words.fullDay(dayAt(Date.parse(ordered_at), zone))),
      customer.name ? fact(words.say("receipt.for"), words.joined(customer.name, customer.email)) : [],
    ),
    table(receipt, words, zone),
    receipt.tax && element("p", { class: "quiet" }, receipt.tax),
  ];
}

/**
 * @param {Receipt} receipt
 * @param {Words} words
 * @param {string} zone
 */
function table(receipt, words, zone) {
  const { lines, coupon, total, paid, paid_by, payments, refunds, disputed } = receipt;
  const each = payments.map(({ amount, at, paid_by: by }) => {
    const day = words.fullDay(dayAt(Date.parse(at), zone));
    return sum(words.joined(words.say("receipt.paid"), by, day), words.money(amount));
  });
  const sums = [
    coupon && sum(`${words.say("order.coupon")} ${coupon.code}`, `\u2212${words.money(coupon.discount)}`),
    sum(words.say("order.total"), words.money(total), "sum"),
    ...(each.length > 1 ? each : [paid.amount > 0 && sum(words.joined(words.say("receipt.paid"), paid_by), words.money(paid))]),
    ...refunds.map(({ amount, at, state }) => {
      const key = state === "done" ? "paid.refunded" : "paid.refunding";
      return sum(words.joined(words.say(key), words.fullDay(dayAt(Date.parse(at), zone))), words.money(amount));
    }),
    disputed.amount > 0 && sum(words.say("receipt.disputed"), words.money(disputed)),
  ];
  return element(
    "table",
    {},
    element("caption", { class: "unseen" }, words.say("receipt.title")),
    element("tbody", {}, lines.map((line) => row(line, words, zone))),
    element("tfoot", {}, sums),
  );
}

/**
 * @param {Receipt["lines"][number]} line
 * @param {Words} words
 * @param {string} zone
 */
function row({ service_name, starts_at, ends_at, seats, unit_price, price, state }, words, zone) {
  const [startsMs, endsMs] = [Date.parse(starts_at), Date.parse(ends_at)];
  const when = words.joined(words.fullDay(dayAt(startsMs, zone)), words.times(startsMs, endsMs, zone));
  const each = words.joined(words.say("seats.count", { count: seats }), seats > 1 && words.say("price.seat", { price: words.money(unit_price) }));
  return element(
    "tr",
    { class: `is-${state}` },
    element(
      "th",
      { scope: "row" },
      element("span", { class: "what" }, service_name),
      element("span", { class: "quiet" }, when),
      element("span", { class: "quiet" }, each),
      state === "cancelled" && element("span", { class: "quiet" }, words.say("order.state.cancelled")),
    ),
    element("td", { class: "amount" }, words.money(price)),
  );
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} [kind]
 */
function sum(name, value, kind = "") {
  return element("tr", { class: kind }, element("th", { scope: "row" }, name), element("td", { class: "amount" }, value));
}

/**
 * @param {string} name
 * @param {string} value
 */
function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

/**
 * @param {HTMLElement} stage
 * @param {Words} words
 * @param {() => Promise<Receipt>} ask
 * @param {{zone: string, back: string}} at  the second: the address of the order page
 */
async function show(stage, words, ask, at) {
  try {
    const receipt = await patiently(ask);
    const print = element("button", { type: "button", class: "button primary", onclick: () => window.print() }, words.say("receipt.print"));
    const order = element("a", { class: "button", href: at.back }, words.say("receipt.back"));
    const note = receipt.test && element("p", { class: "notice" }, icon("warning"), words.say("test.ribbon"));
    fill(stage, note, ...contents(receipt, words, at.zone), element("div", { class: "row" }, print, order));
  } catch (problem) {
    const isWrong = problem instanceof Refused && problem.status < 429;
    const sentence = isWrong ? words.say("receipt.none") : sentenceFor(problem, words);
    const again = element("button", { type: "button", class: "button", onclick: () => void show(stage, words, ask, at) }, words.say("order.again"));
    const notice = element("div", {}, element("p", {}, sentence), !isWrong && element("div", { class: "row" }, again));
    fill(stage, element("div", { class: "notice", role: "alert" }, icon("warning"), notice));
  }
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("receipt"));
  const { site, order } = JSON.parse(document.getElementById("boot")?.textContent ?? "");
  applyAccent(site.accent, () => document.documentElement.dataset.theme ?? "auto");
  const words = await fetchWords(knownLocale(new URLSearchParams(location.search).get("lang"), site.locale));
  document.documentElement.lang = words.locale;
  document.documentElement.dir = words.direction;
  document.title = `${words.say("receipt.title")} · ${site.name}`;
  const stage = element("div", { class: "stage order-card" });
  const title = element("h1", {}, words.say("receipt.title"));
  fill(root, element("header", { class: "top" }, element("div", { class: "top-text" }, element("div", { class: "top-above" }, site.name), title)), stage);
  root.removeAttribute("aria-busy");
  const api = new OrdersApi(site.key, new ServerClock());
  const claim = { id: order, secret: takeSecret() };
  const back = withSecret(orderPageOf(location.href), claim.secret);
  await show(stage, words, async () => (await api.receipt(claim)).receipt, { zone: site.zone, back });
  addEventListener("hashchange", () => location.reload());
}

void start();
