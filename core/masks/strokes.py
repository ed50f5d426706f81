"""Patches: what one stroke changed in a mask, as the editor in the browser sends it and a draft keeps it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import RequestError
from core.masks.mask import Mask


@dataclass(frozen=True)
class Patch:
    """The pixels a stroke set and cleared inside a rectangle of the image.

    added, removed: run lengths over the rectangle, row by row, beginning with unchanged pixels; each length a base-128
    number, low digits first (LEB128). Empty: none. Applying a patch twice does no harm.
    """

    x: int
    y: int
    width: int
    height: int
    added: bytes
    removed: bytes


def apply_patch(mask: Mask, patch: Patch) -> None:
    """Set and clear the patch's pixels of `mask`, (H, W) bool, in place.

    Raises RequestError for a patch that leaves the mask or whose runs do not fit its rectangle.
    """
    height, width = mask.shape
    if min(patch.x, patch.y) < 0 or patch.x + patch.width > width or patch.y + patch.height > height:
        raise RequestError(
            f"a stroke covers {patch.width}x{patch.height} px at ({patch.x}, {patch.y}), the mask is {width}x{height}; "
            "reload the page"
        )
    window = mask[patch.y : patch.y + patch.height, patch.x : patch.x + patch.width]
    for runs, value in ((patch.removed, False), (patch.added, True)):
        if runs:
            window[_pixels(runs, window.shape)] = value


def patch_between(before: Mask, after: Mask) -> Patch | None:
    """The patch that makes `after` of `before`, both (H, W) bool; None when they are equal."""
    changed = before != after
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
    window, values = changed[top:bottom, left:right], after[top:bottom, left:right]
    added, removed = _runs(window & values), _runs(window & ~values)
    return Patch(int(left), int(top), int(right - left), int(bottom - top), added, removed)


def _runs(pixels: Mask) -> bytes:
    flat = np.concatenate([[False], pixels.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    packed = bytearray()
    for length in np.diff(edges, prepend=0).tolist():
        while length > 127:
            packed.append(length & 127 | 128)
            length >>= 7
        packed.append(length)
    return bytes(packed)


def _pixels(runs: bytes, size_hw: tuple[int, ...]) -> Mask:
    lengths = _numbers(runs)
    if lengths.sum() > size_hw[0] * size_hw[1]:
        raise RequestError(f"a stroke has runs of {lengths.sum()} px in {size_hw[1]}x{size_hw[0]} px; reload the page")
    pixels = np.zeros(size_hw[0] * size_hw[1], bool)
    values = np.arange(len(lengths)) % 2 == 1
    pixels[: lengths.sum()] = np.repeat(values, lengths)
    return pixels.reshape(size_hw)


def _numbers(packed: bytes) -> NDArray[np.int64]:
    digits = np.frombuffer(packed, np.uint8)
    last = digits < 128
    number = np.concatenate([[0], last.cumsum()[:-1]])
    first = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    place = np.arange(len(digits)) - first[number]
    if not last[-1] or place.max() > 4:
        raise RequestError("a stroke's runs are cut off; reload the page")
    sums = np.zeros(number[-1] + 1, np.int64)
    np.add.at(sums, number, (digits & 127).astype(np.int64) << (7 * place))
    return sums
