/* The lane's keys: one for each action, digits for the reasons. Letters alone can be switched off
   (WCAG 2.1.4), for speech input presses them by accident. */

"use strict";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const NO_LETTERS = "parsewarden.no-letter-keys";

class LaneKeyboard {
  /** `keys` by action; `act(action)`, `hold(isDown)` and `digit(n)` are called, and before all
      `pan(across, down)`, which says whether arrows move something now. */
  constructor(keys, { act, hold, digit, pan }) {
    this.actions = new Map();
    for (const [action, each] of Object.entries(keys)) {
      for (const key of each) this.actions.set(key, action);
    }
    Object.assign(this, { act, hold, digit, pan });
    addEventListener("keydown", (event) => this.#down(event));
    addEventListener("keyup", (event) => this.#up(event));
    addEventListener("blur", () => this.#letGo());
  }

  get lettersAreOff() {
    return localStorage.getItem(NO_LETTERS) === "yes";
  }

  set lettersAreOff(areOff) {
    localStorage.setItem(NO_LETTERS, areOff ? "yes" : "no");
  }

  #down(event) {
    const name = LaneKeyboard.nameOf(event);
    if (name === null || this.#isMeantElsewhere(event)) return;
    const isCharacter = name.length === 1 && name !== " ";
    if (isCharacter && this.lettersAreOff) return;
    const action = this.actions.get(name);
    if (name in ARROWS && this.pan(...ARROWS[name])) {
      event.preventDefault();
    } else if (action) {
      event.preventDefault();
      this.#do(action, event);
    } else if (/^[1-9]$/.test(name) && !event.repeat) {
      event.preventDefault();
      this.digit(Number(name));
    }
  }

  #do(action, event) {
    if (action === "reveal") {
      this.heldCode = event.code;
      if (!event.repeat) this.hold(true);
    } else if (!event.repeat) {
      this.act(action); // a key that is kept down decides one image, not all
    }
  }

  #up(event) {
    if (event.code === this.heldCode) this.#letGo();
  }

  #letGo() {
    if (this.heldCode) this.hold(false);
    this.heldCode = null;
  }

  /** What is typed, and what controls and dialogs do with keys, is theirs. */
  #isMeantElsewhere(event) {
    const target = event.target;
    if (document.querySelector("dialog[open]")) return true;
    if (target.closest?.("input, textarea, select, [contenteditable]")) return true;
    return [" ", "Enter"].includes(event.key) && Boolean(target.closest?.("button, a, summary"));
  }

  /** A key's name as the server has it; null for what browsers and systems use. */
  static nameOf(event) {
    if (event.altKey || event.isComposing) return null;
    if (event.ctrlKey || event.metaKey) {
      return event.key.toLowerCase() === "z" && !event.shiftKey ? "Ctrl+z" : null;
    }
    return event.key.length === 1 ? event.key.toLowerCase() : event.key;
  }
}
