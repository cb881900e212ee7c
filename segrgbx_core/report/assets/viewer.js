// SPDX-License-Identifier: Apache-2.0
// The picture: layers over one another, each with a switch and an opacity, and the worst frames.

const LAYERS = [
  { name: "rgb", title: "RGB", on: true, opacity: 1 },
  { name: "x", title: data.x ?? "X", on: false, opacity: 1 },
  { name: "mask", title: "mask", on: true, opacity: 0.5 },
  { name: "truth", title: "truth", on: false, opacity: 0.6 },
  { name: "error", title: "error", on: false, opacity: 0.8 },
  { name: "confidence", title: "confidence", on: false, opacity: 0.7 },
];
const THUMBS = 8;
const APART_S = 1;

let drawn = null;
let wanted = -1;
let playing = null;

function startViewer() {
  byId("player").hidden = segmented.length === 0;
  const stage = document.querySelector(".stage");
  const tiles = byId("layers");
  LAYERS.forEach((layer, number) => addLayer(layer, number, stage, tiles));
  const legend = byId("classes");
  classesSeen.forEach((id) => {
    const chip = make("span", { parent: legend });
    make("i", { parent: chip }).style.background = classColor(id);
    chip.append(className(id));
  });
  const scrub = byId("scrub");
  scrub.max = Math.max(0, segmented.length - 1);
  scrub.addEventListener("input", () => go(Number(scrub.value)));
  stage.addEventListener("pointermove", tellPixel);
  onFrame((row, place) => {
    scrub.value = place;
    tellFrame(row, place);
    show(row);
  });
}

function addLayer(layer, number, stage, tiles) {
  layer.canvas = make("canvas", { parent: stage });
  const tile = make("div", { parent: tiles, class: "layer" });
  const button = make("button", {
    parent: tile, type: "button", title: `${layer.title} (${number + 1})`, "data-layer": layer.name,
  });
  layer.small = make("canvas", { parent: button });
  make("span", { parent: button, class: "name", text: `${number + 1} ${layer.title}` });
  layer.slider = make("input", {
    parent: tile, type: "range", min: 0, max: 1, step: 0.05, "aria-label": `Opacity of ${layer.title}`,
  });
  layer.slider.value = layer.opacity;
  layer.tile = tile;
  button.addEventListener("click", () => toggleLayer(number));
  layer.slider.addEventListener("input", () => {
    layer.opacity = Number(layer.slider.value);
    layer.on = layer.opacity > 0;
    dress(layer);
  });
  dress(layer);
}

function toggleLayer(number) {
  const layer = LAYERS[number];
  if (!layer || layer.tile.hidden) return;
  layer.on = !layer.on;
  dress(layer);
}

function dress(layer) {
  layer.canvas.style.visibility = layer.on ? "visible" : "hidden";
  layer.canvas.style.opacity = layer.opacity;
  layer.tile.classList.toggle("on", layer.on);
  layer.tile.querySelector("button").setAttribute("aria-pressed", layer.on);
}

async function show(row) {
  const index = frames.index[row];
  wanted = index;
  const layers = await layersOf(index);
  if (wanted !== index) return;
  drawn = layers && { ...layers, row };
  document.querySelector(".stage").hidden = drawn === null;
  if (drawn) drawLayers(drawn);
  document.body.dataset.drawn = row;
  const following = segmented[current + 1];
  if (following !== undefined) layersOf(frames.index[following]);
}

function drawLayers(layers) {
  const { width, height } = layers;
  document.documentElement.style.setProperty("--aspect", width / height);
  for (const layer of LAYERS) {
    const picture = layers[layer.name];
    layer.tile.hidden = !picture;
    draw(layer.canvas, picture, width, height);
    if (picture) draw(layer.small, picture, 160, Math.round((160 * height) / width));
  }
}

function draw(canvas, picture, width, height) {
  canvas.width = width;
  canvas.height = height;
  if (picture) canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
}

function tellFrame(row, place) {
  byId("frame-name").textContent = `Frame ${place + 1} of ${segmented.length}`;
  const facts = [timeText(row), timed ? frames.stem[row] : "", frames.condition[row]];
  if (frames.miou[row] !== null) facts.push(`mIoU ${shown(frames.miou[row])}`);
  const gain = difference(frames.miou[row], frames.aloneMiou[row]);
  if (gain !== null) facts.push(`${signedText(gain)} by X`);
  if (frames.confidence[row] !== null) facts.push(`confidence ${shown(frames.confidence[row], 2)}`);
  facts.push(frames.xNote[row]);
  byId("frame-facts").textContent = facts.filter(Boolean).join(" \u00b7 ");
}

function tellPixel(event) {
  if (!drawn) return;
  const box = event.currentTarget.getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * drawn.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * drawn.height);
  if (x < 0 || y < 0 || x >= drawn.width || y >= drawn.height) return;
  const at = y * drawn.width + x;
  const said = [`mask: ${className(drawn.maskIds[at])}`];
  if (drawn.truthIds) said.push(`truth: ${className(drawn.truthIds[at])}`);
  said.push(`confidence ${(drawn.sure[at] / 255).toFixed(2)}`);
  byId("pixel").textContent = said.join(" \u00b7 ");
}

function enlarge(on = !document.body.classList.contains("enlarged")) {
  document.body.classList.toggle("enlarged", on);
  document.querySelector('[data-act="enlarge"]').textContent = on ? "smaller" : "enlarge";
}

function play(on = playing === null) {
  clearTimeout(playing);
  playing = null;
  document.querySelector('[data-act="play"]').textContent = on ? "pause" : "play";
  if (on && segmented.length > 1) playOn(current === segmented.length - 1 ? 0 : current);
}

/** Goes on at the run's own pace, within 25 and 2 frames a second, or as fast as it draws. */
async function playOn(place) {
  playing = 0;
  go(place);
  await layersOf(frames.index[segmented[place]]);
  if (playing === null) return;
  if (place + 1 >= segmented.length) return play(false);
  const pause = timed ? position[segmented[place + 1]] - position[segmented[place]] : 0.25;
  playing = setTimeout(() => playOn(place + 1), 1000 * Math.min(0.5, Math.max(0.04, pause)));
}

/** The worst frames, not of the same second, as pictures to click on. */
function startWorst() {
  const places = apart(worstFirst.filter((place) => badness(place) > -Infinity));
  if (places.length < 2) return;
  const section = byId("worst");
  section.hidden = false;
  const by = scored ? "lowest mean IoU" : "lowest confidence";
  const note = timed ? `, at least ${APART_S} s apart` : "";
  section.querySelector("h2").textContent = `The worst frames: ${by} first${note}`;
  for (const place of places) addThumb(place, section.querySelector(".thumbs"));
}

function apart(places) {
  const taken = [];
  for (const place of places) {
    const at = position[segmented[place]];
    const near = (other) => Math.abs(position[segmented[other]] - at) < APART_S;
    if (!timed || !taken.some(near)) taken.push(place);
    if (taken.length === THUMBS) break;
  }
  return taken;
}

async function addThumb(place, parent) {
  const row = segmented[place];
  const button = make("button", { parent, type: "button", class: "thumb", "data-place": place });
  const canvas = make("canvas", { parent: button, width: 240, height: 180 });
  const caption = make("span", { parent: button });
  const value = scored ? frames.miou[row] : frames.confidence[row];
  make("b", { parent: caption, text: shown(value, scored ? 3 : 2) });
  caption.append(` ${[timeText(row), frames.condition[row]].filter(Boolean).join(" \u00b7 ")}`);
  button.addEventListener("click", () => {
    go(place);
    byId("player").scrollIntoView({ block: "nearest" });
  });
  onFrame((_, at) => button.classList.toggle("now", at === place));
  const layers = await layersOf(frames.index[row]);
  if (layers === null) return canvas.remove();
  draw(canvas, layers.rgb, 240, Math.round((240 * layers.height) / layers.width));
  const context = canvas.getContext("2d");
  context.globalAlpha = layers.error ? 0.75 : 0.45;
  context.drawImage(layers.error ?? layers.mask, 0, 0, canvas.width, canvas.height);
}
