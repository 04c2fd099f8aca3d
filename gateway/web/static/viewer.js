// The viewer: scroll, window, zoom; beside what it is compared with, linked, in turns with it, and the difference of the two.
import { placesOf, tellPlaces } from "/static/marks.js";
import { crossesOn, enlarge, pointAt } from "/static/panes.js";
import { clear, difference, draw, imageOf } from "/static/pixels.js";
import { oneStop } from "/static/strips.js";

const AHEAD = 3;
const FASTEST = 400; // window widths of a drag across the whole pane, in percent
const DECIDES = 10; // pixels by which two fingers show what they are at: apart or together, or along
const PER_IMAGE = 24; // pixels along for the next image
const WHOLE = { zoom: 1, x: 0, y: 0, places: [] }; // of k-space, which is no part of the patient
const WINDOWS = { own: [0, 1], narrow: [0, 0.5], dark: [-0.25, 0.5], bright: [0.25, 0.5], wide: [0, 2] }; // parts of each image's own
let viewer = null;

class Viewer {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.panes = this.find("panes");
    this.pick = { a: root.querySelector('[data-pick="a"]'), b: root.querySelector('[data-pick="b"]') };
    this.tick = { difference: root.querySelector('[data-tick="difference"]'), wipe: root.querySelector('[data-tick="wipe"]'), turns: root.querySelector('[data-tick="turns"]'), invert: root.querySelector('[data-tick="invert"]') };
    for (const name of ["maps", "marks"]) {
      const tick = root.querySelector(`[data-tick="${name}"]`);
      if (tick) this.tick[name] = tick;
    }
    this.maps = [...root.querySelectorAll("[data-map]")].map((figure) => {
      const [job, first, count, begins] = figure.dataset.map.split(":").map(Number);
      const { name, check, grade, marks } = figure.dataset;
      return { job, first, count, begins, key: [job, first, count].join(":"), name, check, grade, marks: JSON.parse(marks || "[]"), apart: "apart" in figure.dataset, figure, canvas: figure.querySelector("canvas"), caption: figure.querySelector("figcaption") };
    });
    this.slide = root.querySelector('[data-slide="image"]');
    this.edge = root.querySelector('[data-slide="wipe"]');
    this.number = { center: root.querySelector('[data-number="center"]'), width: root.querySelector('[data-number="width"]') };
    this.view = { zoom: 1, x: 0, y: 0, shift: 0, stretch: 1 };
    this.preset = root.querySelector('[data-pick="window"]');
    this.crosses = crossesOn(this.panes);
    this.fingers = new Map();
    this.asked = 0;
    this.listen();
    root.hidden = false;
    this.choose();
  }

  listen() {
    for (const one of Object.values(this.pick)) one.addEventListener("change", () => this.choose());
    for (const one of Object.values(this.tick)) one.addEventListener("change", () => this.show());
    this.slide.addEventListener("input", () => this.show());
    this.edge.addEventListener("input", () => this.paint());
    this.number.center.addEventListener("change", () => this.type());
    this.number.width.addEventListener("change", () => this.type());
    this.preset.addEventListener("change", () => this.take(...WINDOWS[this.preset.value]));
    this.find("press").addEventListener("click", () => this.reset());
    this.panes.addEventListener("dblclick", (event) => { enlarge(this.panes, event.target.closest("figure")); this.paint(); });
    this.panes.addEventListener("pointerleave", () => pointAt(this.crosses, null));
    this.panes.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.panes.addEventListener("keydown", (event) => this.key(event));
    this.panes.addEventListener("pointerdown", (event) => this.press(event));
    this.panes.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) this.panes.addEventListener(end, (event) => this.lift(event));
    new ResizeObserver(() => this.paint()).observe(this.panes);
  }

  source(which) {
    const [job, first, count] = this.pick[which].value.split(":").map(Number);
    return job ? { job, first, count, base: this.root.dataset.base, name: this.pick[which].selectedOptions[0].textContent } : null;
  }

  choose() {
    this.a = this.source("a");
    this.b = this.source("b");
    this.slide.max = this.a.count;
    if (Number(this.slide.value) > this.a.count) this.slide.value = this.a.count;
    for (const tick of [this.tick.difference, this.tick.wipe, this.tick.turns]) {
      tick.disabled = !this.b;
      if (!this.b) tick.checked = false;
    }
    this.reset();
  }

  reset() {
    this.view = { zoom: 1, x: 0, y: 0, shift: 0, stretch: 1 };
    this.tick.invert.checked = false;
    this.preset.value = "own";
    this.show();
  }

  go(job, first, count, index) {
    const wanted = `${job}:${first}:${count}`;
    if (this.pick.a.value !== wanted) { this.pick.a.value = wanted; this.choose(); }
    this.slide.value = index;
    this.show();
    this.panes.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "nearest" });
  }

  // Where a check was worst: that image, and the maps beside it, that of the check with a frame.
  look(index, check) {
    for (const name of ["maps", "marks"]) if (this.tick[name]) this.tick[name].checked = true;
    this.asked_of = check;
    for (const map of this.maps) map.figure.classList.toggle("asked", map.check === check);
    this.slide.value = index;
    this.show();
    this.panes.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "start" });
  }

  async show() {
    const mine = ++this.asked, index = Number(this.slide.value);
    const other = this.b ? Math.min(index, this.b.count) : 0;
    const beside = [this.pick.a.value, this.pick.b.value]; // what stands there already is not shown twice
    const mapped = this.tick.maps?.checked ? this.maps.filter((map) => !beside.includes(map.key)) : [];
    for (const map of this.maps) map.figure.hidden = !mapped.includes(map);
    const within = (map) => { const number = index - map.begins + 1; return number >= 1 && number <= map.count ? number : 0; };
    const wiped = this.tick.wipe.checked;
    this.panes.classList.toggle("mapped", mapped.length > 0);
    this.root.querySelector('[data-figure="b"]').hidden = !this.b || wiped || this.tick.turns.checked;
    this.find("wiping").hidden = !wiped;
    try {
      const wanted = [imageOf(this.a, index), this.b ? imageOf(this.b, other) : null, ...mapped.map((map) => (within(map) ? imageOf(map, within(map)) : null))];
      const found = await Promise.all(wanted);
      if (mine !== this.asked) return;
      [this.imageA, this.imageB] = found;
      for (const map of this.maps) { map.shown = mapped.includes(map); map.image = map.shown ? found[2 + mapped.indexOf(map)] : null; }
    } catch (fault) {
      if (mine === this.asked) this.tell(`Image ${index} cannot be shown (${fault.message}).`);
      return;
    }
    this.index = index;
    this.other = other;
    this.apart = this.tick.difference.checked ? this.differ() : null;
    this.root.querySelector('[data-figure="d"]').hidden = !this.apart;
    this.paint();
    for (let ahead = 1; ahead <= AHEAD; ahead++) {
      for (const next of [index + ahead, index - ahead]) {
        if (next >= 1 && next <= this.a.count) imageOf(this.a, next).catch(() => {});
      }
    }
  }

  differ() {
    const { imageA: a, imageB: b } = this;
    return a.rows === b.rows && a.columns === b.columns ? difference(a, b) : null;
  }

  windowOf(image) {
    return { center: image.center + this.view.shift * image.width, width: Math.max(1, image.width * this.view.stretch) };
  }

  // The worst places of the image that is shown, where it is of the gate's own matrix.
  places() {
    const marked = this.tick.marks?.checked && this.a.job === this.maps[0].job;
    return marked ? placesOf(this.maps, this.index, this.asked_of) : [];
  }

  paint() {
    if (!this.imageA) return;
    const places = this.places();
    const view = { ...this.view, invert: this.tick.invert.checked, places };
    const put = (which, image, window) => draw(this.root.querySelector(`[data-canvas="${which}"]`), image, { ...view, ...window });
    tellPlaces(this.find("legend"), places);
    const caption = (which, text) => { this.root.querySelector(`[data-caption="${which}"]`).textContent = text; };
    const label = (which, text) => this.root.querySelector(`[data-canvas="${which}"]`).setAttribute("aria-label", text);
    const mine = this.windowOf(this.imageA);
    put("a", this.imageA, mine);
    const wiped = this.imageB && this.b && this.tick.wipe.checked;
    const turns = this.imageB && this.b && this.tick.turns.checked && !wiped;
    if (turns && this.turned) put("a", this.imageB, this.windowOf(this.imageB));
    if (wiped) draw(this.root.querySelector('[data-canvas="a"]'), this.imageB, { ...view, ...this.windowOf(this.imageB), from: Number(this.edge.value) / 100 });
    if (turns) caption("a", `${this.turned ? this.b.name : this.a.name} · ${this.index} of ${this.a.count} · f: the other`);
    else caption("a", wiped ? `Left: ${this.a.name} · right: ${this.b.name} · ${this.index} of ${this.a.count}` : `${this.a.name} · ${this.index} of ${this.a.count}`);
    label("a", `Image ${this.index} of ${this.a.count}`);
    if (this.imageB && this.b && !wiped && !turns) {
      put("b", this.imageB, this.windowOf(this.imageB));
      caption("b", `${this.b.name} · ${this.other} of ${this.b.count}`);
      label("b", `To compare with: image ${this.other} of ${this.b.count}`);
    }
    for (const map of this.maps) {
      if (!map.shown) continue;
      if (map.image) draw(map.canvas, map.image, { ...view, ...this.windowOf(map.image), ...(map.apart ? WHOLE : {}) });
      else clear(map.canvas);
      const where = map.count === 1 && this.a.count > 1 ? `only of image ${map.begins}` : `${this.index - map.begins + 1} of ${map.count}`;
      map.caption.textContent = `${map.name} · ${where}`;
    }
    if (this.apart) {
      put("d", this.apart, { center: 0, width: mine.width });
      caption("d", `Difference after scaling by ${this.apart.scale.toPrecision(3)}: ${(100 * this.apart.relative).toPrecision(2)} % (root mean square)`);
    } else if (this.tick.difference.checked) {
      this.tell("The two have different matrices; there is no difference to show.");
      return;
    }
    this.number.center.value = Math.round(mine.center);
    this.number.width.value = Math.round(mine.width);
    this.tell(`Image ${this.index} of ${this.a.count}`);
  }

  tell(sentence) { this.find("told").textContent = sentence; }

  take(shift, stretch) {
    Object.assign(this.view, { shift, stretch });
    this.paint();
  }

  // One over the other, in turns: what changes, moves.
  turn() {
    if (!this.b) return;
    this.turned = !this.turned;
    this.tick.turns.checked = true;
    this.tick.wipe.checked = false;
    this.show();
  }

  type() {
    const { center, width } = this.imageA;
    this.view.shift = (Number(this.number.center.value) - center) / width;
    this.view.stretch = Math.max(1, Number(this.number.width.value)) / width;
    this.paint();
  }

  scroll(by) {
    const next = Math.min(Math.max(Number(this.slide.value) + by, 1), this.a.count);
    if (next === Number(this.slide.value)) return;
    this.slide.value = next;
    this.show();
  }

  zoom(by) {
    this.view.zoom = Math.min(Math.max(this.view.zoom * by, 0.5), 32);
    this.paint();
  }

  window(level, width) {
    this.view.shift += level;
    this.view.stretch = Math.min(Math.max(this.view.stretch * width, 0.01), 20);
    this.paint();
  }

  wipe(by) {
    if (!this.tick.wipe.checked) return;
    this.edge.value = Number(this.edge.value) + by;
    this.paint();
  }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) this.zoom(Math.exp(-event.deltaY / 200));
    else this.scroll(Math.sign(event.deltaY));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const deeds = {
      ArrowDown: () => this.scroll(1), ArrowRight: () => this.scroll(1), PageDown: () => this.scroll(10),
      ArrowUp: () => this.scroll(-1), ArrowLeft: () => this.scroll(-1), PageUp: () => this.scroll(-10),
      Home: () => this.scroll(-this.a.count), End: () => this.scroll(this.a.count),
      w: () => this.window(0, 1.1), W: () => this.window(0, 1 / 1.1), l: () => this.window(-0.05, 1), L: () => this.window(0.05, 1),
      "+": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.reset(),
      i: () => { this.tick.invert.checked = !this.tick.invert.checked; this.paint(); },
      m: () => { if (this.tick.maps) { this.tick.maps.checked = !this.tick.maps.checked; this.show(); } },
      k: () => { if (this.tick.marks) { this.tick.marks.checked = !this.tick.marks.checked; this.paint(); } },
      f: () => this.turn(),
      e: () => { enlarge(this.panes, this.panes.querySelector("figure.large, figure")); this.paint(); },
      v: () => { if (this.b) { this.tick.wipe.checked = !this.tick.wipe.checked; this.show(); } },
      "[": () => this.wipe(-5), "]": () => this.wipe(5),
      d: () => { if (this.b) { this.tick.difference.checked = !this.tick.difference.checked; this.show(); } },
    };
    if (!deeds[event.key]) return;
    event.preventDefault();
    deeds[event.key]();
  }

  press(event) {
    if (event.button > 1) return;
    this.panes.focus({ preventScroll: true });
    this.panes.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size === 2) this.pair = { ...this.between(), deed: null };
    event.preventDefault();
  }

  lift(event) {
    this.fingers.delete(event.pointerId);
    this.resting = this.fingers.size > 0; // the finger that stays behind has not begun a drag
  }

  drag(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) { pointAt(this.crosses, event); return; }
    const side = this.root.querySelector('[data-canvas="a"]').clientWidth || 1;
    const right = (event.clientX - before.clientX) / side, down = (event.clientY - before.clientY) / side;
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size === 2) this.gesture(side);
    else if (this.resting) return;
    else if (event.shiftKey || event.buttons === 4) this.move(right, down);
    else this.window(down, Math.exp((FASTEST / 100) * right));
  }

  // Where two fingers are: the middle between them, and how far apart they are.
  between() {
    const [one, other] = [...this.fingers.values()];
    return {
      x: (one.clientX + other.clientX) / 2,
      y: (one.clientY + other.clientY) / 2,
      span: Math.max(Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY), 1),
    };
  }

  // Two fingers that part or come together zoom, and take the image along; two that go along together turn pages.
  gesture(side) {
    const now = this.between(), then = this.pair;
    const apart = Math.abs(now.span - then.span), along = Math.hypot(now.x - then.x, now.y - then.y);
    if (!then.deed && Math.max(apart, along) < DECIDES) return;
    const deed = then.deed || (apart > along ? "zoom" : "scroll");
    if (deed === "zoom") {
      this.view.zoom = Math.min(Math.max(this.view.zoom * (now.span / then.span), 0.5), 32);
      this.move((now.x - then.x) / side, (now.y - then.y) / side);
      this.pair = { ...now, deed };
      return;
    }
    const images = Math.trunc((now.y - then.y) / PER_IMAGE);
    this.scroll(-images);
    this.pair = { ...then, y: then.y + images * PER_IMAGE, deed };
  }

  move(right, down) {
    this.view.x += right;
    this.view.y += down;
    this.paint();
  }
}

function begin() {
  const root = document.querySelector("[data-viewer]");
  if (!root || (viewer && viewer.root === root)) return;
  viewer = new Viewer(root);
  oneStop();
}

document.addEventListener("click", (event) => {
  const worst = event.target.closest("[data-look]");
  if (worst && viewer) viewer.look(Number(worst.dataset.look), worst.dataset.of);
  const link = event.target.closest("[data-image]");
  if (!link || !viewer || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  viewer.go(...link.dataset.image.split(":").map(Number));
});
document.addEventListener("fresh", begin);
begin();
