// @ts-check
// The calendar editor with less to read: a row appears when it is wanted, the end follows the start, and all can be undone.

import { NOT_SAVED } from "./fields.js";

const DAY_MINUTES = 24 * 60;

/** @typedef {() => HTMLElement | null} Undo  puts back what was, and says where to go on */

class Calendar {
  /** @type {HTMLFormElement} */ #form;
  /** @type {Undo[]} */ #undos = [];
  /** @type {WeakMap<Element, string>} */ #before = new WeakMap();
  #nextRow = 0;
  #isSent = false;
  /** The page came with rows that are not saved: copied ones, or those of a form that was not taken. */
  #cameUnsaved;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#form = form;
    this.#cameUnsaved = this.#note?.textContent === NOT_SAVED;
    this.#nextRow = Number(form.dataset.next) + form.querySelectorAll("[data-blank]").length;
    for (const day of form.querySelectorAll("[data-day]")) this.#openDay(/** @type {HTMLElement} */ (day));
    form.addEventListener("focusin", ({ target }) => this.#remember(/** @type {Element} */ (target)));
    form.addEventListener("change", ({ target }) => this.#changed(/** @type {HTMLInputElement} */ (target)));
    form.addEventListener("submit", () => { this.#isSent = true; });
    this.#undoButton?.addEventListener("click", () => this.#undo());
    addEventListener("beforeunload", (event) => {
      if (this.#isUnsaved && !this.#isSent) event.preventDefault();
    });
  }

  get #undoButton() {
    return /** @type {HTMLButtonElement | null} */ (this.#form.querySelector("[data-undo]"));
  }

  get #note() {
    return this.#form.querySelector("[data-unsaved]");
  }

  get #isUnsaved() {
    return this.#cameUnsaved || this.#undos.length > 0;
  }

  /** @param {HTMLElement} day  its blank row becomes the pattern of all that are added */
  #openDay(day) {
    const blank = /** @type {HTMLFieldSetElement | null} */ (day.querySelector("[data-blank]"));
    if (!blank) return;
    const isTyped = [...blank.querySelectorAll("input[type=time]")].some((input) => /** @type {HTMLInputElement} */ (input).value);
    const pattern = /** @type {HTMLFieldSetElement} */ (blank.cloneNode(true));
    if (!isTyped) blank.remove();
    const add = document.createElement("button");
    add.type = "button";
    add.className = "plain add";
    add.textContent = "+ Add a time";
    const heading = day.querySelector("h2");
    add.setAttribute("aria-label", `Add a time on ${heading?.textContent?.trim().replace(/\s+/g, " ") ?? ""}`);
    add.addEventListener("click", () => this.#add(pattern, add));
    day.querySelector(".spans")?.append(add);
    // A click on the row itself does the same; the button is there for those who come by keyboard.
    day.addEventListener("click", ({ target }) => {
      if (target === day || target === heading || target === heading?.firstElementChild) add.click();
    });
  }

  /**
   * @param {HTMLFieldSetElement} pattern
   * @param {HTMLElement} before
   */
  #add(pattern, before) {
    const row = /** @type {HTMLFieldSetElement} */ (pattern.cloneNode(true));
    row.removeAttribute("data-blank");
    const number = this.#nextRow++;
    for (const field of row.querySelectorAll("[name]")) {
      const name = (field.getAttribute("name") ?? "").replace(/^t-\d+/, `t-${number}`);
      field.setAttribute("name", name);
      if (field.id) field.id = field.id.replace(/^t-\d+/, `t-${number}`);
    }
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "plain gone";
    remove.textContent = "Remove";
    remove.addEventListener("click", () => {
      const after = row.nextSibling;
      const parent = row.parentElement;
      row.remove();
      before.focus();
      this.#can(() => { parent?.insertBefore(row, after); return row.querySelector("input[type=time]"); });
    });
    row.append(remove);
    before.before(row);
    /** @type {HTMLElement | null} */ (row.querySelector("input[type=time]"))?.focus();
    this.#can(() => { row.remove(); return before; });
  }

  /** @param {Element} field */
  #remember(field) {
    if (field instanceof HTMLInputElement) this.#before.set(field, field.type === "checkbox" ? String(field.checked) : field.value);
    else if (field instanceof HTMLSelectElement) this.#before.set(field, field.value);
  }

  /** @param {HTMLInputElement} field */
  #changed(field) {
    const row = field.closest(".span-row");
    const isBox = field.type === "checkbox";
    const before = this.#before.get(field) ?? (isBox ? String(!field.checked) : "");
    const ends = /** @type {HTMLInputElement | null} */ (row?.querySelector("[name$='-ends']") ?? null);
    const endsBefore = ends?.value ?? "";
    if (ends && field.name.endsWith("-starts") && field.value && !endsBefore) ends.value = this.#endOf(field.value);
    this.#mark(field);
    this.#remember(field);
    this.#can(() => {
      if (isBox) field.checked = before === "true";
      else field.value = before;
      if (ends && ends !== field) ends.value = endsBefore;
      this.#mark(field);
      this.#remember(field);
      return field;
    });
  }

  /** @param {HTMLInputElement} field */
  #mark(field) {
    if (field.name.endsWith("-gone")) field.closest(".span-row")?.classList.toggle("removed", field.checked);
  }

  /**
   * One slot of the service's length, until somebody types another end.
   * @param {string} start
   */
  #endOf(start) {
    const [hours, minutes] = start.split(":").map(Number);
    const end = ((hours ?? 0) * 60 + (minutes ?? 0) + Number(this.#form.dataset.length)) % DAY_MINUTES;
    return `${String(Math.floor(end / 60)).padStart(2, "0")}:${String(end % 60).padStart(2, "0")}`;
  }

  /** @param {Undo} undo */
  #can(undo) {
    this.#undos.push(undo);
    this.#show();
  }

  #undo() {
    const field = this.#undos.pop()?.();
    this.#show();
    (field ?? this.#undoButton)?.focus();
  }

  #show() {
    const button = this.#undoButton;
    if (button) button.hidden = this.#undos.length === 0;
    if (this.#note) this.#note.textContent = this.#isUnsaved ? NOT_SAVED : "Nothing to save.";
  }
}

const form = document.querySelector("[data-calendar]");
if (form instanceof HTMLFormElement) new Calendar(form);
