// @ts-check
/** The only place to choose a service. */

import { element, icon } from "./elements.js";

/** @typedef {import("./api.js").Service} Service */

export class ServiceList {
  /**
   * @param {import("./words.js").Words} words
   * @param {Service[]} services
   * @param {(service: Service) => void} onChoose
   */
  constructor(words, services, onChoose) {
    this.heading = element("h2", { class: "step-name", tabindex: "-1" }, words.say("services.title"));
    this.element = element(
      "div",
      { class: "services" },
      this.heading,
      services.length === 0 && element("p", { class: "day-hint" }, words.say("services.none")),
      element(
        "ul",
        {},
        services.map((service) =>
          element(
            "li",
            {},
            element(
              "button",
              { type: "button", class: "service", "data-service": service.id, onclick: () => onChoose(service) },
              element("span", { class: "service-name" }, service.name),
              element("span", { class: "service-description" }, service.description),
              facts(service, words),
              icon("next"),
            ),
          ),
        ),
      ),
    );
  }

  focus() {
    this.heading.focus();
  }
}

/**
 * @param {Service} service
 * @param {import("./words.js").Words} words
 */
export function facts(service, words) {
  const isOfSeat = service.price.amount > 0 && service.seats_per_booking_max > 1;
  const price = words.say(isOfSeat ? "price.seat" : "price.one", { price: words.money(service.price) });
  return element(
    "span",
    { class: "meta" },
    element("span", {}, icon("clock"), words.length(service.length_minutes)),
    element("span", {}, icon(service.place === "online" ? "online" : "place"), words.say(`place.${service.place}`)),
    element("span", { class: "price" }, price),
  );
}
