// SPDX-License-Identifier: Apache-2.0
// The run's scores: classes by condition, confusion, and how far the confidence can be believed.

function startScores() {
  if (data.scores === null) return;
  byId("scores").hidden = false;
  startClasses(data.scores);
  startConfusion(data.scores);
  startReliability(data.scores.reliability);
}

function startClasses({ withX, alone: without }) {
  const section = byId("by-class");
  const groups = withX.map(({ name }) => name);
  const choice = chooser(section, "Condition", groups);
  const of = (side, id) => side?.find(({ name }) => name === choice.value)?.ious[id] ?? null;
  const columns = [
    { title: "class", value: className, fill: fillClass },
    { title: withName, number: true, value: (id) => of(withX, id), fill: (cell, id) => fillIou(cell, of(withX, id)) },
  ];
  if (without) {
    const gain = (id) => difference(of(withX, id), of(without, id));
    columns.push({ title: "RGB alone", number: true, value: (id) => of(without, id), fill: (cell, id) => fillIou(cell, of(without, id)) });
    columns.push({ title: "gain", number: true, value: gain, fill: (cell, id) => fillGain(cell, gain(id)) });
  }
  const ids = () => [...classesSeen];
  const fill = sortable(section.querySelector("table"), ids, columns, { by: 1, falling: false });
  choice.addEventListener("change", fill);
  section.querySelector(".soft").textContent =
    "Intersection over union of all scored frames of the condition together; a dash: in neither truth nor masks.";
}

function fillClass(cell, id) {
  make("i", { parent: cell, class: "swatch" }).style.background = classColor(id);
  cell.append(className(id));
}

function fillIou(cell, value) {
  cell.textContent = shown(value);
  cell.classList.add("filled");
  cell.style.setProperty("--share", value ?? 0);
}

function startConfusion({ confusion, aloneConfusion }) {
  if (confusion === null) return;
  const section = byId("confusion");
  section.hidden = false;
  const choice = chooser(section, "Masks of", aloneConfusion ? [withName, "RGB alone"] : [withName]);
  const fill = () => fillConfusion(section.querySelector("table"), choice.value === withName ? confusion : aloneConfusion);
  choice.addEventListener("change", fill);
  fill();
}

function fillConfusion(table, counts) {
  table.replaceChildren();
  const there = data.classes.flatMap((_, id) =>
    counts[id].some(Boolean) || counts.some((row) => row[id]) ? [id] : []);
  const head = make("tr", { parent: make("thead", { parent: table }) });
  make("th", { parent: head });
  for (const id of there) make("span", { parent: make("th", { parent: head }), text: className(id) });
  const body = make("tbody", { parent: table });
  for (const id of there) {
    const row = make("tr", { parent: body });
    make("th", { parent: row, scope: "row", text: className(id) });
    const total = counts[id].reduce((sum, pixels) => sum + pixels, 0);
    for (const other of there) addShare(row, counts[id][other], total, id, other);
  }
}

function addShare(row, pixels, total, id, other) {
  const share = total ? pixels / total : null;
  const cell = make("td", { parent: row, text: share === null ? "\u2013" : (100 * share).toFixed(share && share < 0.0995 ? 1 : 0) });
  cell.style.setProperty("--share", share ?? 0);
  cell.style.setProperty("--tint", id === other ? "var(--with)" : "var(--bad)");
  cell.title = `${className(id)} taken for ${className(other)}: ${pixels.toLocaleString("en")} of ${total.toLocaleString("en")} pixels`;
}

function startReliability(found) {
  const card = byId("reliability");
  card.hidden = found === null || found.ece === null;
  if (card.hidden) return;
  const bins = found.confidence.flatMap((value, at) => (value === null ? [] : [at]));
  const sure = bins.map((at) => found.confidence[at]);
  const right = bins.map((at) => found.accuracy[at]);
  const mean = (values) => bins.reduce((sum, at, k) => sum + values[k] * found.pixels[at], 0) / bins.reduce((sum, at) => sum + found.pixels[at], 0);
  const over = mean(sure) - mean(right);
  const verdict = Math.abs(over) < 0.01 ? "on average it is as sure as it is right"
    : over > 0 ? "it is surer than it is right" : "it is less sure than it is right";
  card.querySelector("p").textContent =
    `Expected calibration error ${shown(found.ece)}: ${verdict} (mean confidence ${shown(mean(sure))}, ${shown(mean(right))} of pixels right).`;
  addReliabilityChart(card, sure, right);
  addConfidencePixels(card, found.pixels);
}

function addReliabilityChart(card, sure, right) {
  const ends = { range: [0, 1] };
  addChart(card, "Share of right pixels by confidence", "on the dashes: as sure as right", {
    height: 260, scales: { x: { time: false, ...ends }, y: ends },
    axes: [axis({ size: 30 }), axis({ size: 42 })],
    cursor: { drag: { x: false, y: false } },
    series: [{ label: "confidence", value: (_, value) => shown(value) },
      line("right", "--with", { width: 2, points: { show: true, size: 6 }, value: (_, value) => shown(value) }),
      line("as sure", "--soft", { dash: [5, 5], width: 1, value: (_, value) => shown(value) })],
  }, diagonal(sure, right));
}

/** The curve, and the diagonal from corner to corner. */
function diagonal(sure, right) {
  return [[0, ...sure, 1], [undefined, ...right, undefined], [0, ...sure, 1]];
}

function addConfidencePixels(card, pixels) {
  const total = pixels.reduce((sum, count) => sum + count, 0);
  const middle = pixels.map((_, at) => (at + 0.5) / pixels.length);
  addChart(card, "Pixels by confidence", "share of all", {
    height: 110, scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
    axes: [axis({ size: 30 }), axis({ size: 42, space: 24 })],
    cursor: { drag: { x: false, y: false } },
    series: [{ label: "confidence", value: (_, value) => shown(value, 2) },
      line("share", "--with", { fill: () => cssColor("--with"), width: 0, paths: uPlot.paths.bars({ size: [0.85] }), value: (_, value) => shown(value) })],
  }, [middle, pixels.map((count) => count / total)]);
}
