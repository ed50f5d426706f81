// The tools: what a press, a drag and a release do to the mask. `desk` is the editor; points are in image pixels.
// Each ends in desk.commit(tool, box): what changed inside the box becomes one stroke, undone and sent as one.

const TOOLS = [
  { id: "brush", key: "b", icon: "brush", title: "Brush", hint: "Drag to add. [ and ] change the size." },
  { id: "eraser", key: "e", icon: "ink_eraser", title: "Eraser", hint: "Drag to take away. [ and ] change the size." },
  { id: "polygon", key: "p", icon: "pentagon", title: "Polygon", sign: true, hint: "Click the corners; Enter or the first corner closes it, Backspace takes one back." },
  { id: "box", key: "x", icon: "crop_square", title: "Box", sign: true, hint: "Drag from corner to corner." },
  { id: "seam", key: "s", icon: "timeline", title: "Seam", hint: "Drag from end to end, or click along it. Enter draws the band, Shift+Enter first snaps line and width to the joint." },
  { id: "fill", key: "f", icon: "format_color_fill", title: "Fill", sign: true, hint: "Click a hole to fill it." },
  { id: "outline", key: "v", icon: "activity_zone", title: "Edit outline", hint: "Click a part, then drag its corners. Double click adds a corner, Alt+click removes one." },
  { id: "delete", key: "d", icon: "delete", title: "Delete a part", hint: "Click a part to delete it." },
  { id: "take", key: "t", icon: "auto_fix_high", title: "Take over a part", hint: "Click a part of the prediction to add it to the label." },
];
const NEAR_PX = 8; // on the screen

function brushPoint([x, y], size) {
  return size % 2 ? [Math.floor(x) + 0.5, Math.floor(y) + 0.5] : [Math.round(x), Math.round(y)];
}

function brushHandler(value) {
  return {
    down(desk, point) {
      desk.stroke = { last: brushPoint(point, desk.settings.size), box: null };
      this.move(desk, point);
    },
    move(desk, point) {
      const next = brushPoint(point, desk.settings.size);
      const box = drawBand(desk.bitmap, [desk.stroke.last, next], desk.settings.size, value);
      desk.stroke.box = joinBoxes(desk.stroke.box, box);
      desk.stroke.last = next;
      if (box) desk.view.recolour(box);
    },
    up(desk) {
      desk.commit(value ? "brush" : "eraser", desk.stroke.box);
    },
  };
}

// Neighbouring points closer than a pixel on the screen are one: the second press of a double click.
function distinct(points, scale) {
  return points.filter((p, i) => !i || Math.hypot(p[0] - points[i - 1][0], p[1] - points[i - 1][1]) * scale > 2);
}

function nearest(desk, [x, y], test) {
  const [cx, cy] = [Math.floor(x), Math.floor(y)];
  const reach = Math.ceil(NEAR_PX / desk.view.scale);
  let [best, found] = [Infinity, null];
  for (let py = Math.max(0, cy - reach); py <= Math.min(desk.bitmap.height - 1, cy + reach); py++) {
    for (let px = Math.max(0, cx - reach); px <= Math.min(desk.bitmap.width - 1, cx + reach); px++) {
      const off = Math.hypot(px - cx, py - cy);
      if (off < best && test(py * desk.bitmap.width + px)) [best, found] = [off, [px, py]];
    }
  }
  return found;
}

// Draw the pending seam as a band. With `replace`, the labelled part it runs through goes first, earlier seams stay.
function commitSeam(desk) {
  const points = distinct(desk.pending.seam?.points ?? [], desk.view.scale);
  if (!points.length) return;
  const width = desk.settings.seamWidth;
  let box = null;
  if (desk.replaces) {
    const earlier = { ...desk.bitmap, bits: new Uint8Array(desk.bitmap.bits.length) };
    for (const { seam } of desk.done) if (seam) drawBand(earlier, seam.points, seam.width, 1);
    const line = { ...desk.bitmap, bits: new Uint8Array(desk.bitmap.bits.length) };
    drawBand(line, points, 1, 1);
    const gone = { ...desk.bitmap, bits: new Uint8Array(desk.bitmap.bits.length) };
    for (let i = line.bits.indexOf(1); i >= 0; i = line.bits.indexOf(1, i + 1)) {
      if (gone.bits[i] || !desk.label.bits[i]) continue;
      const region = findRegion(desk.label, i % line.width, Math.floor(i / line.width), (k) => desk.label.bits[k], true);
      box = joinBoxes(box, paintRegion(gone, region, 1));
    }
    for (let i = gone.bits.indexOf(1); i >= 0; i = gone.bits.indexOf(1, i + 1)) {
      if (!earlier.bits[i]) desk.bitmap.bits[i] = 0;
    }
  }
  box = joinBoxes(box, drawBand(desk.bitmap, points, width, 1));
  desk.pending.seam = null;
  desk.commit("seam", box, { seam: { points, width } });
}

function commitPolygon(desk) {
  const { points = [], value } = desk.pending.polygon ?? {};
  const ring = distinct(points, desk.view.scale);
  if (ring.length < 3) return;
  desk.pending.polygon = null;
  desk.commit("polygon", fillRings(desk.bitmap, [ring], value));
}

// The mask of a source as a test on pixel indices: the model at the threshold, or the proposed seams.
function takeWhole(desk, source, tool, onlyBoth) {
  if (!source) return;
  const { bits } = desk.bitmap;
  for (let i = 0; i < bits.length; i++) bits[i] = source(i) ? (onlyBoth ? bits[i] : 1) : 0;
  desk.commit(tool, [0, 0, desk.bitmap.width, desk.bitmap.height]);
}

function cornerAt(desk, point) {
  for (const outline of desk.outline?.outlines ?? []) {
    for (const corner of outline.corners) {
      if (Math.hypot(corner.x - point[0], corner.y - point[1]) * desk.view.scale <= NEAR_PX) return { outline, corner };
    }
  }
  return null;
}

const HANDLERS = {
  brush: brushHandler(1),
  eraser: brushHandler(0),
  polygon: {
    down(desk, point) {
      const polygon = (desk.pending.polygon ??= { points: [], value: desk.settings.erase ? 0 : 1 });
      const [first] = polygon.points;
      const closes = first && polygon.points.length >= 3 && Math.hypot(first[0] - point[0], first[1] - point[1]) * desk.view.scale <= NEAR_PX;
      if (closes) commitPolygon(desk);
      else polygon.points.push(point);
      desk.keepPending();
    },
    finish: commitPolygon,
  },
  box: {
    down(desk, point) {
      desk.stroke = { from: point, to: point };
    },
    move(desk, point) {
      desk.stroke.to = point;
    },
    up(desk) {
      const { from, to } = desk.stroke;
      desk.commit("box", fillBox(desk.bitmap, from, to, desk.settings.erase ? 0 : 1));
    },
  },
  seam: {
    down(desk, point) {
      desk.pending.seam ??= { points: [] };
      desk.pending.seam.points.push(point);
      desk.stroke = { from: point };
      desk.keepPending();
    },
    move() {},
    up(desk, point) {
      const { from } = desk.stroke;
      if (Math.hypot(point[0] - from[0], point[1] - from[1]) * desk.view.scale > NEAR_PX) desk.pending.seam.points.push(point);
      desk.keepPending();
    },
    finish(desk, snap) {
      if (!snap) return commitSeam(desk);
      const points = distinct(desk.pending.seam?.points ?? [], desk.view.scale);
      if (points.length < 2) return desk.say("A seam needs two points to be snapped.");
      const search = Math.max(12, (2 * NEAR_PX) / desk.view.scale);
      desk.ask({ what: "snap", points, search }, (answer) => {
        desk.pending.seam = { points: answer.points };
        if (answer.width) desk.set("seamWidth", Math.round(answer.width));
        desk.keepPending();
      });
    },
  },
  fill: {
    down(desk, [x, y]) {
      const { bits } = desk.bitmap;
      const value = desk.settings.erase ? 0 : 1;
      const region = findRegion(desk.bitmap, Math.floor(x), Math.floor(y), (i) => bits[i] !== value, value === 0);
      if (!region) return;
      if (value && region.area > bits.length / 2) return desk.say("This is not enclosed: filling it would cover more than half of the photo.");
      desk.commit("fill", paintRegion(desk.bitmap, region, value));
    },
  },
  outline: {
    down(desk, point, event) {
      const hit = cornerAt(desk, point);
      if (hit && event.altKey) {
        const { outline, corner } = hit;
        if (outline.corners.length <= 3) return;
        const at = outline.corners.indexOf(corner);
        outline.corners[(at + outline.corners.length - 1) % outline.corners.length].cut = true;
        outline.corners.splice(at, 1);
        desk.redrawOutline();
        desk.commit("outline", desk.outline.box, { keepsOutline: true });
      } else if (hit) {
        desk.stroke = { corner: hit.corner };
      } else {
        this.open(desk, point);
      }
    },
    open(desk, point) {
      desk.outline = null;
      const { bitmap } = desk;
      const at = nearest(desk, point, (i) => bitmap.bits[i]);
      const region = at && findRegion(bitmap, ...at, (i) => bitmap.bits[i], true);
      if (!region) return;
      const under = { ...bitmap, bits: bitmap.bits.slice() };
      paintRegion(under, region, 0);
      const tolerance = Math.max(1, 2 / desk.view.scale);
      const outlines = traceRings(region).map((ring) => editableOutline(ring, tolerance));
      desk.outline = { under: under.bits, box: region.box, outlines };
    },
    move(desk, point) {
      if (!desk.stroke.corner) return;
      [desk.stroke.corner.x, desk.stroke.corner.y] = point;
      desk.stroke.corner.from = null;
      desk.redrawOutline();
    },
    up(desk) {
      if (desk.stroke.corner) desk.commit("outline", desk.outline.box, { keepsOutline: true });
    },
    double(desk, point) {
      let [best, place] = [NEAR_PX / desk.view.scale, null];
      for (const outline of desk.outline?.outlines ?? []) {
        outline.corners.forEach((a, i) => {
          const b = outline.corners[(i + 1) % outline.corners.length];
          const [dx, dy] = [b.x - a.x, b.y - a.y];
          const t = Math.min(1, Math.max(0, ((point[0] - a.x) * dx + (point[1] - a.y) * dy) / (dx * dx + dy * dy || 1)));
          const off = Math.hypot(point[0] - a.x - t * dx, point[1] - a.y - t * dy);
          if (off < best) [best, place] = [off, { outline, at: i + 1 }];
        });
      }
      place?.outline.corners.splice(place.at, 0, { x: point[0], y: point[1], from: null });
    },
  },
  delete: {
    down(desk, point) {
      const { bits } = desk.bitmap;
      const at = nearest(desk, point, (i) => bits[i]);
      if (at) desk.commit("delete", paintRegion(desk.bitmap, findRegion(desk.bitmap, ...at, (i) => bits[i], true), 0));
    },
  },
  take: {
    down(desk, point) {
      const source = desk.source();
      if (!source) return desk.say(desk.settings.source === "model" ? "There is no prediction of this sample." : "Ask for the proposal first (G).");
      const at = nearest(desk, point, source);
      if (at) desk.commit(desk.settings.source, paintRegion(desk.bitmap, findRegion(desk.bitmap, ...at, source, true), 1));
    },
  },
};
