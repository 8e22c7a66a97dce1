// @ts-check
/** The only place that owns the visitor's hold: its id and secret, taking, renewing and giving it back. */

import { newId, Refused, Unreachable } from "./api.js";
import { patiently } from "./patience.js";

/** The feed tells that seats are free again about when the answer comes; after this it will not come any more. */
const LEAVING_MAX_MS = 2_000;
/** Some minutes without a line: until it has arrived, the seats are held, also from whoever gives them back. */
const RELEASE_TRIES = 9;

/**
 * @typedef {import("./api.js").Line} Line
 * @typedef {{id: string, secret: string, state: string, lines: Line[], expiresMs: number, limitMs: number,
 *   version: number}} Hold
 */

export class HoldKeeper {
  /** @type {Hold | null} */ current = null;
  /** One that is just being given back: its seats are still counted as held. */
  /** @type {Hold | null} */ leaving = null;
  /** Whether the last hold became a booking without us: the site's operator has booked it. */
  wasBooked = false;
  visitor = newId();
  #api;
  #onChange;
  /** An id whose fate is unknown is used again for the same wish, so that it cannot be granted twice. */
  /** @type {{id: string, secret: string, wish: string} | null} */ open = null;
  /** What was confirmed with an unknown outcome: only the very same may be sent again. */
  /** @type {{id: string, body: import("./api.js").Confirmation} | null} */ sent = null;

  /**
   * @param {import("./api.js").Api} api
   * @param {(hold: Hold | null) => void} onChange
   */
  constructor(api, onChange) {
    this.#api = api;
    this.#onChange = onChange;
  }

  /** @param {Line[]} lines */
  async take(lines) {
    const claim = this.claimFor(lines);
    try {
      const answer = await patiently(() => this.#api.hold(claim, { visitor: this.visitor, lines }));
      this.open = null;
      return this.goOn(claim, answer);
    } catch (problem) {
      if (!isUnknown(problem)) this.open = null;
      throw problem;
    }
  }

  /** @param {Line[]} lines */
  claimFor(lines) {
    const wish = JSON.stringify(lines);
    if (this.open && this.open.wish !== wish) {
      const forgotten = this.open;
      patiently(() => this.#api.release(forgotten)).catch(() => {});
      this.open = null;
    }
    this.open ??= { id: newId(), secret: newId(), wish };
    return this.open;
  }

  /**
   * Finds a hold that was taken before this page was loaded. It is ours again where it lives. Null: by the time of
   * the answer its visitor has chosen something else, which nothing is put in place of; once that is held, this is not.
   * @param {import("./host.js").KeptHold} kept
   * @param {() => Promise<boolean>} [isElsewhere]  whether they have; if something is just being held, once that is known
   */
  async find(kept, isElsewhere = async () => false) {
    const answer = await patiently(() => this.#api.findHold(kept));
    if (await isElsewhere()) {
      const hasOther = this.current && this.current.id !== kept.id;
      if (hasOther && answer.hold.state === "held") patiently(() => this.#api.release(kept)).catch(() => {});
      return null;
    }
    if (["held", "paying"].includes(answer.hold.state)) {
      this.visitor = kept.visitor;
      this.goOn(kept, answer);
    }
    return answer.hold;
  }

  /**
   * Asks what became of it. Null: it is over. Confirmed: our confirmation arrived and its answer was lost; sent again
   * it gets the same answer.
   */
  async check() {
    const hold = this.current;
    if (!hold) return null;
    try {
      const answer = await this.#api.findHold(hold);
      if (this.current !== hold) return this.current;
      const isOurs = answer.hold.state === "confirmed" && this.sent?.id === hold.id;
      this.wasBooked = answer.hold.state === "confirmed" && !isOurs;
      if (isOurs || answer.hold.state === "held" || answer.hold.state === "paying") return this.goOn(hold, answer);
    } catch (problem) {
      if (isUnknown(problem)) throw problem;
    }
    if (this.current === hold) this.forget();
    return this.current;
  }

  async renew() {
    const hold = this.running();
    return this.goOn(hold, await patiently(() => this.#api.renew(hold, hold.version)));
  }

  /**
   * Other lines in place of its own, all or none; until when it runs stays. Where it was only prolonged meanwhile, by
   * its site's operator or in another window, it is asked once more.
   * @param {Line[]} lines
   */
  async change(lines) {
    const hold = this.running();
    try {
      return await this.#change(hold, lines);
    } catch (problem) {
      if (!(problem instanceof Refused && problem.code === "changed")) throw problem;
      const found = await patiently(() => this.#api.findHold(hold));
      const isSame = JSON.stringify(found.hold.lines) === JSON.stringify(hold.lines);
      const now = this.goOn(hold, found);
      if (!isSame) throw problem;
      return this.#change(now, lines);
    }
  }

  /**
   * @param {Hold} hold
   * @param {Line[]} lines
   */
  async #change(hold, lines) {
    return this.goOn(hold, await patiently(() => this.#api.change(hold, hold.version, lines)));
  }

  /** Gives the seats back. Nobody needs to wait for it: they would run out anyway. */
  release() {
    const hold = this.current;
    if (!hold) return;
    this.leaving = hold;
    this.forget();
    patiently(() => this.#api.release(hold), { tries: RELEASE_TRIES })
      .catch(() => {})
      .finally(() => setTimeout(() => this.#left(hold), LEAVING_MAX_MS));
  }

  /** @param {Hold} hold */
  #left(hold) {
    if (this.leaving === hold) this.leaving = null;
  }

  running() {
    if (!this.current) throw new Refused(410, { code: "hold_ended" }, null);
    return this.current;
  }

  /**
   * @param {import("./api.js").Claim} claim
   * @param {{hold: Omit<import("./api.js").HoldAnswer["hold"], "id">}} answer
   */
  goOn({ id, secret }, { hold }) {
    this.wasBooked = false;
    const { state, lines, version } = hold;
    const set = {
      id,
      secret,
      state,
      lines,
      version,
      expiresMs: Date.parse(hold.expires_at),
      limitMs: Date.parse(hold.limit_at),
    };
    this.current = set;
    this.#onChange(set);
    return set;
  }

  /** It is over, as the server said. */
  forget() {
    this.current = null;
    this.#onChange(null);
  }
}

/**
 * Whether what was asked may have happened all the same.
 * @param {unknown} problem
 */
export function isUnknown(problem) {
  return problem instanceof Unreachable || (problem instanceof Refused && problem.status >= 500);
}

/**
 * Whether what has moved may have been our own hold: the site's operator can prolong it, give it back, or book it. What
 * others do with it is one step, and changes no more seats than it has; of steps that we have missed nobody knows.
 * @param {import("./availability.js").Slot | null | undefined} before
 * @param {import("./availability.js").Slot} after
 * @param {number} seats  of ours
 */
export function mayBeOurs(before, after, seats) {
  if (after.held < seats || !before || after.version !== before.version + 1) return true;
  const freed = before.held - after.held;
  return freed === seats || (freed === 0 && before.booked === after.booked);
}
