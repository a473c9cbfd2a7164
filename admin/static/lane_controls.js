/* What starts the lane: which key, button and swipe does what. */

"use strict";

function startLane() {
  globalThis.lane = new Lane(panel.data("lane-data")); // to look at from a console
  const keysDialog = document.getElementById("keys-dialog");
  const note = document.getElementById("note");
  const acts = {
    approve: () => lane.approve(),
    reject: () => lane.reject(),
    skip: () => lane.skip(),
    escalate: () => lane.escalate(),
    undo: () => lane.undo(),
    keep_revealed: () => lane.reveal(!lane.view.isRevealed),
    colour: () => lane.view.toggleColour(),
    zoom: () => lane.zoom(),
    play: () => lane.play(),
    help: () => keysDialog.showModal(),
    note: () => {
      lane.view.openReasons(true);
      note.focus();
    },
  };
  const swipes = { right: acts.approve, left: acts.reject, up: acts.skip, down: acts.undo };
  const reject = (n) => lane.data.reasons[n - 1] && lane.reject(lane.data.reasons[n - 1][0]);
  const keyboard = new LaneKeyboard(lane.data.keys, {
    act: (action) => acts[action](),
    hold: (isDown) => lane.reveal(isDown),
    digit: reject,
    pan: (across, down) => lane.view.pan(across, down),
  });
  new LaneTouch(lane.view.stage, document.getElementById("card"), {
    swiped: (direction) => swipes[direction](),
    held: (isHeld) => lane.reveal(isHeld),
    isFree: () => lane.item !== null && !lane.view.stage.classList.contains("zoomed"),
  });

  addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const act = acts[button.dataset.act];
    if (act) act();
    else if (button.name === "category") lane.reject(button.value);
    else if (button.id === "unskip") lane.unskip();
    else if (button.id === "show-reasons") lane.view.openReasons(!lane.view.reasonsAreOpen);
    else return;
    event.preventDefault();
  });
  // A click leaves the focus where it was: a space that follows reveals, and presses nothing again.
  addEventListener("mousedown", (event) => {
    if (event.target.closest("#lane button") && !event.target.closest("dialog")) {
      event.preventDefault();
    }
  });
  note.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) {
      note.blur();
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && lane.view.reasonsAreOpen) lane.view.openReasons(false);
  });
  const noLetters = document.getElementById("no-letters");
  noLetters.checked = keyboard.lettersAreOff;
  noLetters.addEventListener("change", () => (keyboard.lettersAreOff = noLetters.checked));
  lane.start();
}

startLane();
