/**
 * The only script on the host page: defines <tenuto-booking site service mode lang theme>, a frame around the widget,
 * and keeps the running hold in this page's sessionStorage, so that a reload finds it again.
 */
(() => {
  "use strict";
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  if (!script || customElements.get("tenuto-booking")) return;

  const base = new URL(".", script.src);
  const VERSION = 1;
  /** Kept free until the widget tells how high it is, so that the page jumps as little as may be. */
  const HEIGHT_FIRST_PX = 560;
  const HEIGHT_MIN_PX = 160;
  const HEIGHT_MAX_PX = 10_000;
  /** A browser has six connections to a server without HTTP/2: the widgets after the third ask instead of listening. */
  const STREAMS_MAX = 3;
  const KEPT = ["id", "secret", "visitor"];
  let shown = 0;

  class TenutoBooking extends HTMLElement {
    static observedAttributes = ["site", "service", "lang", "theme"];
    /** @type {HTMLIFrameElement | null} */ #frame = null;
    #number = 0;
    #listener = (/** @type {MessageEvent} */ event) => this.#hear(event);

    connectedCallback() {
      this.#number ||= ++shown;
      addEventListener("message", this.#listener);
      this.#show();
    }

    disconnectedCallback() {
      removeEventListener("message", this.#listener);
      this.#frame?.remove();
      this.#frame = null;
    }

    /**
     * @param {string} name
     * @param {string | null} before
     * @param {string | null} now
     */
    attributeChangedCallback(name, before, now) {
      if (!this.#frame || before === now) return;
      if (name === "theme") this.#greet();
      else this.#show();
    }

    #show() {
      const site = this.getAttribute("site");
      if (!site) return console.error("<tenuto-booking> needs the attribute site");
      const url = new URL(`w/${encodeURIComponent(site)}`, base);
      for (const name of ["service", "lang", "theme"]) {
        const value = this.getAttribute(name);
        if (value) url.searchParams.set(name, value);
      }
      url.searchParams.set("host", location.origin);
      if (this.#number > STREAMS_MAX) url.searchParams.set("live", "poll");
      const frame = document.createElement("iframe");
      frame.title = "Booking";
      frame.loading = "lazy";
      frame.allow = "clipboard-write";
      frame.src = url.href;
      Object.assign(frame.style, {
        display: "block",
        width: "100%",
        height: `${HEIGHT_FIRST_PX}px`,
        border: "0",
        borderRadius: "16px",
      });
      this.style.display = "block";
      this.replaceChildren(frame);
      this.#frame = frame;
    }

    /** @param {MessageEvent} event */
    #hear(event) {
      if (!this.#frame || event.source !== this.#frame.contentWindow || event.origin !== base.origin) return;
      const message = event.data?.tenuto;
      if (message?.v !== VERSION) return;
      if (message.type === "ready") {
        this.#frame.title = String(message.title || this.#frame.title);
        this.#greet();
        this.#tell("ready");
      } else if (message.type === "height") this.#grow(Number(message.px));
      else if (message.type === "visitor") keep("visitor", message.id);
      else if (message.type === "hold") {
        keep("visitor", message.visitor);
        keep(this.#place, JSON.stringify(message, KEPT));
        this.#tell("hold", { expires_at: message.expires_at });
      } else if (message.type === "hold_ended") {
        keep(this.#place, null);
        this.#tell("hold-ended");
      } else if (message.type === "booked") {
        keep(this.#place, null);
        this.#tell("booked", { number: message.number });
      }
    }

    #greet() {
      const prefill = { name: this.getAttribute("name") ?? "", email: this.getAttribute("email") ?? "" };
      const message = {
        v: VERSION,
        type: "hello",
        prefill,
        lang: this.getAttribute("lang"),
        theme: this.getAttribute("theme"),
        hold: JSON.parse(kept(this.#place) ?? "null"),
        visitor: kept("visitor"),
      };
      this.#frame?.contentWindow?.postMessage({ tenuto: message }, base.origin);
    }

    /** Where this widget's hold is kept: the same after a reload, another for each widget of a page. */
    get #place() {
      return ["hold", this.getAttribute("site"), this.getAttribute("service") ?? "", this.#number].join(":");
    }

    /** @param {number} px */
    #grow(px) {
      if (this.#frame && px > 0) this.#frame.style.height = `${Math.min(Math.max(px, HEIGHT_MIN_PX), HEIGHT_MAX_PX)}px`;
    }

    /**
     * Without secrets: any script of the host page hears these.
     * @param {string} what
     * @param {object} [detail]
     */
    #tell(what, detail = {}) {
      this.dispatchEvent(new CustomEvent(`tenuto:${what}`, { bubbles: true, detail }));
    }
  }

  /**
   * @param {string} name
   * @param {string | null} value
   */
  function keep(name, value) {
    try {
      if (value === null) sessionStorage.removeItem(`tenuto:${base.origin}:${name}`);
      else sessionStorage.setItem(`tenuto:${base.origin}:${name}`, value);
    } catch {
      // A page without storage: a reload will not find the hold, and all else works.
    }
  }

  /** @param {string} name */
  function kept(name) {
    try {
      return sessionStorage.getItem(`tenuto:${base.origin}:${name}`);
    } catch {
      return null;
    }
  }

  /** For page builders that strip unknown tags: <div class="tenuto-booking" data-site="…">. */
  function upgradeDivs() {
    for (const place of document.querySelectorAll("div.tenuto-booking[data-site]:not([data-upgraded])")) {
      const { dataset } = /** @type {HTMLElement} */ (place);
      dataset.upgraded = "";
      const widget = document.createElement("tenuto-booking");
      for (const name of ["site", "service", "mode", "lang", "theme"]) {
        const value = dataset[name];
        if (value) widget.setAttribute(name, value);
      }
      place.replaceChildren(widget);
    }
  }

  customElements.define("tenuto-booking", TenutoBooking);
  upgradeDivs();
  document.addEventListener("DOMContentLoaded", upgradeDivs);
})();
