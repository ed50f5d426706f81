"""Masks: bool arrays (H, W), how they are drawn, encoded and written.

Rle is COCO's compressed run-length encoding with text counts, `{"size": [h, w], "counts": str}`, the form in which a
mask is stored (Lin et al. 2014, https://cocodataset.org/#format-data).
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from pycocotools import mask as coco_mask
from scipy import ndimage

from core.files import write_atomically

Mask = NDArray[np.bool_]
_FARTHEST_PX, _LONGEST_PX = 1e5, 2e6


class Rle(TypedDict):
    size: list[int]
    counts: str


def encode_rle(mask: Mask) -> Rle:
    """mask: (H, W) bool. Raises ValueError for another shape."""
    if mask.ndim != 2:
        raise ValueError(f"mask must be (H, W), got {mask.shape}")
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def decode_rle(rle: Rle) -> Mask:
    """Returns (H, W) bool. The counts are trusted: `data.exchange.coco_shapes` checks those that come from outside."""
    return coco_mask.decode(_as_bytes(rle)).astype(bool)


def rle_area(rle: Rle) -> int:
    """Number of foreground pixels."""
    return int(coco_mask.area(_as_bytes(rle)))


def same_mask(one: Rle, other: Rle) -> bool:
    """Whether two encodings show one mask: runs may be cut up differently."""
    if list(one["size"]) != list(other["size"]):
        return False
    return one["counts"] == other["counts"] or np.array_equal(decode_rle(one), decode_rle(other))


def rle_box(rle: Rle) -> list[float]:
    """[x, y, width, height] in pixels around the foreground; all 0 when there is none."""
    return [float(value) for value in coco_mask.toBbox(_as_bytes(rle))]


def intersect_rles(rles: Sequence[Rle]) -> Rle:
    """What all masks of one size share. Raises ValueError when there is none or the sizes differ."""
    if not rles:
        raise ValueError("at least one mask is needed to intersect")
    if len({tuple(rle["size"]) for rle in rles}) > 1:
        raise ValueError(f"masks differ in size: {[rle['size'] for rle in rles]}")
    merged = coco_mask.merge([_as_bytes(rle) for rle in rles], intersect=True)
    return {"size": [int(side) for side in merged["size"]], "counts": merged["counts"].decode("ascii")}


def box_rle(box_xywh: Sequence[float], size_hw: tuple[int, int]) -> Rle:
    """A filled rectangle, clipped to the image. Pixels whose centre lies inside are set. It costs its columns, not its area."""
    (height, width), (x, y, box_width, box_height) = size_hw, box_xywh
    rows, columns = (
        np.flatnonzero((centres >= start) & (centres < start + length))
        for centres, start, length in ((np.arange(height) + 0.5, y, box_height), (np.arange(width) + 0.5, x, box_width))
    )
    runs = [height * width]
    if len(rows) and len(columns):
        before, gap = int(columns[0]) * height + int(rows[0]), height - len(rows)
        runs = [before, *([len(rows), gap] * len(columns))[:-1]]
        runs.append(height * width - sum(runs))
    drawn = coco_mask.frPyObjects({"size": [height, width], "counts": runs}, height, width)
    return {"size": [height, width], "counts": drawn["counts"].decode("ascii")}


def fill_box(box_xywh: Sequence[float], size_hw: tuple[int, int]) -> Mask:
    """`box_rle` as a mask."""
    return decode_rle(box_rle(box_xywh, size_hw))


def part_boxes(mask: Mask) -> list[list[float]]:
    """[x, y, width, height] in px around each part, a region whose pixels touch at sides or corners."""
    parts, _ = ndimage.label(mask, np.ones((3, 3)))
    return [
        [float(columns.start), float(rows.start), float(columns.stop - columns.start), float(rows.stop - rows.start)]
        for rows, columns in ndimage.find_objects(parts)
    ]


def filled_parts(mask: Mask) -> Mask:
    """(H, W) bool: the mask with each part filled up to its box. A part inside another's hole lies inside that one's box."""
    filled = np.zeros(mask.shape, np.uint8)
    outlines, _ = cv2.findContours(np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for outline in outlines:
        x, y, width, height = cv2.boundingRect(outline)
        filled[y : y + height, x : x + width] = 1
    return filled.view(bool)


def drawable_ring(points_xy: NDArray[np.floating]) -> NDArray[np.floating]:
    """The ring (N, 2) as pycocotools can draw it, which counts in 32 bits and holds five points in memory for each pixel of
    the outline: points far out are moved nearer. Raises ValueError for an outline that is too long."""
    ring = np.clip(points_xy, -_FARTHEST_PX, _FARTHEST_PX)
    length_px = np.abs(ring - np.roll(ring, 1, axis=0)).max(axis=1).sum()
    if length_px > _LONGEST_PX:
        raise ValueError(f"polygon has an outline of {length_px:.2g} pixels, the limit is {_LONGEST_PX:.0g}")
    return ring


def fill_polygon(points_xy: NDArray[np.floating], size_hw: tuple[int, int]) -> Mask:
    """points_xy: (N, 2), N >= 3, closed by itself. Rasterised by pycocotools, as every COCO tool does."""
    if points_xy.ndim != 2 or points_xy.shape[1] != 2 or len(points_xy) < 3:
        raise ValueError(f"a polygon needs at least 3 points (N, 2), got {points_xy.shape}")
    rles = coco_mask.frPyObjects([points_xy.astype(float).ravel().tolist()], *size_hw)
    return coco_mask.decode(coco_mask.merge(rles)).astype(bool)


def draw_band(points_xy: NDArray[np.floating], width_px: float, size_hw: tuple[int, int]) -> Mask:
    """A polyline with a width, round at joins and ends: a seam becomes a band, a brush stroke a mask.

    points_xy: (N, 2), N >= 1, in pixel coordinates where (0.5, 0.5) is the centre of the first pixel. A pixel is
    set when its centre lies within half the width of the line; a thinner line still sets the pixels it crosses.
    """
    if points_xy.ndim != 2 or points_xy.shape[1] != 2 or len(points_xy) < 1:
        raise ValueError(f"a band needs at least 1 point (N, 2), got {points_xy.shape}")
    if not width_px > 0:
        raise ValueError(f"width_px must be positive, got {width_px}")
    height, width = size_hw
    radius = max(width_px / 2, 0.5)
    mask = np.zeros(size_hw, bool)
    starts = points_xy[:-1] if len(points_xy) > 1 else points_xy
    ends = points_xy[1:] if len(points_xy) > 1 else points_xy
    for start, end in zip(starts, ends, strict=True):
        low = np.maximum(np.floor(np.minimum(start, end) - radius), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(start, end) + radius), (width, height)).astype(int)
        if (high <= low).any():
            continue
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        along = end - start
        length_squared = float(along @ along)
        t = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length_squared if length_squared else np.zeros_like(x)
        t = np.clip(t, 0, 1)
        distance_squared = (x - start[0] - t * along[0]) ** 2 + (y - start[1] - t * along[1]) ** 2
        mask[low[1] : high[1], low[0] : high[0]] |= distance_squared <= radius**2
    if width_px < 2:  # centres may all be missed by a hairline: draw the pixels it crosses
        image = Image.fromarray(mask.astype(np.uint8))  # a bilevel image would give bools made of 255
        ImageDraw.Draw(image).line([tuple(point) for point in points_xy], fill=1, width=1)
        mask = np.array(image) > 0
    return mask


def write_mask_png(mask: Mask, path: Path, number_format: str | None = None) -> None:
    """`mask_png` in a file."""
    write_atomically(path, mask_png(mask, number_format))


def mask_png(mask: Mask, number_format: str | None = None) -> bytes:
    """PNG of one channel, {0, 255}, the mask's size. number_format: of a prediction, kept as the text chunk of that name."""
    buffer, told = io.BytesIO(), PngInfo()
    if number_format is not None:
        told.add_text("number_format", number_format)
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, format="PNG", compress_level=1, pnginfo=told)
    return buffer.getvalue()


def read_mask_png(path: Path) -> Mask:
    with Image.open(path) as image:
        return np.array(image.convert("L")) >= 128


def _as_bytes(rle: Rle) -> dict:
    return {"size": rle["size"], "counts": rle["counts"].encode("ascii")}
