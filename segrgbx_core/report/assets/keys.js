// SPDX-License-Identifier: Apache-2.0
// Keys, buttons, and the start of the page.

const ACTS = {
  first: () => go(0),
  last: () => go(segmented.length - 1),
  back: () => go(current - 1),
  on: () => go(current + 1),
  play: () => play(),
  worse: () => goWorse(1),
  enlarge: () => enlarge(),
  help: () => byId("help").showModal(),
  closer: () => zoom(0.5),
  wider: () => zoom(2),
  all: () => zoom(0),
};

const KEYS = {
  ArrowLeft: (event) => go(current - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => go(current + (event.shiftKey ? 10 : 1)),
  Home: ACTS.first,
  End: ACTS.last,
  " ": ACTS.play,
  w: ACTS.worse,
  W: () => goWorse(-1),
  f: ACTS.enlarge,
  "?": ACTS.help,
  "+": ACTS.closer,
  "-": ACTS.wider,
  0: ACTS.all,
  Escape: () => enlarge(false),
};

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  if (event.target.closest?.("select")) return;
  if (event.key === " " && event.target.closest?.("button")) return;
  const act = KEYS[event.key];
  if (!act && !/^[1-6]$/.test(event.key)) return;
  event.preventDefault();
  if (act) act(event);
  else toggleLayer(Number(event.key) - 1);
}

function start() {
  startViewer();
  startTimeline();
  startFrameTable();
  startScores();
  startWorst();
  watchCharts();
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => ACTS[button.dataset.act]());
  }
  document.addEventListener("keydown", onKey);
  go(scored || worstFirst.length === 0 ? worstFirst[0] ?? 0 : 0);
  document.body.dataset.ready = "yes";
}
