// Outlines: a region's border as closed rings along the pixels' edges, fewer corners to drag, and the length of a thin shape.

// Rings [[x, y], ...] of whole numbers whose even-odd inside is exactly the region.
function traceRings(region) {
  const [left, top, right, bottom] = region.box;
  const [width, height] = [right - left + 2, bottom - top + 2];
  const inside = new Uint8Array(width * height);
  for (const [y, x0, x1] of region.spans) {
    inside.fill(1, (y - top + 1) * width + x0 - left + 1, (y - top + 1) * width + x1 - left + 1);
  }
  const corner = (x, y) => (y + 1) * (width + 1) + x + 1;
  const leaving = new Map(); // corner -> the corners an edge leads to, the region on its right hand
  const edge = (from, to) => {
    if (leaving.has(from)) leaving.get(from).push(to);
    else leaving.set(from, [to]);
  };
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      if (!inside[i]) continue;
      if (!inside[i - width]) edge(corner(x, y), corner(x + 1, y));
      if (!inside[i + 1]) edge(corner(x + 1, y), corner(x + 1, y + 1));
      if (!inside[i + width]) edge(corner(x + 1, y + 1), corner(x, y + 1));
      if (!inside[i - 1]) edge(corner(x, y + 1), corner(x, y));
    }
  }
  const place = (c) => [(c % (width + 1)) - 2 + left, Math.floor(c / (width + 1)) - 2 + top];
  const rings = [];
  for (const [start, targets] of leaving) {
    while (targets.length) {
      const corners = [start];
      let at = targets.pop();
      while (at !== start) {
        corners.push(at);
        at = leaving.get(at).pop();
      }
      const points = corners.map(place);
      rings.push(
        points.filter((p, i) => {
          const [a, b] = [points[(i + points.length - 1) % points.length], points[(i + 1) % points.length]];
          return (p[0] - a[0]) * (b[1] - p[1]) !== (p[1] - a[1]) * (b[0] - p[0]);
        }),
      );
    }
  }
  return rings;
}

// Douglas & Peucker 1973 on a closed ring: the indices of the corners to keep, ascending.
function keepCorners(ring, tolerance) {
  if (ring.length <= 4) return ring.map((_, i) => i);
  let far = 0;
  const distance = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]);
  ring.forEach((p, i) => {
    if (distance(p, ring[0]) > distance(ring[far], ring[0])) far = i;
  });
  const keep = new Set([0, far]);
  const stack = [[0, far], [far, ring.length]];
  while (stack.length) {
    const [from, to] = stack.pop();
    const [a, b] = [ring[from], ring[to % ring.length]];
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const squared = dx * dx + dy * dy;
    let [worst, at] = [tolerance, -1];
    for (let i = from + 1; i < to; i++) {
      const p = ring[i];
      const t = squared ? Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / squared)) : 0;
      const off = distance(p, [a[0] + t * dx, a[1] + t * dy]);
      if (off > worst) [worst, at] = [off, i];
    }
    if (at > 0) {
      keep.add(at);
      stack.push([from, at], [at, to]);
    }
  }
  return [...keep].sort((p, q) => p - q);
}

// An outline to drag: corners {x, y, from}, `from` being the corner's place in the ring while it was not moved.
function editableOutline(ring, tolerance) {
  return { ring, corners: keepCorners(ring, tolerance).map((from) => ({ x: ring[from][0], y: ring[from][1], from })) };
}

// The outline after dragging: between two corners nobody touched it is the old border to the pixel, else a straight line.
function editedRing({ ring, corners }) {
  const points = [];
  corners.forEach((corner, i) => {
    points.push([corner.x, corner.y]);
    const next = corners[(i + 1) % corners.length];
    if (corner.from === null || next.from === null || corner.cut) return;
    const to = next.from > corner.from ? next.from : next.from + ring.length;
    for (let k = corner.from + 1; k < to; k++) points.push(ring[k % ring.length]);
  });
  return points;
}

// Length of the middle line in pixels: thinned (Zhang & Suen 1984), the corners of the stairs this leaves in slanted lines
// taken away (Holt et al. 1987), then steps along the axes, diagonal steps and changes between the two are weighed so that straight lines of every direction are right (Vossepoel & Smeulders 1982).
// A large mask is measured on a copy shrunk so that it has at most `limit` pixels.
function skeletonLength({ width, height, bits }, limit = 1e6) {
  const step = Math.max(1, Math.ceil(Math.sqrt((width * height) / limit)));
  const [w, h] = [Math.ceil(width / step) + 2, Math.ceil(height / step) + 2];
  const thin = new Uint8Array(w * h);
  let pixels = [];
  for (let i = bits.indexOf(1); i >= 0; i = bits.indexOf(1, i + 1)) {
    const at = (Math.floor(i / width / step) | 0) * w + w + 1 + Math.floor((i % width) / step);
    if (!thin[at]) pixels.push(at);
    thin[at] = 1;
  }
  const around = [-w, -w + 1, 1, w + 1, w, w - 1, -1, -w - 1]; // clockwise from above
  // Only pixels at the border can go, so only those are looked at: what lies inside a filled box is passed once, not every time.
  const seen = new Uint8Array(w * h);
  const [n, ne, e, se, s, sw, west, nw] = around;
  const goes = (i, phase) => {
    const [a, b, c, d] = [thin[i + n], thin[i + ne], thin[i + e], thin[i + se]];
    const [f, g, k, l] = [thin[i + s], thin[i + sw], thin[i + west], thin[i + nw]];
    const count = a + b + c + d + f + g + k + l;
    if (count < 2 || count > 6) return false;
    const turns = (!a && b) + (!b && c) + (!c && d) + (!d && f) + (!f && g) + (!g && k) + (!k && l) + (!l && a);
    if (turns !== 1) return false;
    return phase ? !(a && c && k) && !(a && f && k) : !(a && c && f) && !(c && f && k);
  };
  let border = pixels.filter((i) => around.some((d) => !thin[i + d]));
  for (let changed = true; changed; ) {
    changed = false;
    for (let phase = 0; phase < 2; phase++) {
      const gone = border.filter((i) => goes(i, phase));
      if (!gone.length) continue;
      changed = true;
      for (const i of gone) thin[i] = 0;
      border = border.filter((i) => thin[i]);
      for (const i of border) seen[i] = 1;
      for (const i of gone) {
        for (const d of around) {
          if (!thin[i + d] || seen[i + d]) continue;
          seen[i + d] = 1;
          border.push(i + d);
        }
      }
      for (const i of border) seen[i] = 0;
    }
  }
  pixels = pixels.filter((i) => thin[i]);
  for (const above of [-w, w]) {
    for (const i of pixels) {
      const corner = (side) => thin[i + side] && !thin[i + above + side] && !thin[i - above - side] && !(thin[i - side] && thin[i - above]);
      if (thin[i + above] && (corner(1) || corner(-1))) thin[i] = 0;
    }
    pixels = pixels.filter((i) => thin[i]);
  }
  let length = 0;
  for (const i of pixels) {
    const sides = [-w, 1, w, -1].map((d) => thin[i + d]);
    const corners = [-w + 1, w + 1, w - 1, -w - 1].map((d, k) => (sides[k] || sides[(k + 1) % 4] ? 0 : thin[i + d]));
    const straight = sides[0] + sides[1] + sides[2] + sides[3];
    const slanted = corners[0] + corners[1] + corners[2] + corners[3];
    length += (0.98 * straight + 1.406 * slanted) / 2; // each step is seen from both its ends
    if (straight === 1 && slanted === 1) length -= 0.091;
  }
  return length * step;
}
