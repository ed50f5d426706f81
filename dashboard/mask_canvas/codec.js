// Masks and strokes as text. A bitmap is {width, height, bits}: bits is a Uint8Array of 0 and 1, row by row.
// A patch is what one stroke changed: {x, y, w, h, added, removed}, the two as run lengths inside the rectangle, row by row,
// beginning with a run of unchanged pixels, each length a base-128 number, low digits first (LEB128).

const FRESH = 0x80;

function packRuns(lengths) {
  const bytes = [];
  for (let length of lengths) {
    while (length >= FRESH) {
      bytes.push((length % FRESH) | FRESH);
      length = Math.floor(length / FRESH);
    }
    bytes.push(length);
  }
  return Uint8Array.from(bytes);
}

function unpackRuns(bytes) {
  const lengths = [];
  let length = 0;
  let place = 1;
  for (const byte of bytes) {
    length += (byte % FRESH) * place;
    if (byte & FRESH) {
      place *= FRESH;
    } else {
      lengths.push(length);
      length = 0;
      place = 1;
    }
  }
  return lengths;
}

function toBase64(bytes) {
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000) text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  return btoa(text);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// What differs between two bitmaps of one size inside box [x0, y0, x1, y1), or null.
function diffPatch(before, after, box) {
  const { width } = after;
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (let y = box[1]; y < box[3]; y++) {
    for (let i = y * width + box[0], x = box[0]; x < box[2]; x++, i++) {
      if (before.bits[i] === after.bits[i]) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  if (right < 0) return null;
  const changed = [[0], [0]]; // removed, added
  const current = [0, 0];
  for (let y = top; y <= bottom; y++) {
    for (let i = y * width + left, x = left; x <= right; x++, i++) {
      for (let value = 0; value < 2; value++) {
        const is = before.bits[i] !== after.bits[i] && after.bits[i] === value ? 1 : 0;
        const lengths = changed[value];
        if (is === current[value]) lengths[lengths.length - 1]++;
        else lengths.push(1);
        current[value] = is;
      }
    }
  }
  const packed = changed.map((lengths) => packRuns(lengths.length > 1 ? lengths : []));
  return { x: left, y: top, w: right - left + 1, h: bottom - top + 1, added: packed[1], removed: packed[0] };
}

function reversePatch(patch) {
  return { ...patch, added: patch.removed, removed: patch.added };
}

// Set and clear the patch's pixels; a pixel that is so already stays.
function applyPatch(bitmap, patch) {
  for (const [bytes, value] of [[patch.removed, 0], [patch.added, 1]]) {
    let at = 0;
    let on = 0;
    for (const length of unpackRuns(bytes)) {
      if (on) fillRun(bitmap, patch, at, at + length, value);
      at += length;
      on ^= 1;
    }
  }
  return [patch.x, patch.y, patch.x + patch.w, patch.y + patch.h];
}

function fillRun(bitmap, patch, from, to, value) {
  while (from < to) {
    const row = Math.floor(from / patch.w);
    const end = Math.min(to, (row + 1) * patch.w);
    const start = (patch.y + row) * bitmap.width + patch.x - row * patch.w;
    bitmap.bits.fill(value, start + from, start + end);
    from = end;
  }
}

function patchToText(patch) {
  return { ...patch, added: toBase64(patch.added), removed: toBase64(patch.removed) };
}

function patchFromText(text) {
  return { ...text, added: fromBase64(text.added), removed: fromBase64(text.removed) };
}

// COCO's compressed run lengths (column by column) as pycocotools writes them.
function decodeCoco({ size: [height, width], counts }) {
  const bits = new Uint8Array(height * width);
  const lengths = [];
  let at = 0;
  let pixel = 0;
  while (at < counts.length) {
    let length = 0;
    let shift = 0;
    let code;
    do {
      code = counts.charCodeAt(at++) - 48;
      length |= (code & 0x1f) << shift;
      shift += 5;
    } while (code & 0x20);
    if (code & 0x10) length |= -1 << shift;
    if (lengths.length > 2) length += lengths[lengths.length - 2];
    lengths.push(length);
    if (lengths.length % 2 === 0) {
      for (let p = pixel; p < pixel + length; p++) bits[(p % height) * width + Math.floor(p / height)] = 1;
    }
    pixel += length;
  }
  return { width, height, bits };
}
