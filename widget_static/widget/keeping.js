// @ts-check
/** The only place that decides when what was typed is kept, so that a reload loses none of it. */

/** Once there is a pause of this length: some browsers keep only so much in so much time. */
const PAUSE_MS = 500;

export class Keeping {
  #keep;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #next;

  /**
   * @param {Element} place  that is typed in
   * @param {() => void} keep
   */
  constructor(place, keep) {
    this.#keep = keep;
    place.addEventListener("input", () => {
      this.stop();
      this.#next = setTimeout(() => this.#flush(), PAUSE_MS);
    });
    // Once the page is being left, nothing is kept any more.
    addEventListener("beforeunload", () => this.#flush());
    document.addEventListener("visibilitychange", () => this.#flush());
  }

  /** What was typed since it was kept last, if anything. */
  #flush() {
    if (this.#next) this.#keep();
    this.stop();
  }

  /** It is not needed any more. */
  stop() {
    clearTimeout(this.#next);
    this.#next = undefined;
  }
}
