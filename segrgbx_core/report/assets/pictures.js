// SPDX-License-Identifier: Apache-2.0
// The frames' pictures: found in the page or in the files beside it, decoded, the last ones kept.

const UNLABELLED = 255;
const KEPT = 24;
const KEPT_FILES = 4;
const decoded = new Map();
const files = new Map();
const hasPictures = new Set(data.pictures.frames);

/** The layers of a frame by its mask's number, decoded; null where it has no picture. */
function layersOf(index) {
  if (!hasPictures.has(index)) return Promise.resolve(null);
  if (!decoded.has(index)) {
    decoded.set(index, sources(index).then((found) => (found === null ? null : decode(found))));
    forgetOldest(decoded, KEPT);
  }
  return decoded.get(index);
}

function forgetOldest(held, most) {
  if (held.size > most) held.delete(held.keys().next().value);
}

function sources(index) {
  if (data.pictures.folder === null) {
    return Promise.resolve(JSON.parse(byId(`frame-${index}`).textContent));
  }
  const number = Math.floor(data.pictures.frames.indexOf(index) / data.pictures.frames_a_file);
  return loadFile(number).then((some) => some[index] ?? null);
}

/** A file of frames: a script, since a page on a disk may not read other files. */
function loadFile(number) {
  if (!files.has(number)) {
    files.set(number, new Promise((resolve) => {
      const script = document.createElement("script");
      window.segrgbxFrames = (some) => { loadFile.last = some; };
      script.onload = () => { script.remove(); resolve(loadFile.last); };
      script.onerror = () => { script.remove(); missingFiles(); resolve({}); };
      script.src = `${data.pictures.folder}/frames_${String(number).padStart(4, "0")}.js`;
      document.head.append(script);
    }));
    forgetOldest(files, KEPT_FILES);
  }
  return files.get(number);
}

function missingFiles() {
  byId("pixel").textContent =
    `Pictures are missing: the folder ${data.pictures.folder} must lie beside this page.`;
}

async function decode(found) {
  const { width, height } = found;
  const [rgb, x, confidence, mask, truth] = await Promise.all([
    bitmap(found.rgb, "image/jpeg"),
    bitmap(found.x, "image/jpeg"),
    bitmap(found.confidence, "image/jpeg"),
    bitmap(found.mask, "image/png"),
    bitmap(found.truth, "image/png"),
  ]);
  const layers = { width, height, rgb, x };
  layers.maskIds = firstChannel(mask, width, height);
  layers.truthIds = truth && firstChannel(truth, width, height);
  layers.sure = firstChannel(confidence, width, height);
  layers.mask = painted(width, height, layers.maskIds, classWords);
  layers.truth = truth && painted(width, height, layers.truthIds, classWords);
  layers.error = truth && painted(width, height, verdicts(layers), verdictWords);
  layers.confidence = painted(width, height, layers.sure, heat);
  return layers;
}

function bitmap(base64, type) {
  if (!base64) return Promise.resolve(null);
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const blob = new Blob([bytes], { type });
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** The numbers in a grey picture. */
function firstChannel(picture, width, height) {
  const context = newCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const numbers = new Uint8Array(width * height);
  for (let at = 0; at < numbers.length; at++) numbers[at] = pixels[4 * at];
  return numbers;
}

/** A canvas with the colour of each pixel's number, four bytes as canvases store them. */
function painted(width, height, numbers, colors) {
  const canvas = newCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let at = 0; at < words.length; at++) words[at] = colors[numbers[at]];
  context.putImageData(image, 0, 0);
  return canvas;
}

function word(red, green, blue, alpha = 255) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

const NOTHING = word(0, 0, 0, 0);
const classWords = table((id) => (id < data.classes.length ? word(...data.classes[id].color) : NOTHING));
/** Right pixels are clear, wrong ones red, pixels without a truth a thin grey. */
const RIGHT = 0, WRONG = 1, UNKNOWN = 2;
const verdictWords = Uint32Array.of(NOTHING, word(255, 32, 80), word(128, 128, 128, 90));

function table(colorOf) {
  return Uint32Array.from({ length: 256 }, (_, value) => colorOf(value));
}

function verdicts({ maskIds, truthIds }) {
  const found = new Uint8Array(maskIds.length);
  for (let at = 0; at < found.length; at++) {
    if (truthIds[at] === UNLABELLED) found[at] = UNKNOWN;
    else found[at] = maskIds[at] === truthIds[at] ? RIGHT : WRONG;
  }
  return found;
}

/** Confidence 0..255: unsure is bright, sure is dark; stops of the colour map "inferno". */
const heat = heatTable([[252, 255, 164], [249, 142, 9], [188, 55, 84], [87, 16, 110], [0, 0, 4]]);

function heatTable(stops) {
  return table((value) => {
    const place = (value / 255) * (stops.length - 1);
    const from = Math.min(stops.length - 2, Math.floor(place));
    const mix = stops[from].map((low, i) => low + (stops[from + 1][i] - low) * (place - from));
    return word(...mix.map(Math.round));
  });
}
