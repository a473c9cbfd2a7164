/* Fingers on the image: hold to look, swipe to decide. */

"use strict";

const HOLD_MS = 220;
const SLACK_PX = 10;

class LaneTouch {
  /** `swiped(direction)` is called with "left", "right", "up" or "down", `held(is)` while the image is. */
  constructor(stage, card, { swiped, held, isFree }) {
    Object.assign(this, { stage, card, swiped, held, isFree });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event, true));
    stage.addEventListener("pointercancel", (event) => this.#up(event, false));
    stage.addEventListener("contextmenu", (event) => this.start && event.preventDefault());
    stage.addEventListener("dragstart", (event) => event.preventDefault());
  }

  #down(event) {
    if (!event.isPrimary) return this.#end(); // a second finger zooms
    if (event.button !== 0 || !this.isFree() || (visualViewport?.scale ?? 1) > 1.05) return;
    if (event.target.closest("button, a")) return;
    this.start = { x: event.clientX, y: event.clientY, swipes: event.pointerType !== "mouse" };
    this.stage.setPointerCapture(event.pointerId);
    this.timer = setTimeout(() => {
      this.isHeld = true;
      this.held(true);
    }, HOLD_MS);
  }

  #move(event) {
    if (!this.start?.swipes || !event.isPrimary) return;
    const x = event.clientX - this.start.x;
    const y = event.clientY - this.start.y;
    if (!this.moves && Math.hypot(x, y) < SLACK_PX) return;
    this.moves = true;
    if (!this.isHeld) clearTimeout(this.timer);
    const { direction, part } = this.#meaning(x, y);
    this.card.style.transform = `translate(${x}px, ${y}px) rotate(${x / 30}deg)`;
    this.stage.dataset.swipe = direction;
    this.stage.classList.toggle("sure", part >= 1);
  }

  #up(event, isDone) {
    if (!this.start || !event.isPrimary) return;
    const { direction, part } = this.#meaning(
      event.clientX - this.start.x,
      event.clientY - this.start.y,
    );
    const decided = isDone && this.moves && part >= 1;
    this.#end();
    if (decided) this.swiped(direction);
  }

  /** Where a finger's way leads, and how much of the necessary way it has gone. */
  #meaning(x, y) {
    const across = Math.min(this.stage.clientWidth * 0.28, 140);
    if (Math.abs(x) >= Math.abs(y)) {
      return { direction: x > 0 ? "right" : "left", part: Math.abs(x) / across };
    }
    return { direction: y < 0 ? "up" : "down", part: Math.abs(y) / 90 };
  }

  #end() {
    clearTimeout(this.timer);
    if (this.isHeld) this.held(false);
    this.start = null;
    this.isHeld = this.moves = false;
    this.card.style.transform = "";
    delete this.stage.dataset.swipe;
    this.stage.classList.remove("sure");
  }
}
