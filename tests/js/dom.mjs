/** As much of a browser's elements as the parts of the order page ask for, for tests without a browser. */

class FakeElement extends EventTarget {
  childNodes = [];
  #text = "";

  constructor(tag) {
    super();
    this.tag = tag;
    this.attributes = new Map();
    this.hidden = this.disabled = false;
    this.classList = { add() {}, toggle() {} };
  }

  get id() {
    return this.attributes.get("id") ?? "";
  }

  get children() {
    return this.childNodes.filter((child) => child instanceof FakeElement);
  }

  get childElementCount() {
    return this.children.length;
  }

  get lastElementChild() {
    return this.children.at(-1) ?? null;
  }

  get textContent() {
    return this.#text + this.childNodes.map((child) => child.textContent ?? child).join("");
  }

  set textContent(text) {
    this.childNodes = [];
    this.#text = text;
  }

  append(...children) {
    this.childNodes.push(...children);
  }

  replaceChildren(...children) {
    this.#text = "";
    this.childNodes = children;
  }

  contains(other) {
    return other === this || this.children.some((child) => child.contains(other));
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  removeAttribute(name) {
    this.attributes.delete(name);
  }

  /** Of a tag. */
  querySelector(tag) {
    return all(this, tag)[0] ?? null;
  }

  /** Nothing here is asked for by what is around it but for being hidden, which it is not. */
  closest() {
    return null;
  }

  focus() {
    page.activeElement = this;
  }

  click() {
    this.dispatchEvent(new Event("click"));
  }
}

/** The page itself, which can be hidden and seen again. */
export const page = Object.assign(new EventTarget(), {
  hidden: false,
  createElement: (tag) => new FakeElement(tag),
  createElementNS: (_, tag) => new FakeElement(tag),
});
globalThis.document = page;
globalThis.addEventListener = () => {};
globalThis.removeEventListener = () => {};

/** All of these elements below one, the first first. */
export function all(element, tag) {
  return element.children.flatMap((child) => [...(child.tag === tag ? [child] : []), ...all(child, tag)]);
}

/** Presses the button that says so. */
export function press(element, says) {
  const button = all(element, "button").find(({ textContent }) => textContent.includes(says));
  if (!button) throw new Error(`no button says ${says}: ${element.textContent}`);
  button.click();
}

/** What has been promised by now is done. */
export async function settled() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
