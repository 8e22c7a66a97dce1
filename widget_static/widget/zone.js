// @ts-check
/** The only place that knows in which zone times are shown: the visitor's, or the site's if they prefer. */

import { deviceZone, sameWall } from "./dates.js";
import { element, icon } from "./elements.js";

export class ZoneChoice {
  /** @type {string} */ current;

  /**
   * @param {import("./api.js").Site} site
   * @param {import("./words.js").Words} words
   * @param {number} nowMs
   * @param {() => void} onChange
   */
  constructor(site, words, nowMs, onChange) {
    this.own = deviceZone();
    this.site = site.zone;
    this.differs = !sameWall(this.own, this.site, nowMs);
    this.current = this.differs ? this.own : this.site;
    this.element = element(
      "div",
      { class: "zone" },
      icon("globe"),
      this.differs
        ? this.#choice(site, words, onChange)
        : element("span", {}, words.say("zone.one", { city: words.city(this.site) })),
    );
  }

  /**
   * @param {import("./api.js").Site} site
   * @param {import("./words.js").Words} words
   * @param {() => void} onChange
   */
  #choice(site, words, onChange) {
    const zones = [
      { zone: this.own, label: words.say("zone.own", { city: words.city(this.own) }) },
      { zone: this.site, label: words.say("zone.site", { city: words.city(this.site), site: site.name }) },
    ];
    const change = (/** @type {Event} */ event) => {
      this.current = /** @type {HTMLSelectElement} */ (event.target).value;
      onChange();
    };
    return element(
      "label",
      {},
      element("span", {}, words.say("zone.label")),
      element(
        "select",
        { onchange: change },
        zones.map(({ zone, label }) => element("option", { value: zone }, label)),
      ),
    );
  }
}

/**
 * When it is on the site's clock, where that is another than the one shown; else null.
 * @param {{startsMs: number, endsMs: number}} times
 * @param {{shown: string, site: string}} zones
 * @param {import("./words.js").Words} words
 */
export function siteTime({ startsMs, endsMs }, { shown, site }, words) {
  if (sameWall(shown, site, startsMs)) return null;
  return words.say("zone.there", { times: words.times(startsMs, endsMs, site), city: words.city(site) });
}
