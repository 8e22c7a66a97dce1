// @ts-check
/** The only place for the last step: it is booked, and this is the way back to it. */

import { calendarButton } from "./calendar_file.js";
import { element, icon } from "./elements.js";
import { ticket } from "./ticket.js";

const COPIED_MS = 2_500;
const LINK =
  "M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7L12 17.7";

/**
 * What the link is kept for: nobody is promised to move or cancel what starts too soon for that.
 * @param {import("./api.js").Order} order
 * @param {number} nowMs
 */
export function whatFor({ customer, bookings, cancel_until }, nowMs) {
  if (!customer.email) return "done.only_link";
  const instants = [cancel_until ?? "", ...bookings.map(({ move_until }) => move_until)];
  return instants.some((until) => Date.parse(until) > nowMs) ? "done.link" : "done.link_to_look";
}

export class Confirmation {
  /**
   * @param {{api: import("./api.js").Api, words: import("./words.js").Words, zone: string, site: import("./api.js").Site, nowMs: number}} at
   * @param {{order: import("./api.js").Order, url: URL}} booked  the second is of its page, with its secret
   * @param {{onAnother: () => void}} listeners
   */
  constructor({ api, words, zone, site, nowMs }, { order, url }, { onAnother }) {
    const { email } = order.customer;
    const secret = url.hash.slice(1);
    this.mark = element("div", { class: "done-mark", "aria-hidden": "true" }, icon("check"));
    this.heading = element("h1", { class: "done-title", tabindex: "-1" }, words.say("done.title"));
    this.element = element(
      "div",
      { class: "done" },
      this.mark,
      this.heading,
      element("p", { class: "done-number" }, words.say("done.number"), " ", element("strong", {}, order.number)),
      order.payment && element("p", { class: "done-number" }, words.say("paid.paid"), " ", element("strong", {}, words.money(order.payment.paid))),
      site.mails && email && element("p", { class: "done-mail" }, words.say("done.mail", { email })),
      order.bookings.map((booking) => bookingCard(booking, order, { words, zone, siteZone: site.zone })),
      secret && calendarButton(api, { id: order.id, secret }, words),
      element(
        "div",
        { class: "done-link" },
        element("p", {}, words.say(whatFor(order, nowMs))),
        element(
          "div",
          { class: "row" },
          element(
            "a",
            { class: "button primary", href: url.href, target: "_blank", rel: "noopener" },
            words.say("done.open"),
          ),
          copyButton(url.href, words),
        ),
        receiptLink(order, url, words),
      ),
      element("button", { type: "button", class: "button plain", onclick: onAnother }, words.say("done.another")),
    );
  }

  focus() {
    this.heading.focus();
    this.mark.scrollIntoView({ block: "nearest" });
  }
}

/**
 * Where there was a price: to be printed or kept.
 * @param {import("./api.js").Order} order
 * @param {URL} url  of its page, with its secret
 * @param {import("./words.js").Words} words
 */
export function receiptLink({ payment, coupon }, url, words) {
  if (!payment?.paid.amount && !coupon) return null;
  const receipt = new URL(url);
  receipt.pathname += "/receipt";
  return element("p", {}, element("a", { href: receipt.href, target: "_blank", rel: "noopener" }, words.say("receipt.link")));
}

/**
 * @param {import("./api.js").Booking} booking
 * @param {import("./api.js").Order} order  that it belongs to
 * @param {{words: import("./words.js").Words, zone: string, siteZone: string}} at
 */
export function bookingCard(booking, { bookings }, at) {
  // Of several times at the same place, the last one says how to get there.
  const last = bookings.findLast(({ access, state }) => access === booking.access && state === "confirmed");
  const [startsMs, endsMs] = [Date.parse(booking.starts_at), Date.parse(booking.ends_at)];
  return element(
    "div",
    { class: "booking" },
    ticket(
      {
        startsMs,
        endsMs,
        name: booking.service_name,
        seats: booking.seats,
        place: booking.place,
        servedBy: booking.served_by,
      },
      at,
    ),
    booking.access && last === booking && access(booking, at.words),
  );
}

/**
 * How to get there. An address on the web becomes a link; everything else stays the text it is.
 * @param {import("./api.js").Booking} booking
 * @param {import("./words.js").Words} words
 */
function access({ access: text, place }, words) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+)/);
  return element(
    "div",
    { class: "access" },
    element("h2", {}, icon(place === "online" ? "online" : "place"), words.say(`access.${place}`)),
    element(
      "p",
      {},
      parts.map((part, index) =>
        index % 2 ? element("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part,
      ),
    ),
  );
}

/**
 * @param {string} url
 * @param {import("./words.js").Words} words
 */
export function copyButton(url, words) {
  const button = element(
    "button",
    { type: "button", class: "button", onclick: () => void copy() },
    icon("link", LINK),
    words.say("done.copy"),
  );
  const copy = async () => {
    await navigator.clipboard.writeText(url);
    button.lastChild?.replaceWith(words.say("done.copied"));
    setTimeout(() => button.lastChild?.replaceWith(words.say("done.copy")), COPIED_MS);
  };
  button.hidden = !navigator.clipboard;
  return button;
}
