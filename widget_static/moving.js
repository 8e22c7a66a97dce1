// @ts-check
/** The only place for moving a booking: the next free times of its service, one of which takes the place of its own. */

import { newId, Refused } from "./widget/api.js";
import { addDays, dayAt } from "./widget/dates.js";
import { element, fill, icon } from "./widget/elements.js";
import { isMovePaid } from "./paying_move.js";
import { patiently } from "./widget/patience.js";
import { sentenceFor } from "./widget/problems.js";

/** @typedef {import("./widget/api.js").Slot} Slot */
/** @typedef {import("./widget/api.js").Order} Order */

/** As many as one question may ask for. */
const DAYS_AT_ONCE = 31;
/** After these, other times may be free than those that are shown. */
const OUTDATED = ["slot_full", "slot_closed", "too_soon", "too_far", "hold_ended"];

export class Moving {
  #api;
  #words;
  #claim;
  #zone;
  #order;
  #onMoved;
  #onToPay;
  /** @type {string} */ #from;
  /** @type {Slot[]} */ #free = [];
  /** What is chosen, and under which id it is asked for. @type {{slot: string, id: string} | null} */ #choice = null;
  #isMoving = false;
  #toMove = "";
  /** What is to be settled, as the customer has last been told. @type {import("./widget/api.js").Money} */ #difference;

  /**
   * @param {{api: import("./orders_api.js").OrdersApi, words: import("./widget/words.js").Words, claim: import("./widget/api.js").Claim,
   *   zone: () => string}} parts  `zone` is the one that times are shown in
   * @param {{order: Order, booking: import("./widget/api.js").Booking, from: string}} wanted  from this day of the site's zone on
   * @param {{onMoved: (order: Order) => void, onToPay: (order: Order) => void, onStop: () => void}} listeners
   *   to pay: it moves once that is done
   */
  constructor({ api, words, claim, zone }, { order, booking, from }, { onMoved, onToPay, onStop }) {
    this.#api = api;
    this.#words = words;
    this.#claim = claim;
    this.#zone = zone;
    this.#order = order;
    this.booking = booking;
    this.#from = from;
    this.#difference = booking.move_difference;
    this.#onMoved = onMoved;
    this.#onToPay = onToPay;
    this.heading = element("h2", { id: "moving", tabindex: "-1" }, words.say("moving.title"));
    this.days = element("select", { id: "moving-day", onchange: () => this.#showTimes() });
    this.choice = element("div", { class: "moving-choice" });
    this.settled = element("p", { class: "settled", role: "status" });
    this.told = element("div", { role: "alert" });
    this.move = element(
      "button",
      { type: "button", class: "button primary", onclick: () => void this.#move() },
    );
    this.#showDifference();
    this.element = element(
      "section",
      { class: "moving", "aria-labelledby": "moving" },
      this.heading,
      element("p", { class: "quiet" }, words.say("moving.note")),
      this.choice,
      this.settled,
      this.told,
      element(
        "div",
        { class: "row" },
        this.move,
        element("button", { type: "button", class: "button", onclick: onStop }, words.say("moving.keep")),
      ),
    );
  }

  async load() {
    const [words, from] = [this.#words, this.#from];
    this.#choice = null;
    fill(this.choice, element("p", { role: "status", class: "quiet" }, words.say("moving.loading")));
    try {
      const days = { from, to: addDays(from, DAYS_AT_ONCE - 1) };
      const { slots } = await patiently(() => this.#api.availability(this.booking.service, days));
      const taken = this.#order.bookings.map(({ slot }) => slot);
      this.#free = slots.filter(({ id, state, left }) => {
        return state === "open" && left >= this.booking.seats && !taken.includes(id);
      });
    } catch (problem) {
      this.#free = [];
      this.#tell(sentenceFor(problem, words, this.#zone()));
    }
    this.show();
  }

  /** Anew, also when times are to be shown in another zone. */
  show() {
    const words = this.#words;
    const days = [...new Set(this.#free.map((slot) => this.#dayOf(slot)))];
    fill(
      this.days,
      days.map((day) => element("option", { value: day }, words.day(day))),
    );
    this.times = element("fieldset", { class: "slots" });
    fill(
      this.choice,
      days.length > 0
        ? [
            element(
              "div",
              { class: "field" },
              element("label", { for: "moving-day" }, words.say("moving.day")),
              this.days,
            ),
            this.times,
          ]
        : element("p", { role: "status", class: "quiet" }, words.say("moving.none")),
      element(
        "button",
        { type: "button", class: "button plain", onclick: () => void this.#later() },
        words.say("moving.later"),
      ),
    );
    this.#showTimes();
  }

  #showTimes() {
    const [words, day] = [this.#words, this.days.value];
    const ofDay = this.#free.filter((slot) => this.#dayOf(slot) === day);
    if (!ofDay.some(({ id }) => id === this.#choice?.slot)) this.#choice = null;
    if (!this.times) return;
    fill(
      this.times,
      element("legend", { class: "unseen" }, words.say("moving.time")),
      ofDay.map((slot) => this.#time(slot)),
    );
  }

  /** @param {Slot} slot */
  #time(slot) {
    const words = this.#words;
    const choose = () => {
      this.#choice = { slot: slot.id, id: newId() };
      fill(this.told);
    };
    const [startsMs, endsMs] = [Date.parse(slot.starts_at), Date.parse(slot.ends_at)];
    return element(
      "label",
      { class: "slot is-open slot-pick", "data-slot": slot.id },
      element("input", {
        type: "radio",
        name: "time",
        checked: slot.id === this.#choice?.slot,
        onchange: choose,
      }),
      element("span", { class: "slot-time" }, words.times(startsMs, endsMs, this.#zone())),
    );
  }

  /** Before it is agreed to. */
  #showDifference() {
    const { amount, currency } = this.#difference;
    const price = this.#words.money({ amount: Math.abs(amount), currency });
    this.settled.textContent = amount ? this.#words.say(amount < 0 ? "moving.less" : "moving.more", { price }) : "";
    this.settled.hidden = amount === 0;
    this.#toMove = this.#words.say(amount > 0 ? "moving.pay" : "moving.move", { price });
    this.move.textContent = this.#toMove;
  }

  async #later() {
    this.#from = addDays(this.#from, DAYS_AT_ONCE);
    fill(this.told);
    await this.load();
    (this.#free.length > 0 ? this.days : this.heading).focus();
  }

  async #move() {
    const [words, choice] = [this.#words, this.#choice];
    if (this.#isMoving) return;
    if (!choice) return this.#tell(words.say("moving.choose"));
    this.#isMoving = true;
    this.move.textContent = words.say("moving.going");
    fill(this.told);
    const lines = this.#order.bookings.map(({ slot, seats }) => ({
      slot: slot === this.booking.slot ? choice.slot : slot,
      seats,
    }));
    try {
      const wanted = { id: choice.id, lines, ...(this.#difference.amount && { difference: this.#difference }) };
      const { order } = await patiently(() => this.#api.reschedule(this.#claim, wanted));
      if (isMovePaid(order)) this.#onToPay(order);
      else this.#onMoved(order);
    } catch (problem) {
      await this.#failed(problem);
    } finally {
      this.#isMoving = false;
      this.move.textContent = this.#toMove;
    }
  }

  /** @param {unknown} problem */
  async #failed(problem) {
    const isOutdated = problem instanceof Refused && OUTDATED.includes(problem.code);
    const isPriced = problem instanceof Refused && problem.code === "price_changed";
    // A no is for good under this id: whoever tries again asks anew.
    if ((isOutdated || isPriced) && this.#choice) this.#choice.id = newId();
    if (isPriced) await this.#askPrice(problem.details.difference);
    this.#tell(isOutdated ? this.#words.say("moving.taken") : sentenceFor(problem, this.#words, this.#zone()));
    if (isOutdated) await this.load();
  }

  /** @param {import("./widget/api.js").Money | undefined} told  by whoever said no, if they knew */
  async #askPrice(told) {
    const order = told ? null : (await this.#api.order(this.#claim).catch(() => null))?.order;
    const present = order?.bookings.find(({ slot }) => slot === this.booking.slot);
    this.#difference = told ?? present?.move_difference ?? this.#difference;
    this.#showDifference();
  }

  /** @param {string} sentence */
  #tell(sentence) {
    fill(this.told, element("p", { class: "notice is-problem" }, icon("warning"), sentence));
  }

  /** @param {Slot} slot */
  #dayOf(slot) {
    return dayAt(Date.parse(slot.starts_at), this.#zone());
  }
}
