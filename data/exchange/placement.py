"""From the size and turn a label was drawn at to the upright photo's: turned by EXIF's rule, scaled if it is a resize.

Labelling tools show a photo upright, as EXIF says, and so does this product; some read the stored pixels instead. The size
that an export states tells which, unless the photo is square or was only mirrored or put on its head: then the labels count
as drawn on the upright photo, and whoever knows better says so.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import AnnotationError
from core.masks.mask import Mask

MOST_STATED_PX = 40_000_000
"""A file may say any size: what is drawn at another than the photo's own is bounded."""
Exif = Literal["upright", "stored"]
"""On which picture labels were drawn: the one EXIF's orientation turns upright, or the pixels as they are stored."""


@dataclass(frozen=True)
class Placement:
    """How labels drawn at drawn_hw come onto the upright photo of size_hw: turned by orientation (EXIF's, 1 to 8), then scaled.

    note: what there is to say about it, in one sentence, or "".
    """

    drawn_hw: tuple[int, int]
    size_hw: tuple[int, int]
    orientation: int = 1
    note: str = ""

    @property
    def moves(self) -> bool:
        """Whether anything is turned or scaled."""
        return (self.drawn_hw, self.orientation) != (self.size_hw, 1)

    def mask(self, mask: Mask) -> Mask:
        """mask: drawn_hw. Returns size_hw; scaled to the nearest pixel."""
        mask = _turn(mask, self.orientation)
        rows, columns = (_sources(*sides) for sides in zip(mask.shape, self.size_hw, strict=True))
        return mask if mask.shape == self.size_hw else mask[rows[:, None], columns[None, :]]

    def box(self, box_xywh: list[float]) -> list[float]:
        """A box of whole pixels around a drawn mask, around the placed one."""
        if not self.moves:
            return box_xywh
        x, y, width, height = (int(value) for value in box_xywh)
        spans = [np.zeros(side, bool) for side in self.drawn_hw]
        spans[0][y : y + height], spans[1][x : x + width] = True, True
        if self.orientation >= 5:
            spans.reverse()
        flips = (self.orientation in (3, 4, 7, 8), self.orientation in (2, 3, 6, 7))
        placed = []
        for span, flip, side in zip(spans, flips, self.size_hw, strict=True):
            covered = np.flatnonzero((span[::-1] if flip else span)[_sources(len(span), side)])
            placed.append((float(covered[0]), float(len(covered))) if len(covered) else (0.0, 0.0))
        (top, tall), (left, wide) = placed
        return [left, top, wide, tall] if tall and wide else [0.0] * 4


def place(
    stated_hw: tuple[int, int] | None, size_hw: tuple[int, int], orientation: int = 1, exif: Exif | None = None
) -> Placement:
    """How labels of an export that states the size stated_hw come onto the upright photo.

    size_hw: the upright photo's. orientation: the photo file's, as EXIF counts (1: nothing to turn). exif: what somebody
    knows; None goes by the sizes. Raises AnnotationError when the stated size is no resize of the photo.
    """
    if stated_hw is not None and stated_hw not in (size_hw, size_hw[::-1]) and stated_hw[0] * stated_hw[1] > MOST_STATED_PX:
        raise AnnotationError(
            f"the file says {_words(stated_hw)}, the photo is {_words(size_hw)}; labels drawn on more than "
            f"{MOST_STATED_PX / 1e6:.0f} megapixels of another size are not scaled; export it again"
        )
    stored_hw = size_hw[::-1] if orientation >= 5 else size_hw
    fits_upright, fits_stored = (stated_hw is None or is_resize(stated_hw, hw) for hw in (size_hw, stored_hw))
    turned = orientation != 1 and (exif == "stored" or (exif is None and fits_stored and not fits_upright))
    if not (fits_stored if turned else fits_upright):
        assert stated_hw is not None
        raise AnnotationError(
            f"the file says {_words(stated_hw)}, the upright photo is {_words(size_hw)}: another shape, so its labels are of "
            "another picture; export the photo and its labels together"
        )
    notes = []
    if turned:
        notes.append(f"labels were drawn on the photo as it is stored (EXIF orientation {orientation}); turned with it")
    elif orientation != 1 and exif is None and fits_stored:
        notes.append(
            f"its size does not tell whether labels were drawn before or after its EXIF orientation {orientation}; taken as "
            "drawn on the upright photo (--exif stored for the other)"
        )
    drawn_hw = stated_hw or (stored_hw if turned else size_hw)
    if drawn_hw != (stored_hw if turned else size_hw):
        notes.append(f"the file says {_words(drawn_hw)}, the upright photo is {_words(size_hw)}; labels were scaled to it")
    return Placement(drawn_hw, size_hw, orientation if turned else 1, "; ".join(notes))


def is_resize(one_hw: tuple[int, int], other_hw: tuple[int, int]) -> bool:
    """Whether one scale, each side rounded to whole pixels up or down, leads from one size to the other.

    Thumbnails so small that rounding bends their shape by more than 2 % are none.
    """
    (low_a, high_a), (low_b, high_b) = (((a - 1) / b, (a + 1) / b) for a, b in zip(one_hw, other_hw, strict=True))
    bent = one_hw[0] * other_hw[1] / (one_hw[1] * other_hw[0])
    return one_hw == other_hw or (low_a < high_b and low_b < high_a and 0.98 <= bent <= 1.02)


def _turn(mask: Mask, orientation: int) -> Mask:
    if orientation >= 5:
        mask = mask.T
    if orientation in (3, 4, 7, 8):
        mask = mask[::-1]
    return mask[:, ::-1] if orientation in (2, 3, 6, 7) else mask


def _sources(drawn: int, placed: int) -> NDArray[np.int_]:
    """For each pixel of a placed side, the drawn one its centre falls on."""
    return ((np.arange(placed) + 0.5) * drawn / placed).astype(int)


def _words(size_hw: tuple[int, int]) -> str:
    return "x".join(str(side) if side < 10**9 else f"over {10**9}" for side in size_hw[::-1])
