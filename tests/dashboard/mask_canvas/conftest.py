"""The mask canvas's JavaScript in an engine without a browser (V8): what computes is called from Python and answers in arrays."""

import json
from typing import Any

import numpy as np
import pytest
from py_mini_racer import MiniRacer

from core.masks.strokes import Patch
from dashboard import mask_canvas

# What a browser has and the bare language has not, and the way in and out: a mask travels as text of 0 and 1.
BRIDGE = """
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
function btoa(text) {
  let out = "";
  for (let i = 0; i < text.length; i += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => text.charCodeAt(i + k) || 0);
    const four = [a >> 2, ((a & 3) << 4) | (b >> 4), ((b & 15) << 2) | (c >> 6), c & 63];
    out += four.map((n, k) => (i + k > text.length ? "=" : LETTERS[n])).join("");
  }
  return out;
}
function atob(text) {
  let [out, bits, held] = ["", 0, 0];
  for (const letter of text.replaceAll("=", "")) {
    [held, bits] = [((held << 6) | LETTERS.indexOf(letter)) & 0xffff, bits + 6];
    if (bits >= 8) out += String.fromCharCode((held >> (bits -= 8)) & 255);
  }
  return out;
}
class ImageData {
  constructor(width, height) { Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) }); }
}
const arriving = (_, value) => {
  if (value?.$mask) return { height: value.$mask[0], width: value.$mask[1], bits: Uint8Array.from(value.$mask[2]) };
  if (value?.$bytes) return Uint8Array.from(value.$bytes);
  return value;
};
const leaving = (_, value) => {
  if (value?.bits instanceof Uint8Array) return { $mask: [value.height, value.width, value.bits.join("")] };
  if (value instanceof Uint8Array) return { $bytes: Array.from(value) };
  return ArrayBuffer.isView(value) ? Array.from(value) : value;
};
"""


class Engine:
    """js("drawBand(a, b, 3, 1)", mask, points): an expression of its arguments, which are called a, b, c, ...

    Masks (bool arrays), uint8 arrays, patches and all that JSON holds go in and come out. A mask is changed in place only in
    the engine: let the expression return it.
    """

    def __init__(self) -> None:
        self._context = MiniRacer()
        self._context.eval(BRIDGE + mask_canvas.module.replace("export default function mount", "function mount"))

    def define(self, script: str) -> None:
        self._context.eval(script)

    def __call__(self, expression: str, *arguments: Any) -> Any:
        names = "abcdefgh"[: len(arguments)]
        given = json.dumps(json.dumps(arguments, default=_sent))
        text = self._context.eval(
            f"JSON.stringify(((...[{','.join(names)}]) => ({expression}))(...JSON.parse({given}, arriving)), leaving) ?? 'null'"
        )
        return json.loads(text, object_hook=_received)


def _sent(value: Any) -> Any:
    if isinstance(value, Patch):
        runs = {name: np.frombuffer(getattr(value, name), np.uint8) for name in ("added", "removed")}
        return {"x": value.x, "y": value.y, "w": value.width, "h": value.height, **runs}
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return {"$mask": [*value.shape, "".join("01"[pixel] for pixel in value.ravel().tolist())]}
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return {"$bytes": value.ravel().tolist()}
    return value.tolist()


def _received(value: dict[str, Any]) -> Any:
    if "$mask" in value:
        height, width, pixels = value["$mask"]
        return np.array([pixel == "1" for pixel in pixels], bool).reshape(height, width)
    if "$bytes" in value:
        return bytes(value["$bytes"])
    if value.keys() == {"x", "y", "w", "h", "added", "removed"} and isinstance(value["added"], bytes):
        return Patch(value["x"], value["y"], value["w"], value["h"], value["added"], value["removed"])
    return value


@pytest.fixture(scope="session")
def js() -> Engine:
    return Engine()
