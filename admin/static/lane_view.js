/* What the lane shows: the image in hand, what is known of it, messages, dialogs. Knows neither the
   server nor what is decided. */

"use strict";

const MOST_TOASTS = 3;
const MOST_RATIO = 2.5;
const MOST_ENLARGED = 16;
const TOAST_MS = 15_000; // and for as long as somebody is at it

class LaneView {
  constructor(data, pictures) {
    this.data = data;
    this.pictures = pictures;
    this.element = (id) => document.getElementById(id);
    this.root = this.element("lane");
    this.stage = this.element("stage");
    this.frame = this.element("frame");
    this.item = data.item && { ...data.item, html: this.element("facts").innerHTML };
    this.isRevealed = data.isRevealed;
    this.plays = !data.muted;
    for (const each of this.root.querySelectorAll("[data-act][hidden], #show-reasons")) {
      each.hidden = each.id === "play" && !this.item?.moves;
    }
    this.element("comes-by-itself").hidden = false;
    document.documentElement.classList.add("scripted");
  }

  /** Show an image, veiled unless the moderator likes it otherwise; null: the lane is empty. */
  show(item) {
    this.item = item;
    this.isRevealed = !this.data.blur;
    this.plays = !this.data.muted;
    this.element("play").hidden = !item?.moves;
    this.zoom(false);
    this.root.classList.toggle("has-image", item !== null);
    this.root.classList.toggle("is-empty", item === null);
    this.root.classList.remove("is-lost");
    this.#dropPrompts();
    document.querySelector("#decide [name=item_id]").value = item?.id ?? "";
    this.element("facts").innerHTML = item?.html ?? "";
    this.element("note").value = "";
    this.openReasons(false);
    if (item) this.paint();
    else this.frame.replaceChildren();
  }

  /** Show what was not known yet of the image in hand. */
  complete(item) {
    Object.assign(this.item, item);
    this.element("facts").innerHTML = item.html;
    this.element("play").hidden = !item.moves;
  }

  /** The picture that an image arrives as. */
  arrivesAs(item) {
    if (this.data.blur) return item.preview;
    return item.moves && !this.data.muted ? item.original : item.screen;
  }

  /** The picture that is wanted now: the file itself only for what moves, and shall. */
  get wanted() {
    if (!this.isRevealed) return this.item.preview;
    if (this.item.moves && this.plays) return this.item.original;
    return this.isZoomed ? this.item.detail : this.item.screen;
  }

  /** Put the picture that is wanted into the frame, at once if it is at hand. */
  async paint() {
    const item = this.item;
    const url = this.wanted;
    this.#tellLook();
    let picture = this.pictures.ready(url);
    if (!picture) {
      const other = this.#meanwhile(url);
      this.frame.replaceChildren(...(other ? [other] : []));
      this.tellMissing(other);
      this.frame.setAttribute("aria-busy", "true");
      picture = await this.pictures.get(url);
      if (this.item !== item || url !== this.wanted) return;
      if (!other) this.#dropPrompts(); // that it is not here yet
    }
    if (picture.isMissing && url === item.detail) picture = this.#meanwhile(url) ?? picture;
    picture.alt = panel.t(this.isRevealed ? "lane.image_clear" : "lane.image_veiled");
    this.frame.replaceChildren(picture);
    this.frame.removeAttribute("aria-busy");
    this.tellMissing(picture);
    this.#measure(picture);
  }

  /** What stands there until a picture comes, or in place of one that cannot be made. */
  #meanwhile(url) {
    const { detail, screen, preview } = this.item;
    return (url === detail && this.pictures.ready(screen)) || this.pictures.ready(preview);
  }

  /** What is much longer than wide, or wider than long, fills the frame across when it is zoomed. */
  #measure({ naturalWidth, naturalHeight, classList, style }) {
    const ratio = naturalWidth / (naturalHeight || 1);
    classList.toggle("is-long", ratio > MOST_RATIO || ratio < 1 / MOST_RATIO);
    style.setProperty("--ratio", ratio);
    style.setProperty("--most", `${naturalWidth * MOST_ENLARGED}px`);
  }

  get isZoomed() {
    return this.stage.classList.contains("zoomed");
  }

  /** Whether there is something to look at: neither nothing, nor a drawing that says so. */
  get showsPicture() {
    const picture = this.frame.querySelector("img");
    return Boolean(picture?.complete && picture.naturalWidth && !picture.isDrawing);
  }

  /** Whether that may still come. */
  get awaitsPicture() {
    const isOnItsWay = this.frame.hasAttribute("aria-busy") || !this.frame.querySelector("img")?.complete;
    return isOnItsWay && !this.showsPicture;
  }

  /** Where there is nothing to look at, nothing is offered to look closer with. */
  tellMissing(picture) {
    this.root.classList.toggle("no-picture", Boolean(picture?.isMissing));
  }

  #tellLook() {
    this.element("hint").hidden = this.isRevealed;
    this.#press("keep_revealed", this.isRevealed);
    this.#press("play", this.isRevealed && this.plays);
    this.stage.classList.toggle("veiled", !this.isRevealed);
  }

  #press(act, isPressed) {
    const button = this.root.querySelector(`[data-act=${act}]`);
    button?.setAttribute("aria-pressed", String(isPressed));
  }

  toggleColour() {
    const isGrey = this.root.classList.toggle("in-grey");
    this.#press("colour", !isGrey);
  }

  zoom(isOn = !this.isZoomed) {
    this.stage.classList.toggle("zoomed", isOn);
    this.#press("zoom", isOn);
    const picture = this.frame.querySelector("img");
    if (!isOn || !picture) return;
    this.#measure(picture);
    if (picture.classList.contains("is-long")) {
      this.frame.scrollTo(0, 0); // it is read from its beginning
    } else {
      this.frame.scrollTo(
        (this.frame.scrollWidth - this.frame.clientWidth) / 2,
        (this.frame.scrollHeight - this.frame.clientHeight) / 2,
      );
    }
  }

  /** Move what is zoomed by a good part of the frame; false where nothing is. */
  pan(across, down) {
    if (!this.isZoomed) return false;
    const { clientWidth, clientHeight } = this.frame;
    this.frame.scrollBy(across * 0.4 * clientWidth, down * 0.4 * clientHeight);
    return true;
  }

  openReasons(isOpen) {
    this.element("because").classList.toggle("open", isOpen);
    this.element("show-reasons").setAttribute("aria-expanded", String(isOpen));
  }

  get reasonsAreOpen() {
    return this.element("because").classList.contains("open");
  }

  set waiting(count) {
    this.element("waiting").textContent = count.toLocaleString(document.documentElement.lang);
  }

  /** Of an admin's two lanes, the link to the other one says how many wait there. */
  tellOtherLane(waiting) {
    const link = this.element("other-lane");
    if (!link) return;
    const n = waiting[link.dataset.lane].toLocaleString(document.documentElement.lang);
    link.textContent = panel.t(`lane.go_${link.dataset.lane}`, { n });
  }

  set elsewhere(count) {
    this.element("held").textContent = panel.t("lane.held", { n: count.toLocaleString(document.documentElement.lang) });
    this.element("held").hidden = count === 0;
  }

  /** On the empty page: what was skipped, and what is in other hands. */
  tellRest({ skipped, elsewhere, others }) {
    const key = skipped ? (skipped === 1 ? "skipped_one" : "skipped_many") : null;
    const nothing = elsewhere ? "nothing_for_you" : "empty_title";
    this.#tell("empty-title", panel.t(`lane.${key ?? nothing}`, { n: skipped }));
    this.#tell("elsewhere", elsewhere ? panel.t("lane.elsewhere", { n: elsewhere }) : "");
    this.#tell("others", others);
    this.element("unskip-line").hidden = skipped === 0;
  }

  get emptyTitle() {
    return this.element("empty-title").textContent;
  }

  #tell(id, sentence) {
    this.element(id).textContent = sentence;
    this.element(id).hidden = !sentence;
  }

  set exposure(count) {
    const shown = this.element("exposure");
    shown.textContent = panel.t("lane.seen", { n: count.toLocaleString(document.documentElement.lang) });
    shown.hidden = count === 0;
  }

  /** Show what an undo would take back; those who listen heard it when it was done. */
  set last(done) {
    const reasons = Object.fromEntries(this.data.reasons);
    const what = done && panel.t(`lane.last_${done.after ?? (done.kind === "skip" ? "skipped" : "escalated")}`);
    const because = done?.category ? `: ${reasons[done.category] ?? done.category}` : "";
    this.#tell("last", done ? panel.t("lane.last") + what + because : "");
  }

  /** Say something to those who listen to the page. */
  say(sentence) {
    this.element("said").textContent = sentence;
  }

  /** Ask for a second press; the question leaves with its image. */
  prompt(sentence) {
    this.#dropPrompts();
    this.#show(sentence).classList.add("prompt");
  }

  #dropPrompts() {
    for (const each of document.querySelectorAll(".toast.prompt")) each.remove();
  }

  /** Show for a while what became of an image that is not on the stage any more. */
  toast(sentence, item) {
    const toast = this.#show(sentence, item);
    const leave = () => {
      if (toast.matches(":hover, :focus-within")) setTimeout(leave, TOAST_MS);
      else toast.remove();
    };
    setTimeout(leave, TOAST_MS);
  }

  #show(sentence, item) {
    const toast = document.createElement("div");
    toast.className = "toast";
    if (item) this.#prependPicture(toast, item);
    const text = document.createElement("p");
    text.textContent = sentence;
    if (item) text.append(" ", this.#linkTo(item));
    const close = document.createElement("button");
    close.type = "button";
    close.className = "quiet";
    close.setAttribute("aria-label", panel.t("lane.dismiss"));
    close.textContent = "×";
    close.addEventListener("click", () => toast.remove());
    toast.append(text, close);
    const toasts = this.element("toasts");
    toasts.append(toast);
    while (toasts.children.length > MOST_TOASTS) toasts.firstElementChild.remove();
    return toast;
  }

  async #prependPicture(toast, item) {
    const picture = await this.pictures.get(item.preview).catch(() => null);
    if (picture) {
      const small = picture.cloneNode();
      small.alt = "";
      toast.prepend(small);
    }
  }

  #linkTo(item) {
    const link = document.createElement("a");
    link.href = item.page;
    link.textContent = panel.t("lane.see_item");
    return link;
  }

  /** Say what stands between decisions and the server, and what of others lies here. */
  banner(state, count, ofOthers) {
    const banner = this.element("banner");
    const parts = [];
    if (state !== "online") parts.push(panel.t(`lane.state_${state}`, { who: this.data.name }));
    if (state !== "online" && count) {
      const until = state === "offline" ? "" : "_signed_out";
      const key = `lane.waits_${count === 1 ? "one" : "many"}${until}`;
      parts.push(panel.t(key, { n: count, who: this.data.name }));
    }
    for (const [who, n] of ofOthers) parts.push(panel.t("lane.waits_of_other", { who, n }));
    banner.textContent = parts.join(" ");
    if (state === "signed_out" || state === "other") {
      const link = document.createElement("a");
      link.href = location.href; // leads to the sign-in, and from there back here
      link.textContent = panel.t(`lane.way_on_${state}`);
      banner.append(" ", link);
    }
    banner.hidden = parts.length === 0;
  }

  suggestBreak(count) {
    this.element("break-text").textContent = panel.t("lane.break_text", { n: count });
    this.element("break-dialog").showModal();
  }
}
