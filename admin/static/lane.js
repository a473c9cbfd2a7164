/* The review lane: keys, swipes and buttons decide about the image in hand; the next one is there
   at once, for images are claimed and fetched ahead and decisions sent behind. */

"use strict";

const AT_HAND = 6; // the image in hand and the next five
const MOST_CLAIMED = 40; // in one call; the server's limit
const PICTURES_KEPT = 20; // of images that an undo may bring back
const RENEW_MS = 60_000;
const POLL_MS = 15_000;
const REPLACED_AFTER_MS = 1200; // what is another's by now
const SETTLES_WITHIN_MS = 250; // a claim waits so long for decisions that are on their way

class Lane {
  constructor(data) {
    this.data = data;
    this.ahead = []; // claimed, after the one in hand
    this.asked = null; // the unseen image of which an approval was pressed once
    this.newSince = -Infinity; // when what is to be answered came: the image, or a question about it
    this.wanted = new Set(); // ids of what is shown without being surely held: claimed by name
    this.waiting = data.waiting; // in the lane, as far as is known
    this.changedAt = -1; // when a decision was made or answered last
    this.isMiscounted = false; // the server's count could not be taken over: ask once all is sent
    this.answered = new Map(); // what the server last said of an item: {at, isUndo}
    this.calls = new LaneCalls(data);
    this.pictures = new LanePictures();
    this.view = new LaneView(data, this.pictures);
    this.memory = new TabMemory(data.session);
    this.exposure = new Exposure(panel.data("exposure-data"));
    this.queue = new DecisionQueue(this.calls, data.name, {
      done: (entry, body) => this.#done(entry, body),
      refused: (entry, answer) => this.#refused(entry, answer),
      changed: () => this.#queueChanged(),
      state: () => this.#stateChanged(),
    });
  }

  get item() {
    return this.view.item;
  }

  start() {
    this.#forgetAsked();
    this.#adoptFirst();
    this.view.exposure = this.exposure.count;
    this.#tellState();
    this.#tellLast();
    this.queue.flush();
    this.#fill();
    setInterval(() => this.#renew(), RENEW_MS);
    document.addEventListener("visibilitychange", () => this.#renew());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  /** The address asks for one image, once: loaded anew the page goes on where it was. */
  #forgetAsked() {
    const here = new URL(location.href);
    here.searchParams.delete("item");
    history.replaceState(null, "", here);
  }

  /** Take over the image that the page came with. */
  #adoptFirst() {
    const item = this.item;
    if (!item) return;
    const isTaken = this.memory.skipped.has(item.id) || this.queue.concerns(item.id);
    if (isTaken) {
      this.#show(null); // until others are claimed
      this.#guessRest();
      return;
    }
    this.wanted.add(item.id); // the page before this one may have let go of it just now
    const image = document.getElementById("first-picture");
    if (image.complete && image.naturalWidth) {
      this.pictures.adopt(this.view.wanted, image);
      this.view.tellMissing(image);
    } else {
      image.addEventListener("load", () => this.item === item && this.#paint());
    }
    if (this.view.isRevealed) this.#exposed();
  }

  // --- what a moderator does ---------------------------------------------------------------------

  /** What is not on the screen yet is not approved. Two presses approve what no model could look at
      and browsers may show all the same, and what there is no picture of. */
  approve() {
    const item = this.#itemToDecide();
    if (!item) return;
    const { showsPicture, awaitsPicture } = this.view;
    const isUnseen = item.unseen || !showsPicture;
    if (isUnseen && (awaitsPicture || this.asked !== item.id)) {
      if (!awaitsPicture) {
        this.asked = item.id;
        this.newSince = performance.now(); // the question is
      }
      const key = awaitsPicture ? "not_here_yet" : item.unseen ? "approve_unseen" : "approve_blind";
      this.view.say(panel.t(`lane.${key}`));
      this.view.prompt(panel.t(`lane.${key}`));
      return;
    }
    this.#decide("approved");
  }

  reject(category = null) {
    this.#decide("rejected", category);
  }

  #decide(after, category = null) {
    const item = this.#itemToDecide();
    if (!item) return;
    const body = { item_id: item.id, seen: item.seen, after, category, note: this.#note() };
    const entry = this.queue.add({ kind: "decide", body, item });
    this.#count(-1);
    this.#remember({ kind: "decide", key: entry.key, item, after, category });
    this.#next(`lane.done_${after}`);
  }

  escalate() {
    const item = this.#itemToDecide();
    if (!item || this.data.lane === "escalated") return;
    const entry = this.queue.add({
      kind: "escalate",
      body: { item_id: item.id, note: this.#note() },
      item,
    });
    this.#count(-1);
    this.#remember({ kind: "escalate", key: entry.key, item });
    this.#next("lane.done_escalated");
  }

  skip() {
    const item = this.#itemToDecide();
    if (!item) return;
    this.memory.skipped.add(item.id);
    this.wanted.delete(item.id);
    this.#remember({ kind: "skip", item });
    this.#next("lane.done_skipped");
  }

  /** Take back the last thing done, and show its image again. */
  undo() {
    const last = this.memory.undo.pop();
    this.memory.save();
    this.#tellLast();
    if (!last) {
      this.view.say(panel.t("lane.nothing_to_undo"));
      return;
    }
    if (last.kind === "skip") {
      this.memory.skipped.delete(last.item.id);
      this.memory.save();
    } else {
      if (!this.queue.withdraw(last.key)) {
        const body = { decision_id: last.decisionId ?? null };
        this.queue.add({ kind: "undo", of: last.key, body, item: last.item });
      }
      this.#count(1);
    }
    this.#complete(last.item);
    if (this.item) this.ahead.unshift(this.item);
    this.view.say(panel.t("lane.done_undone"));
    this.#show(last.item);
    if (last.kind === "skip" || !last.item.html) {
      this.wanted.add(last.item.id);
      this.#fill().then(() => this.#renew()); // is it still to be had?
    }
  }

  /** What a sweep decided is remembered by its id alone; the next claim brings the rest. */
  #complete(item) {
    for (const [name, url] of Object.entries(this.data.urls.item)) {
      item[name] ??= url.replace("ITEM", item.id);
    }
  }

  reveal(isOn) {
    if (!this.item || this.view.isRevealed === isOn) return;
    this.view.isRevealed = isOn;
    if (isOn) this.#exposed();
    this.#paint();
  }

  /** Look closer, or not; what is unveiled comes larger then. */
  zoom() {
    if (!this.item) return;
    this.view.zoom();
    this.#paint();
  }

  /** Let an animation move, which shows it; or halt it. */
  play() {
    if (!this.item?.moves) return;
    this.view.plays = !(this.view.isRevealed && this.view.plays);
    if (this.view.plays && !this.view.isRevealed) this.reveal(true);
    else this.#paint();
  }

  unskip() {
    this.memory.skipped.clear();
    this.memory.save();
    this.#fill();
  }

  /** Whether what is pressed now was meant for the image before. */
  get isTooSoon() {
    return panel.isTooSoon(this.newSince);
  }

  #itemToDecide() {
    if (this.isTooSoon) return null;
    if (!this.view.root.classList.contains("is-lost")) return this.item;
    this.isInVain = true;
    return null;
  }

  #note() {
    return document.getElementById("note").value.trim() || null;
  }

  #remember(done) {
    this.memory.add(done);
    this.#tellLast();
  }

  /** Count what the server has not answered yet: the number goes down with the key press. */
  #count(change) {
    this.changedAt = performance.now();
    this.waiting = Math.max(this.waiting + change, 0);
    this.view.waiting = this.waiting;
  }

  #tellLast() {
    this.view.last = this.memory.undo.at(-1);
  }

  // --- the images at hand ------------------------------------------------------------------------

  /** Go on; `done` is the text that says why. */
  #next(done) {
    this.#show(this.ahead.shift() ?? null);
    if (!this.item) this.#guessRest();
    this.view.say(`${panel.t(done)} ${this.item ? panel.t("lane.next") : this.view.emptyTitle}`);
    this.#fill();
  }

  #show(item) {
    this.asked = null;
    this.newSince = performance.now();
    this.view.show(item);
    if (item && this.view.isRevealed) this.#exposed();
    this.#fetchAhead();
  }

  /** What an empty lane says until the server has counted. */
  #guessRest() {
    this.view.tellRest({ skipped: this.memory.skipped.size, elsewhere: 0, others: "" });
  }

  async #paint() {
    try {
      await this.view.paint();
    } catch (error) {
      this.queue.met(error);
    }
  }

  /** Count an image as seen, once each time that it is in hand. */
  #exposed() {
    if (this.exposed === this.item) return;
    this.exposed = this.item;
    this.exposure.add();
    this.view.exposure = this.exposure.count;
  }

  #fetchAhead() {
    const near = [this.item, ...this.ahead].filter(Boolean);
    const kept = [...near, ...this.memory.undo.slice(-PICTURES_KEPT).map((done) => done.item)];
    const urls = ({ preview, screen, detail, original }) => [preview, screen, detail, original];
    this.pictures.keepOnly(new Set(kept.flatMap(urls)));
    for (const item of near) {
      this.pictures.get(this.view.arrivesAs(item)).catch((error) => this.queue.met(error));
    }
  }

  /** Claim as many images as should be at hand; resolves when that is done. */
  #fill() {
    clearTimeout(this.poll);
    this.fillAgain = true;
    this.filling ??= this.#claimAll().finally(() => (this.filling = null));
    return this.filling;
  }

  async #claimAll() {
    try {
      while (this.fillAgain) {
        this.fillAgain = false;
        await this.queue.settled(SETTLES_WITHIN_MS);
        await this.#claim();
      }
    } catch (error) {
      this.queue.met(error);
    }
    if (!this.item) this.poll = setTimeout(() => this.#fill(), POLL_MS);
    this.#suggestBreak();
  }

  /** Asked when the server has told what was seen, and suggested, on other devices; or is away. */
  #suggestBreak() {
    if (!this.exposure.breakIsDue || document.visibilityState !== "visible") return;
    this.view.suggestBreak(this.exposure.count);
    this.exposure.breakSuggested();
  }

  async #claim() {
    const startedAt = performance.now();
    const views = this.exposure.report();
    const unsent = new Set(this.queue.entries.map((entry) => entry.item.id));
    const asked = [...this.wanted];
    const answer = await this.calls.post("claim", {
      lane: this.data.lane,
      order: this.data.order,
      count: Math.min(Math.max(AT_HAND, this.ahead.length + 1) + unsent.size, MOST_CLAIMED),
      skipping: [...this.memory.skipped],
      asked,
      views,
    });
    if (answer.status !== 200) throw new NoConnection(`claim: ${answer.status}`);
    for (const id of asked) this.wanted.delete(id);
    const { items, waiting, elsewhere, rest, seen } = answer.body;
    this.exposure.reported(views, seen);
    this.view.exposure = this.exposure.count;
    for (const item of items) {
      if (this.item?.id === item.id && !this.item.html) this.view.complete(item);
      const { at = -1, isUndo } = this.answered.get(item.id) ?? {};
      const isDecided = at >= startedAt && !isUndo; // after the server looked for images
      if (!isDecided && !this.#has(item.id)) this.ahead.push(item);
    }
    this.view.elsewhere = elsewhere;
    this.view.tellOtherLane(waiting);
    // What was decided meanwhile may be among those that the server counted, or not.
    if (!this.queue.entries.length && this.changedAt < startedAt) {
      this.waiting = waiting[this.data.lane];
      this.view.waiting = this.waiting;
    } else {
      this.isMiscounted = true;
      this.#recount();
    }
    if (rest) this.view.tellRest(rest);
    if (!this.item && this.ahead.length) this.#show(this.ahead.shift());
    else this.#fetchAhead();
  }

  #has(id) {
    return (
      this.item?.id === id ||
      this.ahead.some((item) => item.id === id) ||
      this.memory.skipped.has(id) ||
      this.queue.concerns(id)
    );
  }

  /** Keep the claims while somebody looks; replace what is another's by now. */
  async #renew() {
    if (document.visibilityState !== "visible") return;
    const items = [this.item, ...this.ahead].filter(Boolean);
    if (!items.length) {
      this.#fill();
      return;
    }
    const startedAt = performance.now();
    try {
      const item_ids = items.map((item) => item.id);
      const answer = await this.calls.post("renew", { lane: this.data.lane, item_ids });
      if (answer.status === 200) this.#keep(new Set(answer.body.held), items, startedAt);
    } catch (error) {
      this.queue.met(error);
    }
  }

  #keep(held, asked, askedAt) {
    const isOnItsWay = ({ id }) =>
      this.queue.concerns(id) || (this.answered.get(id)?.at ?? -1) >= askedAt;
    const lost = new Set(asked.filter((item) => !held.has(item.id) && !isOnItsWay(item)));
    this.ahead = this.ahead.filter((item) => !lost.has(item));
    if (lost.has(this.item)) this.#lose(panel.t("lane.claim_lost"));
    if (lost.size) this.#fill();
  }

  /** Mark the image in hand as somebody else's, and go on. */
  #lose(sentence) {
    const item = this.item;
    this.view.root.classList.add("is-lost");
    this.view.toast(sentence, item);
    this.isInVain = false; // whether somebody tries to decide it all the same
    setTimeout(() => this.item === item && this.#replace(), REPLACED_AFTER_MS);
  }

  #replace() {
    if (this.isInVain) this.view.toast(panel.t("lane.replaced_in_vain"));
    this.#next(this.isInVain ? "lane.replaced_in_vain" : "lane.replaced");
  }

  #leave() {
    const ids = [this.item, ...this.ahead]
      .filter((item) => item && !this.queue.concerns(item.id))
      .map((item) => item.id);
    const views = this.exposure.report();
    if (ids.length || views.length) this.calls.release(ids, views);
  }

  // --- what the server answers -------------------------------------------------------------------

  #done(entry, body) {
    this.changedAt = performance.now();
    this.answered.set(entry.item.id, { at: this.changedAt, isUndo: entry.kind === "undo" });
    const done = this.memory.undo.find((each) => each.key === entry.key);
    if (done) done.decisionId = body.decision_id;
    this.memory.save();
    if (entry.kind === "undo") this.#undone(entry.item, body);
  }

  /** What was taken back stands at a later decision now, the undo. */
  #undone(item, { seen }) {
    for (const each of [this.item, ...this.ahead]) if (each?.id === item.id) each.seen = seen;
    if (item.html) return;
    this.wanted.add(item.id);
    this.#fill();
  }

  #refused(entry, answer) {
    const sentence = answer.body.sentence ?? answer.body.error ?? String(answer.status);
    this.memory.undo = this.memory.undo.filter((each) => each.key !== entry.key);
    this.memory.save();
    this.#tellLast();
    if (entry.kind === "undo" && this.item?.id === entry.item.id) {
      this.#lose(sentence);
    } else {
      this.ahead = this.ahead.filter((item) => item.id !== entry.item.id);
      this.view.toast(sentence, entry.item);
    }
  }

  #tellState() {
    this.view.banner(this.queue.state, this.queue.entries.length, this.queue.ofOthers());
  }

  #queueChanged() {
    this.#tellState();
    this.#recount();
  }

  #recount() {
    if (!this.isMiscounted || this.queue.entries.length) return;
    this.isMiscounted = false;
    this.#fill();
  }

  #stateChanged() {
    this.#tellState();
    if (this.queue.state === "online") {
      if (this.item) this.#paint();
      this.#renew();
      this.#fill();
    }
  }
}
