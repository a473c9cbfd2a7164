/* What the lane remembers beside the server: what one tab can undo and has skipped. The sweep adds
   to it. */

"use strict";

const MOST_UNDONE = 50; // a whole sweep
const MOST_SKIPPED = 200;

/** What stands beside an image is long, and the server says it again: nothing to keep. */
const withoutHtml = (name, value) => (name === "html" ? undefined : value);

/** One tab's: `undo` is what can be taken back, the last thing last. */
class TabMemory {
  constructor(session) {
    this.name = `parsewarden.tab.${session}`;
    const stored = JSON.parse(sessionStorage.getItem(this.name) ?? "{}");
    this.undo = stored.undo ?? [];
    this.skipped = new Set(stored.skipped ?? []);
  }

  /** Remember what was just done: `{kind, item, key, decisionId}`. */
  add(...done) {
    this.undo.push(...done);
    this.save();
  }

  /** Decisions that were taken back elsewhere cannot be once more. */
  forget(decisionIds) {
    this.undo = this.undo.filter((done) => !decisionIds.includes(done.decisionId));
    this.save();
  }

  save() {
    this.undo.splice(0, this.undo.length - MOST_UNDONE);
    const skipped = [...this.skipped].slice(-MOST_SKIPPED);
    this.skipped = new Set(skipped);
    sessionStorage.setItem(this.name, JSON.stringify({ undo: this.undo, skipped }, withoutHtml));
  }
}
