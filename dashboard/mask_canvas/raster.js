// Shapes drawn into a bitmap, exactly: a pixel belongs to a shape when its centre (x + 0.5, y + 0.5) lies inside.
// Every function returns the box [x0, y0, x1, y1) it may have changed, or null.

function joinBoxes(a, b) {
  if (!a || !b) return a || b;
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

function clipBox(bitmap, box) {
  const clipped = [
    Math.max(0, Math.floor(box[0])), Math.max(0, Math.floor(box[1])),
    Math.min(bitmap.width, Math.ceil(box[2])), Math.min(bitmap.height, Math.ceil(box[3])),
  ];
  return clipped[0] < clipped[2] && clipped[1] < clipped[3] ? clipped : null;
}

function setPixel(bitmap, x, y, value) {
  if (x >= 0 && y >= 0 && x < bitmap.width && y < bitmap.height) bitmap.bits[y * bitmap.width + x] = value;
}

// Bresenham between two pixels, both ends included.
function drawLine(bitmap, x0, y0, x1, y1, value) {
  const [dx, dy] = [Math.abs(x1 - x0), Math.abs(y1 - y0)];
  const [sx, sy] = [x1 > x0 ? 1 : -1, y1 > y0 ? 1 : -1];
  const steep = dy > dx;
  const [long, short] = steep ? [dy, dx] : [dx, dy];
  let [x, y, error] = [x0, y0, 2 * short - long];
  for (let i = 0; i < long; i++) {
    setPixel(bitmap, x, y, value);
    while (error >= 0) {
      if (steep) x += sx;
      else y += sy;
      error -= 2 * long;
    }
    if (steep) y += sy;
    else x += sx;
    error += 2 * short;
  }
  setPixel(bitmap, x1, y1, value);
  return clipBox(bitmap, [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1) + 1, Math.max(y0, y1) + 1]);
}

// Every pixel whose centre lies within `radius` of the line from a to b.
function drawCapsule(bitmap, a, b, radius, value) {
  const box = clipBox(bitmap, [
    Math.min(a[0], b[0]) - radius, Math.min(a[1], b[1]) - radius,
    Math.max(a[0], b[0]) + radius, Math.max(a[1], b[1]) + radius,
  ]);
  if (!box) return null;
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const squared = dx * dx + dy * dy;
  for (let y = box[1]; y < box[3]; y++) {
    const cy = y + 0.5;
    let [first, last] = [0, 1]; // the part of the line that this row can reach
    if (dy) {
      const [t0, t1] = [(cy - radius - a[1]) / dy, (cy + radius - a[1]) / dy];
      first = Math.min(1, Math.max(0, Math.min(t0, t1)));
      last = Math.max(0, Math.min(1, Math.max(t0, t1)));
    }
    const ends = [a[0] + first * dx, a[0] + last * dx];
    const from = Math.max(box[0], Math.floor(Math.min(...ends) - radius) - 1);
    const to = Math.min(box[2], Math.ceil(Math.max(...ends) + radius) + 1);
    for (let x = from; x < to; x++) {
      const cx = x + 0.5;
      const t = squared ? Math.min(1, Math.max(0, ((cx - a[0]) * dx + (cy - a[1]) * dy) / squared)) : 0;
      const [ex, ey] = [cx - a[0] - t * dx, cy - a[1] - t * dy];
      if (ex * ex + ey * ey <= radius * radius) bitmap.bits[y * bitmap.width + x] = value;
    }
  }
  return box;
}

// A polyline with a width, round at joins and ends; below 2 px the line of single pixels.
function drawBand(bitmap, points, width, value) {
  let box = null;
  for (let i = 0; i < Math.max(1, points.length - 1); i++) {
    const [a, b] = [points[i], points[Math.min(i + 1, points.length - 1)]];
    box = joinBoxes(
      box,
      width < 2
        ? drawLine(bitmap, Math.floor(a[0]), Math.floor(a[1]), Math.floor(b[0]), Math.floor(b[1]), value)
        : drawCapsule(bitmap, a, b, width / 2, value),
    );
  }
  return box;
}

// The inside of closed rings by the even-odd rule: a ring inside a ring is a hole.
function fillRings(bitmap, rings, value) {
  const edges = [];
  for (const ring of rings) {
    ring.forEach((a, i) => {
      const b = ring[(i + 1) % ring.length];
      if (a[1] !== b[1]) edges.push(a[1] < b[1] ? [a, b] : [b, a]);
    });
  }
  if (!edges.length) return null;
  const all = rings.flat();
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of all) {
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  const box = clipBox(bitmap, [left, top, right, bottom]);
  if (!box) return null;
  edges.sort((e, f) => e[0][1] - f[0][1]);
  let active = [];
  let next = 0;
  for (let y = box[1]; y < box[3]; y++) {
    const cy = y + 0.5;
    while (next < edges.length && edges[next][0][1] <= cy) active.push(edges[next++]);
    active = active.filter((edge) => edge[1][1] > cy);
    const crossings = active.map(([a, b]) => a[0] + ((cy - a[1]) * (b[0] - a[0])) / (b[1] - a[1]));
    crossings.sort((p, q) => p - q);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const to = Math.min(bitmap.width, Math.ceil(crossings[i + 1] - 0.5));
      if (from < to) bitmap.bits.fill(value, y * bitmap.width + from, y * bitmap.width + to);
    }
  }
  return box;
}

function fillBox(bitmap, a, b, value) {
  return fillRings(bitmap, [[a, [b[0], a[1]], b, [a[0], b[1]]]], value);
}

// The region around (x, y) whose pixels pass test(index): {spans: [[y, x0, x1), ...], area, box}, or null.
// Regions of foreground touch at corners too (diagonals), those of background do not.
function findRegion({ width, height }, x, y, test, diagonals) {
  if (x < 0 || y < 0 || x >= width || y >= height || !test(y * width + x)) return null;
  const seen = new Uint8Array(width * height);
  const spans = [];
  const stack = [[x, y]];
  const reach = diagonals ? 1 : 0;
  let area = 0;
  let box = null;
  while (stack.length) {
    const [sx, sy] = stack.pop();
    const row = sy * width;
    if (seen[row + sx]) continue;
    let [x0, x1] = [sx, sx + 1];
    while (x0 > 0 && test(row + x0 - 1)) x0--;
    while (x1 < width && test(row + x1)) x1++;
    seen.fill(1, row + x0, row + x1);
    spans.push([sy, x0, x1]);
    area += x1 - x0;
    box = joinBoxes(box, [x0, sy, x1, sy + 1]);
    for (const ny of [sy - 1, sy + 1]) {
      if (ny < 0 || ny >= height) continue;
      const last = Math.min(width, x1 + reach);
      for (let nx = Math.max(0, x0 - reach); nx < last; nx++) {
        if (!seen[ny * width + nx] && test(ny * width + nx)) {
          stack.push([nx, ny]);
          while (nx + 1 < last && test(ny * width + nx + 1)) nx++;
        }
      }
    }
  }
  return { spans, area, box };
}

function paintRegion(bitmap, region, value) {
  for (const [y, x0, x1] of region.spans) bitmap.bits.fill(value, y * bitmap.width + x0, y * bitmap.width + x1);
  return region.box;
}

// The number of parts of the foreground, pixels that touch at a corner included.
function countComponents({ width, height, bits }) {
  const parent = [];
  const find = (i) => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  let above = [];
  let parts = 0;
  for (let y = 0; y < height; y++) {
    const runs = [];
    const end = (y + 1) * width;
    let from = 0;
    for (let i = bits.indexOf(1, y * width); i >= 0 && i < end; ) {
      let stop = bits.indexOf(0, i);
      if (stop < 0 || stop > end) stop = end;
      const [x0, x1] = [i - y * width, stop - y * width];
      let id = -1;
      while (from < above.length && above[from][1] < x0) from++;
      for (let k = from; k < above.length && above[k][0] <= x1; k++) {
        const root = find(above[k][2]);
        if (id < 0) id = root;
        else if (root !== id) {
          parent[root] = id;
          parts--;
        }
      }
      if (id < 0) {
        id = parent.push(parent.length) - 1;
        parts++;
      }
      runs.push([x0, x1, id]);
      i = bits.indexOf(1, stop);
    }
    above = runs;
  }
  return parts;
}
