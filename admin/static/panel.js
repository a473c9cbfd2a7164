/* What all pages' scripts share. Each page's own script comes after it. */

"use strict";

const TOO_SOON_MS = 150;

const panel = {
  csrfToken: document.querySelector('meta[name="csrf-token"]').content,

  /** The texts and data that the page carries: <script type="application/json" id="...">. */
  data(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : {};
  },

  /** A sentence of `data("texts")`, its {names} filled in. */
  t(key, values = {}) {
    panel.texts ??= panel.data("texts");
    return (panel.texts[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  },

  /** Whether what is pressed now was meant for what was there before `at`, by performance.now():
      nobody has seen the new yet, so it is a key that bounces, or a second tap. */
  isTooSoon(at) {
    return performance.now() - at < TOO_SOON_MS;
  },

  /** The HTTP status that a picture came with; 0: not known. What is not there comes as a drawing
      that says so, which loads well. */
  statusOf(picture) {
    const loads = performance.getEntriesByName(picture.currentSrc, "resource");
    return loads.at(-1)?.responseStatus ?? 0;
  },

  /** POST JSON; resolves to {status, body}, rejects when no whole answer comes. */
  async post(url, body) {
    const answer = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json",
        "X-CSRFToken": panel.csrfToken,
      },
      body: JSON.stringify(body),
    });
    return panel.read(answer);
  },

  /** An answer as {status, body}. Rejects when it was cut off, or says success without saying what
      was done: then nobody knows. */
  async read(answer) {
    const text = await answer.text();
    try {
      return { status: answer.status, body: JSON.parse(text) };
    } catch (error) {
      if (answer.ok) throw error;
      return { status: answer.status, body: {} };
    }
  },

  /** Let go of images while the page is being left, when no script can wait for an answer. What
      the page that follows claimed after `at`, the server's time of the last answer, stays. */
  release(url, itemIds, at, views) {
    const form = new URLSearchParams({ csrf_token: panel.csrfToken, at });
    for (const id of itemIds) form.append("item_id", id);
    form.append("views", JSON.stringify(views));
    navigator.sendBeacon(url, form);
  },
};

/* The menu that phones have closes like one: by a press beside it, or Escape. */
const menu = document.querySelector("details.menu");
if (menu) {
  addEventListener("click", (event) => menu.contains(event.target) || (menu.open = false));
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
