"""One COCO annotation becomes a mask: polygons, run lengths and boxes, checked before C code sees them.

Everything stays run lengths until a photo's annotations are united: as 12-megapixel masks, 300 of them take half a minute.
Polygons are rasterised by pycocotools, as every COCO tool does, so masks are its masks to the pixel.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from core.masks.mask import Rle, box_rle, decode_rle, drawable_ring, encode_rle, rle_area
from data.exchange.labels import stated_size
from data.exchange.placement import MOST_STATED_PX, Placement, is_resize

MOST_SHAPES = 20_000
"""Of one class on one photo."""


class Unusable(Exception):
    """An annotation cannot be used as it stands; the message says why."""


class Speck(Unusable):
    """It covers no pixel, being smaller than one: a slip of the mouse."""


@dataclass(frozen=True)
class Drawn:
    """kind: "polygon", "rle", "box" (it has no segmentation) or "empty" (its segmentation is unusable: drawn as its box).

    notes: what was mended, in sentences.
    """

    rle: Rle
    kind: str
    notes: tuple[str, ...] = ()


def draw_annotation(annotation: dict[str, Any], size_hw: tuple[int, int]) -> Drawn:
    """On a photo of size_hw. Raises Unusable when neither segmentation nor box can be drawn."""
    segmentation = annotation.get("segmentation")
    if segmentation is None or segmentation == []:
        return _draw_box(annotation.get("bbox"), size_hw)
    try:
        return (_draw_rle if isinstance(segmentation, dict) else _draw_polygons)(segmentation, size_hw)
    except Unusable as error:
        try:
            box = _draw_box(annotation.get("bbox"), size_hw)
        except Speck as speck:
            raise speck if isinstance(error, Speck) else error from error
        return Drawn(box.rle, "empty", (f"{error}; drawn as its box instead", *box.notes))


@dataclass(frozen=True)
class Drawing:
    """What a photo's annotations came to, by the name of each.

    refused: (name, reason). specks: those that cover no pixel, beside others that do.
    """

    drawn: list[tuple[str, Drawn]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    specks: list[str] = field(default_factory=list)


def draw_annotations(annotations: Iterable[dict[str, Any]], size_hw: tuple[int, int]) -> Drawing:
    """Each annotation must have an id. A speck is refused only where nothing else is."""
    found, specks = Drawing(), []
    for annotation in annotations:
        name = f"annotation {annotation['id']}"
        try:
            if len(found.drawn) >= MOST_SHAPES:
                raise Unusable(f"the photo has more than {MOST_SHAPES} shapes; what is beyond is left out")
            found.drawn.append((name, draw_annotation(annotation, size_hw)))
        except Speck as error:
            specks.append((name, str(error)))
        except Unusable as error:
            found.refused.append((name, str(error)))
    if found.drawn:
        found.specks.extend(name for name, _ in specks)
    else:
        found.refused.extend(specks)
    return found


def unite(rles: Sequence[Rle]) -> Rle:
    """The union of masks of one size, at least one, in the one form `encode_rle` gives a mask."""
    merged = coco_mask.merge([{**rle, "counts": rle["counts"].encode("ascii")} for rle in rles])
    return encode_rle(coco_mask.decode(merged))


def _draw_polygons(polygons: Any, size_hw: tuple[int, int]) -> Drawn:
    """The union of all rings that can be drawn; the others are named."""
    if not isinstance(polygons, list):
        raise Unusable(f"segmentation is a {type(polygons).__name__}, not a list of polygons")
    rings = polygons if any(isinstance(ring, list) for ring in polygons) else [polygons]
    good: list[list[float]] = []
    bad: list[tuple[int, str]] = []
    for number, ring in enumerate(rings, 1):
        try:
            good.append(_ring(ring))
        except Unusable as error:
            bad.append((number, str(error)))
    if not good:
        raise Unusable(bad[0][1])
    rle = _as_text(coco_mask.merge(coco_mask.frPyObjects(good, *size_hw)))
    if not rle_area(rle):
        if bad:
            raise Unusable(bad[0][1])
        points = np.concatenate([np.reshape(ring, (-1, 2)) for ring in good])
        raise (Speck if (np.ptp(points, axis=0) <= 1).all() else Unusable)("polygon covers no pixel of the photo")
    notes = (f"ring {number} of {len(rings)}: {reason}; the other rings were kept" for number, reason in bad)
    return Drawn(rle, "polygon", tuple(notes))


def _ring(ring: Any) -> list[float]:
    try:
        values = np.array(ring, float) if isinstance(ring, list) and not {str, bool} & set(map(type, ring)) else None
    except (ValueError, TypeError, OverflowError):
        values = None
    if values is None or values.ndim != 1 or not np.isfinite(values).all():
        raise Unusable("polygon holds a value that is not a finite number")
    if len(values) % 2:
        raise Unusable(f"polygon has {len(values)} coordinates, an odd number")
    if len(values) < 6:
        raise Unusable(f"polygon has {len(values) // 2} points, needs 3")
    try:
        return drawable_ring(values.reshape(-1, 2)).ravel().tolist()
    except ValueError as error:
        raise Unusable(str(error)) from error


def _draw_rle(rle: dict[str, Any], size_hw: tuple[int, int]) -> Drawn:
    """Both forms of COCO RLE, decoded here to run lengths first: malformed counts must not reach C code."""
    size = rle.get("size")
    own_hw = stated_size(*size) if isinstance(size, list) and len(size) == 2 else None
    most = max(MOST_STATED_PX, size_hw[0] * size_hw[1])
    if own_hw is None or own_hw[0] * own_hw[1] > most or not is_resize(own_hw, size_hw):
        raise Unusable(f"RLE has size {str(size)[:60]}, the image is {list(size_hw)}")
    height, width = own_hw
    counts = rle.get("counts")
    runs = _decompress(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and 0 <= run <= height * width for run in runs):
        raise Unusable("RLE counts are malformed")
    if sum(runs) != height * width:
        raise Unusable(f"RLE counts add up to {sum(runs)} pixels, the image has {height * width}")
    drawn = _as_text(coco_mask.frPyObjects({"size": [height, width], "counts": runs}, height, width))
    if not rle_area(drawn):
        raise Unusable("RLE covers no pixel")
    if 0 in runs[1:-1]:  # legal, but boxes of it would be wrong
        drawn = encode_rle(decode_rle(drawn))
    if (height, width) == size_hw:
        return Drawn(drawn, "rle")
    note = f"RLE has size {width}x{height}, the image is {size_hw[1]}x{size_hw[0]}; it was scaled to it"
    return Drawn(encode_rle(Placement((height, width), size_hw).mask(decode_rle(drawn))), "rle", (note,))


def _decompress(text: str) -> list[int]:
    """COCO's compressed counts: 5 bits a character, a sixth says more follow, deltas from the fourth run."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            raise Unusable("RLE counts are malformed")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return runs


def _draw_box(box: Any, size_hw: tuple[int, int]) -> Drawn:
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise Unusable(f"it has neither a usable segmentation nor a usable box (bbox is {_short(box)})")
    x, y, width, height = box
    rle = box_rle(box, size_hw)
    if not rle_area(rle):
        raise (Speck if 0 <= width <= 1 and 0 <= height <= 1 else Unusable)(f"its box {_short(box)} covers no pixel of the photo")
    outside = x < -0.5 or y < -0.5 or x + width > size_hw[1] + 0.5 or y + height > size_hw[0] + 0.5
    return Drawn(rle, "box", (f"its box {_short(box)} leaves the photo; clipped",) if outside else ())


def _as_text(rle: dict[str, Any]) -> Rle:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _short(value: Any) -> str:
    """As Python writes it, but not without end."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more digits than are written
        return "a value that cannot be written"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value) and abs(value) < 1e12
    except OverflowError:  # a whole number that no float holds
        return False
