/* The console without reloads: answers come into place, and the code follows what is filled in. */

"use strict";

document.documentElement.classList.add("js");

const consoleForm = document.getElementById("console-form");
const said = document.getElementById("console-said");
const TYPING_PAUSE_MS = 250;
let typing, newest = 0;

fit();
offerCopies();
consoleForm.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
consoleForm.addEventListener("input", () => {
  fit();
  clearTimeout(typing);
  typing = setTimeout(refreshCode, TYPING_PAUSE_MS);
});
document.getElementById("console-snippets").addEventListener("click", (event) => {
  const button = event.target.closest(".copy");
  if (button) copy(button.closest(".snippet").querySelector("code"));
});

/** Show what the chosen call needs. */
function fit() {
  const { route, source } = consoleForm.elements;
  const isOfObject = route.value === "moderationStatus";
  for (const part of consoleForm.querySelectorAll("[data-for]")) {
    part.toggleAttribute("data-idle", (part.dataset.for === "object") !== isOfObject);
  }
  for (const part of consoleForm.querySelectorAll("[data-from]")) {
    part.toggleAttribute("data-idle", part.dataset.from !== source.value);
  }
}

async function send() {
  const button = consoleForm.querySelector("button:not([type])");
  button.disabled = true;
  consoleForm.setAttribute("aria-busy", "true");
  said.textContent = panel.t("console.sending");
  try {
    // As the page's form: what comes back is the page.
    const answer = await fetch(consoleForm.action, { method: "POST", body: new FormData(consoleForm) });
    take(await answer.text(), ["console-answer", "console-snippets"]);
    const section = document.getElementById("console-answer");
    said.textContent = section.querySelector(".state, .notice")?.textContent ?? "";
    section.scrollIntoView({ block: "nearest" });
  } catch {
    said.textContent = panel.t("console.no_connection");
    document.getElementById("console-answer").replaceChildren(notice(said.textContent));
  } finally {
    button.disabled = false;
    consoleForm.removeAttribute("aria-busy");
  }
}

function notice(sentence) {
  const paragraph = document.createElement("p");
  paragraph.className = "notice error";
  paragraph.textContent = sentence;
  return paragraph;
}

async function refreshCode() {
  const values = new FormData(consoleForm);
  for (const name of ["csrf_token", "file"]) values.delete(name);
  const mine = ++newest;
  try {
    const answer = await fetch(`${consoleForm.dataset.snippets}?${new URLSearchParams(values)}`);
    const page = await answer.text();
    if (mine === newest && answer.ok) take(page, ["console-snippets"]);
  } catch {
    // The code stays as it was; the next change tries again.
  }
}

/** Take parts of the page that the server made, content for content. */
function take(page, ids) {
  const made = new DOMParser().parseFromString(page, "text/html");
  for (const id of ids) {
    const part = made.getElementById(id);
    if (part) document.getElementById(id).replaceChildren(...part.childNodes);
    else if (made.querySelector("form[action*='sign-in']")) location.reload();
  }
  offerCopies();
}

function offerCopies() {
  for (const button of document.querySelectorAll(".copy")) button.hidden = false;
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    said.textContent = panel.t("console.copied");
  } catch {
    // Plain HTTP has no clipboard: what is to be copied is at least selected.
    getSelection().selectAllChildren(code);
    said.textContent = panel.t("console.selected");
  }
  const button = code.closest(".snippet").querySelector(".copy");
  button.textContent = said.textContent;
  setTimeout(() => (button.textContent = panel.t("console.copy")), 1500);
}
