// SPDX-License-Identifier: Apache-2.0
// The run's numbers, the frame that is looked at, and who is told when it changes.

const data = JSON.parse(document.getElementById("run-data").textContent);
const frames = data.frames;
const rowCount = frames.stem.length;
const scored = frames.miou.some((value) => value !== null);
const alone = frames.aloneMiou.some((value) => value !== null);
const withName = data.x === null ? "RGB" : `RGB + ${data.x}`;

/** Where each row lies on the charts: seconds since the first image, or the image's number. */
const timed = rowCount > 0 && !frames.seconds.includes(null);
const position = timed ? frames.seconds : frames.stem.map((_, row) => row + 1);
/** Rows with a mask, in their order. */
const segmented = frames.index.flatMap((index, row) => (index === null ? [] : [row]));
/** Places in `segmented`, the worst first. */
const worstFirst = segmented.map((_, place) => place).sort((a, b) => badness(b) - badness(a));

const listeners = [];
let current = 0;

/** The larger the worse: by score, without one by confidence; unscored frames of a scored run last. */
function badness(place) {
  const row = segmented[place];
  const value = scored ? frames.miou[row] : frames.confidence[row];
  return value === null ? -Infinity : -value;
}

/** Calls the function with the row now and whenever another frame is looked at. */
function onFrame(tell) {
  listeners.push(tell);
}

/** Looks at a frame by its place in `segmented`. */
function go(place) {
  if (segmented.length === 0) return;
  current = Math.max(0, Math.min(segmented.length - 1, place));
  const row = segmented[current];
  for (const tell of listeners) tell(row, current);
}

/** Looks at the frame of that row, or at the nearest with a mask. */
function goToRow(row) {
  go(nearestPlace(position[row]));
}

/** The place of the segmented frame nearest to a position on the charts. */
function nearestPlace(at) {
  let low = 0;
  let high = segmented.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (position[segmented[middle]] < at) low = middle + 1;
    else high = middle;
  }
  const before = Math.max(0, low - 1);
  const distance = (place) => Math.abs(position[segmented[place]] - at);
  return distance(before) <= distance(low) ? before : low;
}

/** Steps through the frames by how bad they are. */
function goWorse(step) {
  const rank = worstFirst.indexOf(current) + step;
  go(worstFirst[(rank + worstFirst.length) % worstFirst.length]);
}

/** Classes that take part in the run: in masks, or in the ground truth. */
const classesSeen = data.classes.flatMap((_, id) => (isSeen(id) ? [id] : []));

function isSeen(id) {
  return frames.shares[id].some((share) => share > 0) || frames.ious[id].some((iou) => iou !== null);
}

/** A number with its noun. */
function counted(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** A value as text: three decimals for shares, fewer for large numbers, a dash for none. */
function shown(value, digits = 3) {
  return value === null || value === undefined ? "\u2013" : value.toFixed(digits);
}

/** A difference with its sign. */
function signedText(value) {
  if (value === null) return "\u2013";
  const text = Math.abs(value).toFixed(3);
  if (Number(text) === 0) return "0.000";
  return (value > 0 ? "+" : "\u2212") + text;
}

function difference(a, b) {
  return a === null || b === null || a === undefined || b === undefined ? null : a - b;
}

function timeText(row) {
  return timed ? `${frames.seconds[row].toFixed(2)} s` : frames.stem[row];
}

/** A new element with text and attributes. */
function make(tag, { text, parent, ...attributes } = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

function byId(name) {
  return document.getElementById(name);
}

function cssColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function classColor(id) {
  const [red, green, blue] = id < data.classes.length ? data.classes[id].color : [128, 128, 128];
  return `rgb(${red} ${green} ${blue})`;
}

function className(id) {
  return id < data.classes.length ? data.classes[id].name : "unlabelled";
}
