// Images as numbers: fetched once, kept for a while, and drawn through a window (PS3.3 C.11.2.1.2.1, linear).
import { ring } from "/static/marks.js";

const KEPT = 96;
const kept = new Map();

export async function imageOf(source, index) {
  const address = `${source.base || `/jobs/${source.job}/images`}/${source.first + index - 1}.u16`;
  if (!kept.has(address)) {
    kept.set(address, load(address).catch((fault) => { kept.delete(address); throw fault; }));
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(address);
}

async function load(address) {
  const answer = await fetch(address, { headers: { "X-Refresh": "1" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const told = (name) => Number(answer.headers.get(`X-Image-${name}`));
  const bytes = await answer.arrayBuffer();
  const values = answer.headers.get("X-Image-Signed") === "True" ? new Int16Array(bytes) : new Uint16Array(bytes);
  return { rows: told("Rows"), columns: told("Columns"), aspect: told("Aspect"), center: told("Center"), width: told("Width"), mm: told("Pixel-Mm"), right: answer.headers.get("X-Image-Right") || "", down: answer.headers.get("X-Image-Down") || "", values };
}

export function grey(value, center, width) {
  const shown = ((value - (center - 0.5)) / Math.max(width - 1, 1) + 0.5) * 255;
  return shown < 0 ? 0 : shown > 255 ? 255 : shown;
}

// The scale that makes b most like a (least squares): recipes do not agree about units.
export function scaleOf(a, b) {
  let ab = 0, bb = 0;
  for (let i = 0; i < a.values.length; i++) { ab += a.values[i] * b.values[i]; bb += b.values[i] * b.values[i]; }
  return bb ? ab / bb : 1;
}

export function difference(a, b) {
  const scale = scaleOf(a, b), values = new Float32Array(a.values.length);
  let square = 0, whole = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = a.values[i] - scale * b.values[i];
    square += values[i] ** 2;
    whole += a.values[i] ** 2;
  }
  return { ...a, values, scale, relative: whole ? Math.sqrt(square / whole) : 0 };
}

function fitted(canvas) {
  const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
  if (canvas.width !== side || canvas.height !== side) { canvas.width = side; canvas.height = side; }
  return { side, context: canvas.getContext("2d") };
}

export function clear(canvas) {
  const { side, context } = fitted(canvas);
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
}

// Draw an image; with `from`, only what lies to the right of that part of the canvas, over what is there, and the edge.
export function draw(canvas, image, { center, width, invert, zoom, x, y, from = 0, places = [] }) {
  const { rows, columns, values } = image;
  const small = new OffscreenCanvas(columns, rows);
  const pixels = small.getContext("2d").createImageData(columns, rows);
  const words = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < values.length; i++) {
    let shade = grey(values[i], center, width) | 0;
    if (invert) shade = 255 - shade;
    words[i] = 0xff000000 | (shade << 16) | (shade << 8) | shade;
  }
  small.getContext("2d").putImageData(pixels, 0, 0);
  const { side, context } = fitted(canvas);
  const edge = Math.round(from * side);
  context.save();
  context.beginPath();
  context.rect(edge, 0, side - edge, side);
  context.clip();
  const fit = Math.min(side / columns, side / (rows * image.aspect)) * zoom;
  context.imageSmoothingEnabled = fit < 4; // from there on a pixel is a pixel
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  const across = columns * fit, down = rows * image.aspect * fit;
  const left = (side - across) / 2 + x * side, top = (side - down) / 2 + y * side;
  context.drawImage(small, left, top, across, down);
  annotate(context, side, image, fit);
  ring(context, side, places, (column, row) => [left + column * fit, top + row * fit * image.aspect]);
  if (edge) {
    context.fillStyle = "#ffd34d";
    context.fillRect(edge, 0, 2, side);
  }
  context.restore();
}

const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
const BARS_MM = [200, 100, 50, 20, 10, 5, 2, 1];

function other(letters) { return [...letters].map((one) => OPPOSITE[one]).join(""); }

function written(context, text, x, y, align, baseline) {
  context.textAlign = align;
  context.textBaseline = baseline;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

// Which way the patient lies, at the edges, and how long a centimetre is; nothing where the image does not say.
function annotate(context, side, image, fit) {
  const size = Math.min(Math.max(11, Math.round(side / 28)), 20 * (window.devicePixelRatio || 1)), gap = Math.round(size / 2);
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.fillStyle = "#ffd34d";
  context.strokeStyle = "#000";
  context.lineWidth = Math.max(2, size / 5);
  context.lineJoin = "round";
  if (image.right && image.down) {
    written(context, image.right, side - gap, side / 2, "right", "middle");
    written(context, other(image.right), gap, side / 2, "left", "middle");
    written(context, image.down, side / 2, side - gap, "center", "bottom");
    written(context, other(image.down), side / 2, gap, "center", "top");
  }
  const length = image.mm > 0 && BARS_MM.find((mm) => (mm / image.mm) * fit <= side / 3);
  if (!length) return;
  const long = (length / image.mm) * fit, right = side - gap, bottom = side - gap;
  context.fillRect(right - long, bottom - 2, long, 2);
  for (const x of [right - long, right - 2]) context.fillRect(x, bottom - size / 2, 2, size / 2);
  written(context, length >= 10 ? `${length / 10} cm` : `${length} mm`, right, bottom - size / 2 - 2, "right", "bottom");
}
