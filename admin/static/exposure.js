/* How many images a moderator looked at today, on all her devices. The server keeps it; pages tell
   it what they counted along with calls that they make anyway, as totals: so nothing is lost without
   a connection, and nothing counts twice, however often it is told. */

"use strict";

const VIEWS_PREFIX = "parsewarden.views.";
const MOST_VIEWS_TOLD = 50; // in one call; the server's limit

class Exposure {
  /** `seen` is what the server has: {day, count, rested, now}, the last in milliseconds. */
  constructor({ moderator, breakAfter, seen }) {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    this.source = `p${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    this.prefix = `${VIEWS_PREFIX}${moderator}.`;
    this.breakAfter = breakAfter;
    this.seen = seen;
    this.clockIsOffBy = seen.now - Date.now();
    this.own = new Map(); // this page's totals, by day
  }

  add() {
    const entry = this.#ofToday();
    entry.count += 1;
    this.#save(entry);
  }

  /** How many images were looked at today. */
  get count() {
    const untold = this.#entriesOfToday().map((each) => each.count - each.told);
    return untold.reduce((sum, n) => sum + n, this.#seenToday.count);
  }

  get breakIsDue() {
    const rested = this.#entriesOfToday().map((each) => each.rested);
    const sinceBreak = this.count - Math.max(this.#seenToday.rested, ...rested);
    return this.breakAfter > 0 && sinceBreak >= this.breakAfter;
  }

  breakSuggested() {
    const entry = this.#ofToday();
    entry.rested = this.count;
    this.#save(entry);
  }

  /** What the server does not know yet, also of pages that were closed. */
  report() {
    const news = this.#entries().filter(
      (each) => each.count > each.told || each.rested > each.restedTold,
    );
    return news
      .slice(0, MOST_VIEWS_TOLD)
      .map(({ source, day, count, rested }) => ({ source, day, count, rested }));
  }

  /** The server took a report over, and says what she has seen by now. */
  reported(report, seen) {
    for (const told of report) {
      const entry = told.source === this.source ? this.own.get(told.day) : null;
      if (entry) this.#save(Object.assign(entry, { told: told.count, restedTold: told.rested }));
      else this.#forget(told);
    }
    this.seen = { ...this.seen, ...seen };
  }

  get #today() {
    return new Date(Date.now() + this.clockIsOffBy).toISOString().slice(0, 10);
  }

  get #seenToday() {
    return this.seen.day === this.#today ? this.seen : { count: 0, rested: 0 };
  }

  #ofToday() {
    const day = this.#today;
    const fresh = { source: this.source, day, count: 0, rested: 0, told: 0, restedTold: 0 };
    if (!this.own.has(day)) this.own.set(day, fresh);
    return this.own.get(day);
  }

  #entriesOfToday() {
    return this.#entries().filter((each) => each.day === this.#today);
  }

  /* One stored entry for each page and day: two tabs never write over one another's. */

  #entries() {
    return [...this.own.values(), ...this.#stored().filter((each) => each.source !== this.source)];
  }

  #stored() {
    try {
      return Object.keys(localStorage)
        .filter((name) => name.startsWith(this.prefix))
        .map((name) => JSON.parse(localStorage.getItem(name)));
    } catch {
      return [];
    }
  }

  #save(entry) {
    try {
      localStorage.setItem(this.#nameOf(entry), JSON.stringify(entry));
    } catch {
      // Without storage this page still counts.
    }
  }

  #forget(told) {
    const stored = this.#stored().find((each) => this.#nameOf(each) === this.#nameOf(told));
    const isAllTold = stored?.count === told.count && stored.rested === told.rested;
    if (isAllTold) localStorage.removeItem(this.#nameOf(told)); // else it has counted on
  }

  #nameOf({ source, day }) {
    return `${this.prefix}${source}.${day}`;
  }
}
