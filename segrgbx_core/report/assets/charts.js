// SPDX-License-Identifier: Apache-2.0
// What all charts share: colours of the page, axes, and redrawing in another width or scheme.

const charts = [];

/** A chart with its title; options and values as uPlot takes them. */
function addChart(parent, title, note, options, values) {
  const box = make("div", { parent, class: "chart" });
  const head = make("h3", { parent: box, text: title });
  if (note) make("small", { parent: head, text: ` ${note}` });
  const chart = new uPlot({ width: widthOf(box), ...options }, values, box);
  charts.push({ chart, box });
  return chart;
}

function widthOf(box) {
  return Math.max(200, Math.floor(box.clientWidth));
}

function axis(more = {}) {
  return {
    stroke: () => cssColor("--soft"),
    grid: { stroke: () => cssColor("--line"), width: 1 },
    ticks: { stroke: () => cssColor("--line"), width: 1, size: 4 },
    font: "11px system-ui, sans-serif",
    ...more,
  };
}

function line(label, color, more = {}) {
  const stroke = typeof color === "number" ? () => readableColor(color) : pageColor(color);
  return { label, stroke, width: 1.5, points: { show: false }, ...more };
}

function pageColor(color) {
  return color.startsWith("--") ? () => cssColor(color) : color;
}

/** A class's colour, lighter or darker where it would not show on the page. */
function readableColor(id) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const [red, green, blue] = data.classes[id].color;
  const light = (0.3 * red + 0.59 * green + 0.11 * blue) / 255;
  const mixed = dark ? Math.max(0, 0.45 - light) : Math.max(0, light - 0.6);
  return `color-mix(in srgb, ${dark ? "white" : "black"} ${Math.round(130 * mixed)}%, ${classColor(id)})`;
}

function watchCharts() {
  const sized = new ResizeObserver(() => {
    for (const { chart, box } of charts) {
      if (chart.width !== widthOf(box)) chart.setSize({ width: widthOf(box), height: chart.height });
    }
    moveHeads();
  });
  for (const { box } of charts) sized.observe(box);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => charts.forEach(({ chart }) => chart.redraw(false)));
}
