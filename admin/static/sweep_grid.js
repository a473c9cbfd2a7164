/* The sweep's grid: marking with keys, mouse and fingers, and looking at veiled pictures. */

"use strict";

const HOLD_TO_LOOK_MS = 250;
const TRY_AGAIN_AFTER_MS = 1000;
const TRIES = 3;

class SweepGrid {
  /** `changed()` is called whenever marks change, `exposed()` for each picture that is looked at
      the first time. */
  constructor(list, { changed, exposed }) {
    Object.assign(this, { list, changed, exposed });
    this.cells = [...list.querySelectorAll(".cell")];
    this.marks = this.cells.map((cell) => cell.querySelector(".mark"));
    this.pictures = this.cells.map((cell) => cell.querySelector("img"));
    this.veiled = this.pictures.map((picture) => picture.src);
    this.seen = new Set();
    this.here = this.anchor = 0;
    this.allRevealed = false;
    this.marks.forEach((mark, n) => (mark.tabIndex = n === 0 ? 0 : -1));
    this.#listen();
  }

  /** What is marked, as items' ids. */
  get marked() {
    return this.marks.filter((mark) => mark.checked).map((mark) => mark.value);
  }

  /** What can be decided, as the server is told: `item:decisions so far`. */
  get shown() {
    return this.cells
      .filter((_, n) => !this.marks[n].disabled)
      .map((cell) => cell.querySelector("input[name=shown]").value);
  }

  get itemHere() {
    return this.marks[this.here].value;
  }

  /** The images that would be decided without having been looked at. */
  get unseen() {
    const isOpen = (mark, n) => !mark.checked && !mark.disabled && !this.seen.has(n);
    return this.marks.map((mark, n) => (isOpen(mark, n) ? n : -1)).filter((n) => n >= 0);
  }

  get isVeiled() {
    return !this.allRevealed && this.pictures.some((picture) => picture.dataset.clear);
  }

  cellOf(itemId) {
    return this.cells.find((cell) => cell.dataset.item === itemId);
  }

  /** Move the focus; with `extend` everything from the anchor on is marked. */
  go(n, extend = false) {
    if (n < 0 || n >= this.marks.length) return;
    this.marks[this.here].tabIndex = -1;
    this.here = n;
    this.marks[n].tabIndex = 0;
    this.marks[n].focus({ preventScroll: true });
    // What a finger or the mouse is on must not move away below it.
    if (this.pressed === undefined) this.cells[n].scrollIntoView({ block: "nearest" });
    if (extend) this.#markTo(n);
    else this.anchor = n;
  }

  focus() {
    this.go(this.here);
  }

  /** Show a picture unveiled, or veil it again. */
  reveal(n, isRevealed) {
    const picture = this.pictures[n];
    if (!picture?.dataset.clear) return;
    const wanted = isRevealed || this.allRevealed ? picture.dataset.clear : this.veiled[n];
    if (picture.getAttribute("src") !== wanted) picture.src = wanted;
  }

  revealAll(areRevealed) {
    this.allRevealed = areRevealed;
    this.pictures.forEach((_, n) => this.reveal(n, false));
  }

  /** A picture did not come: a busy server is asked again, all else is set aside. */
  #fail(n) {
    const picture = this.pictures[n];
    const tried = Number(picture.dataset.tried ?? 0);
    if (panel.statusOf(picture) === 503 && tried < TRIES) {
      picture.dataset.tried = tried + 1;
      const again = new URL(picture.src);
      again.searchParams.set("again", tried + 1); // or the browser shows what it has
      setTimeout(() => (picture.src = again.href), TRY_AGAIN_AFTER_MS);
    } else {
      this.setAside(n, panel.t("sweep.no_picture"));
    }
  }

  /** Mark what must not be decided with the rest, for instance because nobody can see it. */
  setAside(n, sentence) {
    this.marks[n].checked = true;
    let words = this.cells[n].querySelector(".aside");
    if (!words) {
      words = document.createElement("span");
      words.className = "badge aside";
      this.cells[n].querySelector(".picture").append(words);
    }
    words.textContent = sentence;
    this.changed();
  }

  #listen() {
    this.list.addEventListener("change", (event) => {
      const n = this.marks.indexOf(event.target);
      if (n >= 0) this.anchor = this.here = n;
      this.changed();
    });
    addEventListener("keydown", (event) => this.#isMeantElsewhere(event) || this.#key(event));
    this.list.addEventListener("focusin", (event) => {
      const n = this.marks.indexOf(event.target);
      if (n >= 0 && n !== this.here) this.go(n);
    });
    this.list.addEventListener("click", (event) => this.#click(event), true);
    this.list.addEventListener("pointerdown", (event) => this.#press(event));
    for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
      this.list.addEventListener(kind, () => this.#letGo());
    }
    this.list.addEventListener("contextmenu", (event) => {
      if (this.pressed !== undefined || this.held !== undefined) event.preventDefault();
    });
  }

  /** Keys are the grid's from the moment the page is there, without the focus being taken for it:
      what fields, dialogs and buttons do with them is theirs, and so is all once it is decided. */
  #isMeantElsewhere(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
    const target = event.target;
    if (this.list.contains(target)) return false;
    if (document.querySelector("dialog[open]")) return true;
    if (this.marks.every((mark) => mark.disabled)) return true;
    if (target.closest?.("input, textarea, select")) return true;
    return [" ", "Enter"].includes(event.key) && Boolean(target.closest?.("button, a, summary"));
  }

  #key(event) {
    const row = this.#columns();
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row };
    const last = this.marks.length - 1;
    if (event.key in steps) {
      event.preventDefault();
      this.go(this.here + steps[event.key], event.shiftKey);
    } else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      this.go(event.key === "Home" ? 0 : last, event.shiftKey);
    } else if (event.key === "Enter" || (event.key === " " && event.target !== this.marks[this.here])) {
      event.preventDefault(); // which would send the form, or scroll
      if (!event.repeat) this.marks[this.here].click();
    }
  }

  /** How many images stand in a row. */
  #columns() {
    const top = this.cells[0].offsetTop;
    const next = this.cells.findIndex((cell) => cell.offsetTop > top);
    return next < 0 ? this.cells.length : next;
  }

  #markTo(n) {
    const [from, to] = n < this.anchor ? [n, this.anchor] : [this.anchor, n];
    for (let each = from; each <= to; each++) {
      if (!this.marks[each].disabled) this.marks[each].checked = true;
    }
    this.changed();
  }

  #click(event) {
    const n = this.cells.indexOf(event.target.closest(".cell"));
    if (n < 0 || !event.target.closest(".picture")) return;
    if (this.justLooked) {
      this.justLooked = false;
      event.preventDefault(); // the finger came to look, not to mark
    } else if (event.shiftKey && event.target !== this.marks[n]) {
      event.preventDefault();
      this.go(n, true);
    }
  }

  #press(event) {
    const n = this.cells.indexOf(event.target.closest(".cell"));
    if (n < 0 || event.button !== 0) return;
    this.justLooked = false;
    this.pressed = n;
    this.timer = setTimeout(() => {
      this.held = n;
      this.justLooked = true;
      this.reveal(n, true);
    }, HOLD_TO_LOOK_MS);
  }

  #letGo() {
    clearTimeout(this.timer);
    if (this.held !== undefined) this.reveal(this.held, false);
    this.held = this.pressed = undefined;
  }

  /** Note from now on which pictures have been on the screen, above the bar at its lower edge,
      loaded and unveiled. */
  watch(barHeight) {
    const visible = new Set();
    const note = (n) => {
      const picture = this.pictures[n];
      const isClear = !picture.dataset.clear || picture.src.includes(picture.dataset.clear);
      const isShown = visible.has(n) && isClear && picture.complete && picture.naturalWidth > 0;
      if (!isShown || this.seen.has(n)) return;
      this.seen.add(n);
      this.exposed();
    };
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const n = this.pictures.indexOf(entry.target);
          entry.isIntersecting ? visible.add(n) : visible.delete(n);
          note(n);
        }
      },
      { threshold: 0.6, rootMargin: `0px 0px -${barHeight}px 0px` },
    );
    this.pictures.forEach((picture, n) => {
      observer.observe(picture);
      const fail = () => this.#fail(n);
      picture.addEventListener("load", () => (panel.statusOf(picture) < 400 ? note(n) : fail()));
      picture.addEventListener("error", fail);
      const isLoaded = picture.complete && picture.loading !== "lazy";
      if (isLoaded && !(picture.naturalWidth && panel.statusOf(picture) < 400)) fail();
    });
  }
}
