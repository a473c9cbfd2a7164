/* Keys are chosen by pressing them. Without this script their names are typed. */

"use strict";

for (const field of document.querySelectorAll("[data-key]")) {
  field.addEventListener("keydown", (event) => {
    const leaves = ["Tab", "Escape", "Enter", "Shift"].includes(event.key);
    if (leaves || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Unidentified" || event.key === "Process") return; // a phone's keyboard
    if (event.key === "Backspace" && field.value !== "") {
      field.value = ""; // once: no key; once more: this key
    } else {
      field.value = event.key === " " ? "Space" : event.key;
    }
    event.preventDefault();
  });
}
