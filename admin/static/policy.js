/* Sliders over the number fields, and a trial that follows them. Without this script the fields and
   the Preview button do the same. */

"use strict";

const PAUSE_MS = 250;
const form = document.getElementById("policy-form");
const effect = document.getElementById("effect");
const state = document.getElementById("effect-status");
let timer = 0;
let asked = 0;

/** A class's two numbers, their sliders, and the zones over its histogram. */
class Limits {
  constructor(card) {
    this.card = card;
    this.ranges = [...card.querySelectorAll("input[type=range]")];
    this.numbers = this.ranges.map((range) => document.getElementById(range.dataset.bound));
    card.querySelector(".slider").hidden = false;
    this.ranges.forEach((range, which) => range.addEventListener("input", () => this.slid(which)));
    this.numbers.forEach((number) => number.addEventListener("input", () => this.typed()));
    this.draw();
  }

  /** The one that is moved pushes the other along. */
  slid(which) {
    const [low, high] = this.ranges.map((range) => range.valueAsNumber);
    if (low > high) this.ranges[1 - which].value = this.ranges[which].value;
    this.ranges.forEach((range, n) => {
      if (n === which || low > high) this.numbers[n].value = range.value;
    });
    this.draw();
  }

  typed() {
    this.numbers.forEach((number, which) => {
      if (number.value !== "") this.ranges[which].value = number.value;
    });
    this.draw();
  }

  draw() {
    const percent = (number) => Math.min(Math.max(Number(number.value) || 0, 0), 1) * 100;
    const low = percent(this.numbers[0]);
    const high = Math.max(low, percent(this.numbers[1]));
    this.zone("review", low, high);
    this.zone("reject", high, 100);
    // Where both thumbs lie on one another, the one that can still be moved is on top.
    this.ranges[0].classList.toggle("on-top", low > 50);
  }

  zone(name, from, to) {
    const rect = this.card.querySelector(`[data-zone=${name}]`);
    rect?.setAttribute("x", `${from}%`);
    rect?.setAttribute("width", `${to - from}%`);
  }
}

function values() {
  const entries = [...new FormData(form)].filter(([name]) => name !== "csrf_token");
  return Object.fromEntries(entries);
}

function showProblems(problems) {
  for (const field of form.querySelectorAll("input[type=number]")) {
    const sentence = problems[field.name];
    const place = document.getElementById(`${field.name}-problem`);
    place.textContent = sentence ?? "";
    place.hidden = !sentence;
    if (sentence) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

function say(sentence) {
  state.hidden = !sentence;
  state.textContent = sentence;
}

/** Whether the trial is of earlier numbers, because those in the fields cannot be tried. */
function tellAge(isStale) {
  effect.classList.toggle("stale", isStale);
  document.getElementById("effect-stale").hidden = !isStale;
}

async function preview() {
  const mine = ++asked;
  effect.setAttribute("aria-busy", "true");
  try {
    const { status, body } = await panel.post(form.dataset.preview, values());
    if (mine !== asked) return; // a newer question is under way
    if (status !== 200) {
      say(body.error ?? panel.t("policy.offline"));
      return;
    }
    showProblems(body.problems);
    if (body.html !== undefined) effect.innerHTML = body.html;
    tellAge(body.html === undefined);
    say(body.summary ?? panel.t("policy.mend_first"));
  } catch {
    if (mine === asked) say(panel.t("policy.offline"));
  } finally {
    if (mine === asked && !timer) effect.removeAttribute("aria-busy");
  }
}

/** What is shown is out of date from now on. */
function previewSoon() {
  effect.setAttribute("aria-busy", "true");
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = 0;
    preview();
  }, PAUSE_MS);
}

for (const card of form.querySelectorAll(".class")) new Limits(card);
form.addEventListener("input", (event) => {
  if (event.target.name !== "note") previewSoon();
});
form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "preview") return;
  event.preventDefault();
  preview();
});
