// What is seen: a window on the photo, and over it the colours of label, prediction, difference and heat map.
// The mask stays in image pixels; only the part of the window that changed is coloured again.

const COLOURS = { label: [0, 158, 115], prediction: [230, 159, 0], found: [0, 158, 115], falseAlarm: [213, 94, 0], missed: [86, 180, 233] };
const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

// Colour and opacity of every pixel there can be: index label * 256 + probability, entries [r*a, g*a, b*a, a], a in 0..255.
function colourTable(opacity, level) {
  const table = new Float32Array(512 * 4);
  for (let index = 0; index < 512; index++) {
    const [label, prob] = [index >> 8, index & 255];
    const predicted = prob >= level;
    const at = (prob / 255) * (VIRIDIS.length - 1);
    const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
    const heat = VIRIDIS[low].map((c, k) => c + (VIRIDIS[low + 1][k] - c) * (at - low));
    const layers = [[heat, opacity.heat * Math.sqrt(prob / 255)]]; // clear where nothing is expected
    if (predicted) layers.push([COLOURS.prediction, opacity.prediction]);
    if (label) layers.push([COLOURS.label, opacity.label]);
    if (label || predicted) {
      const kind = label && predicted ? "found" : label ? "missed" : "falseAlarm";
      layers.push([COLOURS[kind], opacity.difference]);
    }
    let [r, g, b, a] = [0, 0, 0, 0];
    for (const [colour, alpha] of layers) {
      [r, g, b] = [r, g, b].map((c, k) => c * (1 - alpha) + colour[k] * alpha);
      a = a * (1 - alpha) + alpha;
    }
    table.set([r * 255, g * 255, b * 255, a * 255], index * 4);
  }
  return table;
}

// Colour the pixels [x0, y0, x1, y1) of the screen. camera: {x, y, scale}: the image point at the top left corner and
// screen pixels per image pixel. A screen pixel that covers many image pixels shows their mean, thin lines strengthened.
function colourPixels(bitmap, probs, table, camera, [x0, y0, x1, y1]) {
  const [wide, high] = [x1 - x0, y1 - y0];
  const pixels = new ImageData(wide, high);
  const out = pixels.data;
  const { width, height, bits } = bitmap;
  const columns = pixelEdges(x0, wide, camera.x, camera.scale, width);
  const rows = pixelEdges(y0, high, camera.y, camera.scale, height);
  for (let v = 0; v < high; v++) {
    const [top, bottom] = [rows[2 * v], rows[2 * v + 1]];
    for (let u = 0; u < wide; u++) {
      const left = columns[2 * u];
      const right = columns[2 * u + 1];
      let r = 0;
      let g = 0;
      let b = 0;
      let a = 0;
      let most = 0;
      for (let y = top; y < bottom; y++) {
        for (let i = y * width + left, end = y * width + right; i < end; i++) {
          const entry = ((bits[i] << 8) | (probs ? probs[i] : 0)) << 2;
          const alpha = table[entry + 3];
          if (!alpha) continue;
          r += table[entry];
          g += table[entry + 1];
          b += table[entry + 2];
          a += alpha;
          if (alpha > most) most = alpha;
        }
      }
      if (!a) continue;
      const at = (v * wide + u) << 2;
      const count = (bottom - top) * (right - left);
      out[at] = r / a;
      out[at + 1] = g / a;
      out[at + 2] = b / a;
      out[at + 3] = count === 1 ? a : Math.min(most, (2.5 * a) / count);
    }
  }
  return pixels;
}

// For each of `count` screen pixels from `from` on, the image pixels [first, end) it shows; none outside the image.
function pixelEdges(from, count, offset, scale, limit) {
  const edges = new Int32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const middle = Math.floor((from + i + 0.5) / scale + offset);
    if (middle < 0 || middle >= limit) continue;
    const first = scale < 1 ? Math.max(0, Math.floor((from + i) / scale + offset)) : middle;
    const end = scale < 1 ? Math.min(limit, Math.floor((from + i + 1) / scale + offset)) : middle + 1;
    edges[2 * i] = first;
    edges[2 * i + 1] = Math.max(first + 1, end);
  }
  return edges;
}

// Wall left free around the photo, in pixels of the screen, so that a stroke can begin on its very edge or outside of it.
const MARGIN_PX = 12;

// The window itself: photo and overlay in two canvases, the camera that places them, and the navigator.
class View {
  constructor(stage, navigator) {
    Object.assign(this, { stage, navigator, scale: 1, x: 0, y: 0, dirty: null, all: true, hidden: false });
    this.photo = stage.querySelector(".photo");
    this.overlay = stage.querySelector(".overlay");
    this.levels = [];
    this.onMove = () => {};
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  // image: an ImageBitmap, upright. source(): {bitmap, probs, table} as it is now.
  async open(image, source) {
    const same = this.levels.length && this.levels[0].width === image.width && this.levels[0].height === image.height;
    const levels = [image];
    while (Math.max(levels.at(-1).width, levels.at(-1).height) > 1024) {
      const { width, height } = levels.at(-1);
      const size = { resizeWidth: Math.ceil(width / 2), resizeHeight: Math.ceil(height / 2), resizeQuality: "medium" };
      levels.push(await createImageBitmap(levels.at(-1), size));
    }
    this.levels.forEach((level) => level.close());
    [this.levels, this.source] = [levels, source];
    [this.width, this.height] = [image.width, image.height];
    if (same) this.moved();
    else this.fit();
    const shrink = Math.min(this.navigator.clientWidth / this.width, 150 / this.height);
    const [wide, high] = [Math.round(this.width * shrink), Math.round(this.height * shrink)];
    Object.assign(this.navigator.firstElementChild.style, { width: `${wide}px`, height: `${high}px` });
    for (const canvas of this.navigator.querySelectorAll("canvas")) [canvas.width, canvas.height] = [wide, high];
    const thumbnail = this.navigator.querySelector("canvas");
    thumbnail.getContext("2d").drawImage(levels.at(-1), 0, 0, thumbnail.width, thumbnail.height);
    this.summarise();
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    this.ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.photo, this.overlay]) {
      [canvas.width, canvas.height] = [Math.round(clientWidth * this.ratio), Math.round(clientHeight * this.ratio)];
    }
    if (!this.levels.length) return;
    if (this.fitted) this.fit();
    else this.moved();
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    const inside = (length) => Math.max(1, length - 2 * MARGIN_PX);
    this.scale = this.smallest = Math.min(inside(clientWidth) / this.width, inside(clientHeight) / this.height);
    this.x = (this.width - clientWidth / this.scale) / 2;
    this.y = (this.height - clientHeight / this.scale) / 2;
    this.fitted = true;
    this.moved(true);
  }

  // Zoom so that the image point under (left, top), in pixels of the stage, stays where it is.
  zoom(factor, left = this.stage.clientWidth / 2, top = this.stage.clientHeight / 2) {
    const scale = Math.min(64, Math.max(this.smallest, this.scale * factor));
    if (scale <= this.smallest) return this.fit();
    this.x += left / this.scale - left / scale;
    this.y += top / this.scale - top / scale;
    this.scale = scale;
    this.moved();
  }

  pan(dx, dy) {
    this.x += dx / this.scale;
    this.y += dy / this.scale;
    this.moved();
  }

  centre(x, y) {
    this.x = x - this.stage.clientWidth / this.scale / 2;
    this.y = y - this.stage.clientHeight / this.scale / 2;
    this.moved();
  }

  moved(fitted = false) {
    this.fitted = fitted;
    if (!fitted) {
      const margin = MARGIN_PX / this.scale;
      const kept = (from, shown, length) =>
        shown >= length + 2 * margin ? (length - shown) / 2 : Math.min(length - shown + margin, Math.max(-margin, from));
      this.x = kept(this.x, this.stage.clientWidth / this.scale, this.width);
      this.y = kept(this.y, this.stage.clientHeight / this.scale, this.height);
    }
    this.all = true;
    this.request();
    this.onMove();
  }

  toImage(event) {
    const frame = this.stage.getBoundingClientRect();
    return [(event.clientX - frame.left) / this.scale + this.x, (event.clientY - frame.top) / this.scale + this.y];
  }

  toStage([x, y]) {
    return [(x - this.x) * this.scale, (y - this.y) * this.scale];
  }

  // The image pixels of `box` changed; without a box the colours of all did.
  recolour(box) {
    if (box) this.dirty = joinBoxes(this.dirty, box);
    else this.dirty = [0, 0, this.width, this.height];
    this.request();
  }

  request() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    if (!this.levels.length) return;
    const scale = this.scale * this.ratio;
    if (this.all) {
      const context = this.photo.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.photo.width, this.photo.height);
      context.setTransform(scale, 0, 0, scale, -this.x * scale, -this.y * scale);
      context.imageSmoothingEnabled = scale < 2;
      const level = Math.min(this.levels.length - 1, Math.max(0, Math.floor(Math.log2(1 / scale))));
      context.drawImage(this.levels[level], 0, 0, this.width, this.height);
      const window_ = this.navigator.querySelector(".window").style;
      const share = [this.stage.clientWidth / this.scale / this.width, this.stage.clientHeight / this.scale / this.height];
      window_.display = this.fitted ? "none" : "";
      window_.left = `${Math.max(0, (100 * this.x) / this.width)}%`;
      window_.top = `${Math.max(0, (100 * this.y) / this.height)}%`;
      window_.width = `${Math.min(100, 100 * share[0])}%`;
      window_.height = `${Math.min(100, 100 * share[1])}%`;
    }
    let box = [0, 0, this.overlay.width, this.overlay.height];
    if (!this.all && this.dirty) {
      const [x0, y0, x1, y1] = this.dirty;
      box = [
        Math.max(0, Math.floor((x0 - this.x) * scale) - 1), Math.max(0, Math.floor((y0 - this.y) * scale) - 1),
        Math.min(box[2], Math.ceil((x1 - this.x) * scale) + 1), Math.min(box[3], Math.ceil((y1 - this.y) * scale) + 1),
      ];
    }
    [this.all, this.dirty] = [false, null];
    if (box[0] >= box[2] || box[1] >= box[3]) return;
    const { bitmap, probs, table } = this.source();
    const camera = { x: this.x, y: this.y, scale };
    this.overlay.getContext("2d").putImageData(colourPixels(bitmap, probs, table, camera, box), box[0], box[1]);
  }

  // The navigator's small picture of the overlay.
  summarise() {
    const canvas = this.navigator.querySelectorAll("canvas")[1];
    const { bitmap, probs, table } = this.source();
    const camera = { x: 0, y: 0, scale: canvas.width / this.width };
    const pixels = colourPixels(bitmap, probs, table, camera, [0, 0, canvas.width, canvas.height]);
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }
}
