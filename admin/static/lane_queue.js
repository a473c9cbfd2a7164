/* Decisions on their way to the server, in order. They survive a lost connection, a reload, and the
   end of the session; each is sent as the moderator's who made it, and as nobody else's. */

"use strict";

const QUEUE_PREFIX = "parsewarden.lane.";
const LONGEST_WAIT_MS = 30_000;

class DecisionQueue {
  /**
   * `calls` sends. `tell.done(entry, body)` and `tell.refused(entry, answer)` hear of answers,
   * `tell.changed()` of entries, `tell.state(state)` of "online", "offline", "signed_out", "other".
   */
  constructor(calls, name, tell) {
    this.calls = calls;
    this.name = name;
    this.tell = tell;
    this.state = "online";
    this.failures = 0;
    this.whenSettled = [];
    this.entries = this.#stored(calls.moderator);
    addEventListener("online", () => this.flush());
    addEventListener("focus", () => this.flush());
  }

  /** Add `{kind, body, item, ...}`, kind being the name of a call; returns the entry. */
  add(entry) {
    const added = { key: newRequestKey(), at: this.#time(), tried: false, ...entry };
    this.entries.push(added);
    this.#save(added);
    this.tell.changed();
    this.flush();
    return added;
  }

  /** Take back what was never sent; false if it may have reached the server. */
  withdraw(key) {
    const entry = this.entries.find((each) => each.key === key);
    if (!entry || entry.tried) return false;
    this.#remove(entry);
    this.tell.changed();
    return true;
  }

  /** Resolves when nothing is on its way, or when that is not soon to be had. */
  async settled(withinMs) {
    if (!this.entries.length || this.state !== "online") return;
    await new Promise((resolve) => {
      this.whenSettled.push(resolve);
      setTimeout(resolve, withinMs);
    });
  }

  /** Whether something about an item is still to be sent. */
  concerns(itemId) {
    return this.entries.some((each) => each.item.id === itemId);
  }

  /** How many decisions others left in this browser, by their names. */
  ofOthers() {
    const counts = {};
    for (const entry of this.#all()) {
      if (entry.moderator !== this.calls.moderator) {
        counts[entry.name] = (counts[entry.name] ?? 0) + 1;
      }
    }
    return Object.entries(counts);
  }

  /** Send what waits, one by one, until something stands in the way. */
  async flush() {
    clearTimeout(this.timer);
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.entries.length) await this.#deliver(this.entries[0]);
      if (this.state !== "online") await this.calls.renewToken();
      this.#met("online");
    } catch (error) {
      this.met(error);
    } finally {
      this.busy = false;
      if (!this.entries.length) for (const resolve of this.whenSettled.splice(0)) resolve();
    }
    if (this.entries.length && this.state === "online") this.flush();
  }

  /** Note what stood in the way of any call, and try again later. */
  met(error) {
    if (error instanceof SignedOut) this.#met("signed_out");
    else if (error instanceof AnotherSignedIn) this.#met("other");
    else if (error instanceof NoConnection) this.#met("offline");
    else throw error;
    const wait = Math.min(1000 * 2 ** this.failures, LONGEST_WAIT_MS);
    this.failures += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), wait);
  }

  async #deliver(entry) {
    if (entry.kind === "undo" && !entry.body.decision_id) {
      this.#remove(entry); // what it would undo was refused
      return;
    }
    if (!entry.tried) {
      entry.tried = true;
      this.#save(entry);
    }
    const answer = await this.calls.post(entry.kind, { ...entry.body, request_key: entry.key });
    this.#remove(entry);
    this.#met("online");
    if (answer.status < 300) {
      this.#tellFollowing(entry, answer.body);
      this.tell.done(entry, answer.body);
    } else {
      this.tell.refused(entry, answer);
    }
    this.tell.changed();
  }

  /** A decision has its id now, which its undo needs; after an undo the image stands at a later
      decision, which the next one has to have seen. */
  #tellFollowing(made, { decision_id, seen }) {
    for (const entry of this.entries) {
      if (entry.kind === "undo" && entry.of === made.key) entry.body.decision_id = decision_id;
      else if (made.kind === "undo" && entry.item.id === made.item.id) entry.body.seen = seen;
      else continue;
      this.#save(entry);
    }
  }

  #met(state) {
    if (state === "online") this.failures = 0;
    const isNew = state !== this.state;
    this.state = state;
    if (isNew) this.tell.state(state);
  }

  /* One stored entry for each decision: two tabs then never write over one another's. */

  #save(entry) {
    try {
      const stored = { ...entry, moderator: this.calls.moderator, name: this.name };
      localStorage.setItem(QUEUE_PREFIX + entry.key, JSON.stringify(stored, withoutHtml));
    } catch {
      // Without storage decisions still wait in this page.
    }
  }

  #remove(entry) {
    this.entries = this.entries.filter((each) => each !== entry);
    try {
      localStorage.removeItem(QUEUE_PREFIX + entry.key);
    } catch {
      // as above
    }
  }

  #stored(moderator) {
    return this.#all()
      .filter((entry) => entry.moderator === moderator)
      .sort((a, b) => a.at - b.at);
  }

  #all() {
    try {
      return Object.keys(localStorage)
        .filter((name) => name.startsWith(QUEUE_PREFIX))
        .map((name) => JSON.parse(localStorage.getItem(name)));
    } catch {
      return [];
    }
  }

  /** The time, but never the same twice: it is the order of sending. */
  #time() {
    this.lastTime = Math.max(Date.now(), (this.lastTime ?? 0) + 1);
    return this.lastTime;
  }
}
