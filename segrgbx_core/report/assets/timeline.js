// SPDX-License-Identifier: Apache-2.0
// The run over time: charts one below the other, with one cursor, one zoom and one playhead.

const GAP_FACTOR = 2.5;
const LANE_COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#756fb5"];
const conditions = [...new Set(frames.condition.filter(Boolean))];
const gaps = timed ? findGaps() : [];
/** The charts' axis: every row, and a break in each gap. */
const axisRows = withBreaks();
const axisX = axisRows.map((row) => (row < 0 ? breakAt(-row - 1) : position[row]));
const placeOnAxis = new Map(axisRows.map((row, at) => [row, at]));
const lanes = [];
const FEW_CLASSES = 16, TRACE = 0.02;

/** Spans without any image that are longer than usual, as [from, to]. */
function findGaps() {
  const steps = position.slice(1).map((at, row) => at - position[row]);
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? 0;
  return steps.flatMap((step, row) =>
    usual > 0 && step > GAP_FACTOR * usual ? [[position[row], position[row + 1]]] : []);
}

function withBreaks() {
  const rows = [];
  let next = 0;
  position.forEach((at, row) => {
    if (next < gaps.length && at >= gaps[next][1]) rows.push(-1 - next++);
    rows.push(row);
  });
  return rows;
}

function breakAt(gap) {
  return (gaps[gap][0] + gaps[gap][1]) / 2;
}

/** A column on the axis: undefined is passed over by a line, null breaks it. */
function column(values) {
  return axisRows.map((row) => (row < 0 ? null : values[row] ?? undefined));
}

function startTimeline() {
  if (segmented.length < 2) {
    byId("timeline").hidden = true;
    return;
  }
  addLane();
  addIouCharts();
  addShares();
  const share = { range: [0, 1], digits: 3 };
  addLines("Confidence and valid X", "0 to 1", share, [
    ["confidence", "--with", frames.confidence],
    [`valid pixels of ${data.x}`, "--alone", data.x === null ? [] : frames.xValid],
  ]);
  addLines("X stamp minus RGB stamp", "ms", { digits: 1 }, [["skew", "--with", frames.skew]]);
  addLines("Time a frame", "ms", { digits: 1, zero: true }, [
    ["all stages", "--with", frames.total],
    ["model", "--alone", frames.model],
    ["decode", "#009e73", frames.decode],
    ["encode", "#cc79a7", frames.encode],
    ["output", "#8a8f98", frames.output],
  ]);
  onFrame(moveHeads);
}

function addIouCharts() {
  const unit = { range: [0, 1], digits: 3 };
  addLines("Mean IoU", "", { ...unit, range: aroundValues }, [
    [withName, "--with", frames.miou],
    ["RGB alone", "--alone", frames.aloneMiou],
  ]);
  const gain = frames.miou.map((value, row) => difference(value, frames.aloneMiou[row]));
  addLines("Gain in mean IoU by X", "above 0: better with X", { digits: 3, range: aroundZero, signed: true },
    [["gain", "--good", gain]]);
  const lines = classesSeen.map((id) => [className(id), id, frames.ious[id]]);
  addLines("IoU by class", withName, { ...unit, height: 140 }, lines);
}

/** A chart of lines; those without a value are left out, and the chart without a line. */
function addLines(title, note, { range, digits, zero, signed, height = 80 }, lines) {
  const some = lines.filter(([, , values]) => values.some((value) => value !== null));
  if (some.length === 0) return;
  const series = some.map(([label, color]) =>
    line(label, color, { value: (_, value) => shown(value, digits), ...(signed && bars) }));
  const scale = range ? { range } : { range: zero ? fromZero : undefined };
  addLaneChart(title, note, series, some.map(([, , values]) => column(values)), scale, height);
}

/** From each value to zero, since their sign is what matters. */
const bars = { paths: uPlot.paths.bars({ size: [0.8, 6, 1] }), width: 0, fill: () => cssColor("--good") };

function aroundValues(_, low, high) {
  const margin = Math.max(0.02, (high - low) / 8);
  return low === null ? [0, 1] : [Math.max(0, low - margin), Math.min(1, high + margin)];
}

function aroundZero(_, low, high) {
  const far = Math.max(0.02, Math.abs(low ?? 0), Math.abs(high ?? 0)) * 1.1;
  return [-far, far];
}

function fromZero(_, low, high) {
  return [0, high > 0 ? high * 1.1 : 1];
}

/** The classes' shares over one another, the last one at the bottom; of many, without traces. */
function addShares() {
  if (!frames.shares.some((values) => values.some((value) => value !== null))) return;
  const ids = frames.shares.flatMap((values, id) =>
    values.some((value) => value > (frames.shares.length > FEW_CLASSES ? TRACE : 0)) ? [id] : []);
  const sums = [];
  let before = null;
  for (const id of [...ids].reverse()) {
    before = frames.shares[id].map((value, row) => (value === null ? null : value + (before?.[row] ?? 0)));
    sums.unshift(column(before));
  }
  const series = ids.map((id) => line(className(id), classColor(id), {
    fill: classColor(id), width: 0,
    value: (_, __, ___, at) => shown(at === null ? null : frames.shares[id][axisRows[at]], 3),
  }));
  addLaneChart("Class shares of the mask", "", series, sums, { range: [0, 1] }, 100);
}

/** Conditions as bands, drops as red marks, gaps as grey spans. */
function addLane() {
  const lost = frames.index.filter((index) => index === null).length;
  const note = [lost ? `red: ${counted(lost, "image")} without a mask` : "every image has a mask",
    gaps.length ? `grey: ${counted(gaps.length, "gap")} in the recording` : ""].filter(Boolean).join(", ");
  const series = [line("image", "--soft", { show: true, width: 0, value: (_, __, ___, at) => laneText(at) })];
  const zeros = axisRows.map((row) => (row < 0 ? null : 0));
  addLaneChart("Images", note, series, [zeros], { range: [-1, 1] }, 64, drawLane);
}

function laneText(at) {
  const row = at === null ? -1 : axisRows[at];
  if (row < 0) return "gap";
  const lost = frames.dropped[row] || (frames.index[row] === null ? "no mask" : "segmented");
  return [timeText(row), frames.condition[row], lost].filter(Boolean).join(", ");
}

function drawLane(chart) {
  const { ctx, bbox } = chart;
  const px = (at) => Math.max(bbox.left, Math.min(bbox.left + bbox.width, chart.valToPos(at, "x", true)));
  const half = bbox.height * 0.5;
  ctx.save();
  for (const { from, to, name } of runsOfConditions()) {
    ctx.fillStyle = LANE_COLORS[conditions.indexOf(name) % LANE_COLORS.length];
    ctx.fillRect(px(from), bbox.top, Math.max(1, px(to) - px(from)), half - 2);
    writeInside(ctx, name, px(from), px(to), bbox.top + half / 2);
  }
  ctx.fillStyle = cssColor("--bad");
  frames.index.forEach((index, row) => {
    if (index === null) ctx.fillRect(px(position[row]) - 1, bbox.top + half, 2, half);
  });
  ctx.restore();
}

function writeInside(ctx, name, from, to, middle) {
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  if (ctx.measureText(name).width > to - from - 6) return;
  ctx.save();
  ctx.fillStyle = "#fff";
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.shadowColor = "#000";
  ctx.shadowBlur = 3;
  ctx.fillText(name, from + 4, middle);
  ctx.restore();
}

function runsOfConditions() {
  const runs = [];
  frames.condition.forEach((name, row) => {
    const last = runs[runs.length - 1];
    if (last && (last.name === name || frames.index[row] === null)) last.to = position[Math.min(row + 1, rowCount - 1)];
    else if (name) runs.push({ name, from: position[row], to: position[Math.min(row + 1, rowCount - 1)] });
    else runs.push({ name: "", from: position[row], to: position[row] });
  });
  return runs.filter(({ name }) => name);
}

function drawGaps(chart) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = cssColor("--gap");
  for (const [from, to] of gaps) {
    const left = Math.max(bbox.left, chart.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, chart.valToPos(to, "x", true));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function addLaneChart(title, note, series, values, yScale, height, alsoDraw = null) {
  const options = {
    height,
    scales: { x: { time: false }, y: yScale.range ? yScale : {} },
    cursor: { sync: { key: "run" }, drag: { x: false, y: false, setScale: false }, y: false },
    legend: { live: true },
    axes: [timeAxis(Boolean(alsoDraw)), axis({ size: 42, space: 24, ...(alsoDraw && { values: () => [] }) })],
    series: [{ label: "at", value: (_, at) => (at === null ? "" : timed ? `${shown(at, 2)} s` : at) }, ...series],
    hooks: { drawClear: [drawGaps], draw: alsoDraw ? [alsoDraw] : [], setScale: [() => moveHeads()] },
  };
  const chart = addChart(byId("timeline"), title, note, options, [axisX, ...values]);
  lanes.push({ chart, head: make("div", { parent: chart.over, class: "playhead" }) });
  scrubOn(chart);
  return chart;
}

/** Named at the first chart alone; the lines of the others are below its own. */
function timeAxis(named) {
  const values = (_, ticks) => ticks.map((at) => (named ? `${+at.toFixed(3)}${timed ? " s" : ""}` : ""));
  return axis({ size: named ? 22 : 6, values });
}

/** Pressing and dragging on a chart goes to the frame there. */
function scrubOn(chart) {
  const seek = (event) => {
    const box = chart.over.getBoundingClientRect();
    go(nearestPlace(chart.posToVal(event.clientX - box.left, "x")));
  };
  chart.over.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    chart.over.setPointerCapture(event.pointerId);
    play(false);
    seek(event);
  });
  chart.over.addEventListener("pointermove", (event) => {
    if (chart.over.hasPointerCapture(event.pointerId)) seek(event);
  });
}

function moveHeads() {
  const row = segmented[current];
  const at = position[row];
  for (const { chart, head } of lanes) {
    const x = chart.valToPos(at, "x");
    head.hidden = !(x >= 0 && x <= chart.over.clientWidth);
    head.style.left = `${x}px`;
    if (chart.cursor.idx == null) chart.setLegend({ idx: placeOnAxis.get(row) }, false);
  }
}

/** Zooms all charts about the frame looked at; a factor of 0 shows the whole run. */
function zoom(factor) {
  if (lanes.length === 0) return;
  const whole = [axisX[0], axisX[axisX.length - 1]];
  const { min, max } = lanes[0].chart.scales.x;
  const width = factor === 0 ? Infinity : (max - min) * factor;
  const middle = position[segmented[current]];
  const low = Math.max(whole[0], Math.min(middle - width / 2, whole[1] - width));
  const high = Math.min(whole[1], low + width);
  for (const { chart } of lanes) chart.setScale("x", { min: low, max: high });
}
