/* The sweep: one key decides all that is not marked, another takes it all back. */

"use strict";

document.documentElement.classList.add("js");

const RENEW_EVERY_MS = 100_000; // claims last five minutes
// What a moderator chose for this sitting: the page comes veiled and grey each time.
const REMEMBERED = ["sweep-reveal", "sweep-colours"];

const form = document.getElementById("sweep");
if (form && !("done" in form.dataset)) start();

function start() {
  const $ = (id) => document.getElementById(id);
  const bar = $("sweep-bar");
  const done = $("sweep-done");
  const reasons = $("sweep-reasons");
  const reason = $("sweep-reason");
  const problem = $("sweep-problem");
  const exposure = new Exposure(panel.data("exposure-data"));
  const grid = new SweepGrid($("sweep-grid"), { changed: count, exposed });
  let results = []; // of the sweep that was made
  let isBusy = false;
  let hasReason = false; // or was asked for one, and gave none
  let warned = false; // that some were not looked at: the sentence stands there
  let warnedAt = -Infinity; // a key that bounces answers no question

  grid.watch(bar.offsetHeight);
  count();
  nameNoReason();
  renew(); // the page before this one may have let go of some just now
  setInterval(renew, RENEW_EVERY_MS);

  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && !results.length && location.reload());

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.name === "decision") decide(event.submitter.value);
  });
  $("sweep-undo").addEventListener("submit", (event) => {
    event.preventDefault();
    undo();
  });
  reasons.addEventListener("close", () => {
    if (!reasons.returnValue) return;
    hasReason = true;
    nameNoReason();
    reason.value = reasons.returnValue === "none" ? "" : reasons.returnValue;
    decide(reasons.dataset.decision);
  });
  reasons.addEventListener("keydown", (event) => {
    const button = reasons.querySelectorAll(".reason-list button:not(.cancel)")[event.key - 1];
    if (button) reasons.close(button.value);
  });
  $("sweep-reveal")?.addEventListener("click", () => toggle("sweep-reveal", revealAll));
  $("sweep-colours")?.addEventListener("click", () =>
    toggle("sweep-colours", (on) => form.classList.toggle("grey", !on)),
  );
  $("sweep-help")?.addEventListener("click", () => $("sweep-keys").showModal());
  for (const id of REMEMBERED) if (sessionStorage.getItem(id) === "on") $(id)?.click();
  const acts = {
    approve: () => decide("approve"),
    reject: () => decide("reject"),
    undo,
    next: () => results.length && location.assign(form.dataset.next),
    reveal: () => $("sweep-reveal")?.click(),
    colours: () => $("sweep-colours")?.click(),
    open: () => location.assign(withItem($("sweep-left").href, grid.itemHere)),
    hold: () => grid.reveal(grid.here, true),
    help: () => $("sweep-keys").showModal(),
  };
  const actions = new Map(); // by key
  for (const [action, keys] of Object.entries(panel.data("sweep-key-names"))) {
    for (const key of keys) actions.set(key, action);
  }
  addEventListener("keydown", press);
  addEventListener("keyup", (event) => {
    if (actions.get(event.key.toLowerCase()) === "hold") grid.reveal(grid.here, false);
  });
  form.addEventListener("change", count);

  // --- what is to be decided ---------------------------------------------------------------------

  /** Say on the buttons how many images each decides. */
  function count() {
    const open = grid.marks.filter((mark) => !mark.disabled);
    const rest = open.filter((mark) => !mark.checked).length;
    for (const words of form.querySelectorAll("[data-words]")) {
      const kind = words.dataset.words;
      words.textContent = panel.t(`sweep.${kind}_n`, { n: rest });
      words.closest("button").disabled = isBusy || (rest === 0 && fate() === "left");
    }
    withdraw();
  }

  /** Without a reason chosen a rejection asks for one, once. */
  function nameNoReason() {
    reason.options[0].textContent = panel.t(hasReason ? "sweep.without_reason" : "sweep.ask_reason");
  }

  function fate() {
    return form.elements.marked_fate.value;
  }

  function say(sentence) {
    problem.hidden = !sentence;
    problem.textContent = sentence ?? "";
    warned = false;
  }

  /** A picture was looked at for the first time. */
  function exposed() {
    exposure.add();
    if (!grid.unseen.length) withdraw();
  }

  function revealAll(areRevealed) {
    grid.revealAll(areRevealed);
    withdraw();
  }

  /** What the warning says of images that were not looked at is not so any more. */
  function withdraw() {
    if (warned) say(null);
  }

  async function decide(decision) {
    if (isBusy || results.length) return;
    const rejects = decision === "reject" || (fate() === "opposite" && grid.marked.length > 0);
    if (rejects && !reason.value && !hasReason) {
      reasons.returnValue = "";
      reasons.dataset.decision = decision;
      return reasons.showModal();
    }
    const unseen = grid.unseen;
    if (unseen.length && !warned) {
      say(panel.t(grid.isVeiled ? "sweep.unseen_veiled" : "sweep.unseen", { n: unseen.length }));
      grid.cells[unseen[0]].scrollIntoView({ block: "center" });
      warned = true;
      warnedAt = performance.now();
      return;
    }
    if (panel.isTooSoon(warnedAt)) return;
    await send(decision);
  }

  async function send(decision) {
    busy(true);
    say(null);
    try {
      const { status, body } = await post(form.action, {
        decision,
        key: form.elements.key.value,
        shown: grid.shown,
        marked: grid.marked,
        marked_fate: fate(),
        category: reason.value,
      });
      if (status !== 200) return say(body.error ?? panel.t("sweep.bad_request"));
      show(body);
      tellWaiting(body.waiting);
    } catch {
      say(panel.t("sweep.no_connection")); // the same key goes with the next attempt
    } finally {
      busy(false);
    }
  }

  function busy(is) {
    isBusy = is;
    form.setAttribute("aria-busy", is);
    for (const button of bar.querySelectorAll("button")) button.disabled = is;
    if (!is) count();
  }

  /** Each call tells along the way what was looked at. */
  async function post(url, values) {
    const views = exposure.report();
    const answer = await panel.post(url, { ...values, views });
    if (answer.status === 200) exposure.reported(views, answer.body.seen);
    return answer;
  }

  /** How many can be decided here, until they are, and how many are left in all. */
  function tellWaiting(count) {
    const waiting = count.toLocaleString(document.documentElement.lang);
    const here = grid.shown.length;
    const words = results.length ? "sweep.still_waiting" : "sweep.waiting";
    $("sweep-waiting").textContent = panel.t(words, { here, waiting });
  }

  /** What is not decided goes back at once, so that nobody waits for it. */
  function leave() {
    const open = results.length ? [] : grid.marks.filter((mark) => !mark.disabled);
    const ids = open.map((mark) => mark.value);
    const views = exposure.report();
    if (ids.length || views.length) panel.release(form.dataset.release, ids, exposure.seen.now, views);
  }

  // --- what became of it -------------------------------------------------------------------------

  function show({ results: made, summary }) {
    results = made;
    const decided = made.filter((each) => each.decision);
    // The lane's undo takes them back one by one.
    new TabMemory(form.dataset.session).add(
      ...decided.map(({ item, decision, after }) => ({
        kind: "decide",
        after,
        decisionId: decision,
        item: { id: item },
      })),
    );
    for (const each of made) {
      const kind = each.problem ? "failed" : (each.after ?? "left");
      mark(each.item, kind, each.problem ?? panel.t(`sweep.r_${kind}`));
    }
    const left = made.filter((each) => !each.after && !each.problem);
    $("sweep-left").hidden = !left.length;
    if (left.length) $("sweep-left").href = withItem($("sweep-left").href, left[0].item);
    finish(summary, made.some((each) => each.decision));
  }

  function finish(summary, canUndo) {
    bar.hidden = true;
    done.hidden = false;
    $("sweep-summary").textContent = summary;
    $("sweep-undo-button").hidden = !canUndo;
    $("sweep-break").hidden = !exposure.breakIsDue;
    if (exposure.breakIsDue) exposure.breakSuggested();
    for (const each of grid.marks) each.disabled = true;
    $("sweep-next").focus({ preventScroll: true });
  }

  function mark(itemId, kind, words) {
    const cell = grid.cellOf(itemId);
    if (!cell) return;
    cell.classList.remove("approved", "rejected", "left", "failed", "lost", "review");
    if (kind) cell.classList.add(kind);
    cell.querySelector(".result").textContent = words ?? "";
  }

  function withItem(address, itemId) {
    const url = new URL(address);
    url.searchParams.set("item", itemId);
    return url.href;
  }

  async function undo() {
    const decisions = results.map((each) => each.decision).filter(Boolean);
    if (isBusy || !decisions.length) return;
    busy(true);
    try {
      const left = results.filter((each) => !each.after && !each.problem).map((each) => each.item);
      const { status, body } = await post(form.dataset.undo, { decisions, left });
      if (status !== 200) return ($("sweep-summary").textContent = body.error ?? `${status}`);
      backToGrid(body.results);
      tellWaiting(body.waiting);
    } catch {
      $("sweep-summary").textContent = panel.t("sweep.no_connection");
    } finally {
      busy(false);
    }
  }

  /** What was taken back can be decided again; what could not be, cannot. */
  function backToGrid(undone) {
    new TabMemory(form.dataset.session).forget(results.map((each) => each.decision));
    const problems = new Map();
    for (const { item, problem: sentence, seen } of undone) {
      if (sentence) problems.set(item, sentence);
      else grid.cellOf(item).querySelector("input[name=shown]").value = `${item}:${seen}`;
    }
    for (const { item, problem: sentence } of results) {
      const why = sentence ?? problems.get(item);
      mark(item, why ? "failed" : null, why);
      grid.cellOf(item).querySelector(".mark").disabled = Boolean(why);
    }
    results = [];
    hasReason = false;
    nameNoReason();
    form.elements.key.value = newKey();
    done.hidden = true;
    bar.hidden = false;
    say([...new Set(problems.values())].join(" "));
    count();
    grid.focus();
  }

  // --- claims and keys ---------------------------------------------------------------------------

  async function renew() {
    if (document.hidden || results.length) return;
    const shown = grid.marks.filter((each) => !each.disabled).map((each) => each.value);
    const { status, body } = await post(form.dataset.renew, { shown }).catch(() => ({}));
    if (status !== 200 || results.length || isBusy) return;
    const lost = shown.filter((id) => !body.held.includes(id));
    if (!lost.length) return; // an answer to a question that was just asked stands
    for (const id of lost) {
      mark(id, "lost", panel.t("sweep.r_lost"));
      grid.cellOf(id).querySelector(".mark").disabled = true;
    }
    say(panel.t("sweep.lost", { n: lost.length }));
    count();
  }

  /** Names the next request; not by randomUUID, which plain HTTP does not have. */
  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function toggle(id, apply) {
    const button = $(id);
    if (!button) return;
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    sessionStorage.setItem(id, on ? "on" : "off");
    apply(on);
  }

  function press(event) {
    const name = LaneKeyboard.nameOf(event);
    if (document.querySelector("dialog[open]") || event.target.closest?.("select, textarea")) return;
    if (name?.length === 1 && localStorage.getItem(NO_LETTERS) === "yes") return;
    const action = actions.get(name);
    if (!action || event.repeat) return;
    event.preventDefault();
    acts[action]();
  }
}
