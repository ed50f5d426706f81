"""Skeletons of masks: the lines that clDice compares, by Zhang & Suen's thinning (1984), pixel for pixel those of scikit-image.

Of a pass only the pixels at a mask's rim are looked at, compiled by numba: a tenth of the time of looking at all of them.
The compiled code is kept beside this file, or where NUMBA_CACHE_DIR says.
"""

from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

from core.masks.mask import Mask

_FIRST, _SECOND = 1, 2
_AS_SCIKIT_IMAGE = {
    _FIRST: (3, 6, 10, 11, 12, 14, 131, 134, 161, 194, 198),
    _SECOND: (24, 26, 56, 96, 104, 108, 176, 192, 224),
    _FIRST | _SECOND: (40, 130, 160),
    0: (48, 129),
}
"""Where scikit-image 0.25's thinning departs from the paper, found by fitting the table to its answers on random pictures: by the
passes in which the pixel goes, the patterns of neighbours."""


def skeleton(mask: Mask) -> Mask:
    """mask: (H, W) bool. Returns its middle lines, a pixel wide, (H, W) bool."""
    image = np.pad(mask, 1).astype(np.uint8)
    _thin(image, _removable(), np.array(_around(image.shape[1])))
    return image[1:-1, 1:-1].astype(bool)


def _around(width: int) -> list[int]:
    """Steps to the eight neighbours in a flat image of this width, clockwise from the upper left."""
    return [-width - 1, -width, -width + 1, 1, width + 1, width, width - 1, -1]


@cache
def _removable() -> NDArray[np.uint8]:
    """(256,): of each pattern of neighbours (a bit each, in the order of `_around`), in which passes the pixel may go."""
    table = np.zeros(256, np.uint8)
    for pattern in range(256):
        ring = [pattern >> place & 1 for place in range(8)]
        changes = sum(not one and other for one, other in zip(ring, ring[1:] + ring[:1], strict=True))
        if 2 <= sum(ring) <= 6 and changes == 1:
            north, east, south, west = ring[1::2]
            table[pattern] |= _FIRST * (not north * east * south and not east * south * west)
            table[pattern] |= _SECOND * (not north * east * west and not north * south * west)
    for passes, patterns in _AS_SCIKIT_IMAGE.items():
        table[list(patterns)] = passes
    return table


@numba.njit(cache=True, nogil=True)
def _thin(image: NDArray[np.uint8], removable: NDArray[np.uint8], around: NDArray[np.int64]) -> None:  # pragma: no cover
    """In place. image: (H, W) uint8 of 0 and 1, its outermost pixels 0."""
    flat = image.ravel()
    pattern = np.zeros(flat.size, np.uint8)  # of each set pixel's neighbours, a bit each
    listed = np.zeros(flat.size, np.uint8)  # whether the pixel was ever at the rim
    rim, gone = np.empty(flat.size, np.int32), np.empty(flat.size, np.int32)
    count = 0
    for place in range(flat.size):
        if flat[place]:
            bits = 0
            for bit in range(8):
                bits |= flat[place + around[bit]] << bit
            pattern[place] = bits
            if bits != 255:
                rim[count] = place
                listed[place] = 1
                count += 1
    turn, idle = 0, 0
    while idle < 2:
        turn = 1 + turn % 2
        removed, kept = 0, 0
        for number in range(count):
            place = rim[number]
            if removable[pattern[place]] & turn:
                gone[removed] = place
                removed += 1
            else:
                rim[kept] = place
                kept += 1
        count = kept
        for number in range(removed):
            flat[gone[number]] = 0
        for number in range(removed):
            for bit in range(8):
                near = gone[number] + around[bit]
                if flat[near]:
                    pattern[near] &= ~(1 << (bit + 4) % 8)  # seen from there it lies opposite
                    if not listed[near]:
                        listed[near] = 1
                        rim[count] = near
                        count += 1
        idle = 0 if removed else idle + 1
