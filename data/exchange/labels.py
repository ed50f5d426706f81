"""What goes out to other labelling tools and comes back from them, whatever the format."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AnnotationError
from core.files import write_atomically
from core.masks.mask import Mask, Rle, drawable_ring, fill_polygon
from data.exchange.archives import is_junk

EVERY_CLASS = ""
"""The class of a label that stands for every class its photo has here: a photo without shapes in a file that names none."""


@dataclass(frozen=True)
class OutgoingLabel:
    """One sample's label. file_name: no other photo of the export has it, nor its stem. photo: the stored file."""

    file_name: str
    class_name: str
    split: str
    photo: Path
    rle: Rle


Shape = Callable[[tuple[int, int]], Mask]
"""Draws one shape on a photo of size (H, W); raises AnnotationError when it cannot be drawn."""


@dataclass(frozen=True)
class IncomingLabel:
    """All shapes of one class on one photo.

    Without shapes it says that nothing is there (`says_empty`), or it says nothing at all: whoever drew the photo may not
    have looked for the class. size_hw: the photo's size as the file states it, None where the format holds none. photo: its
    file, if it came along. file_name may lack the photo's suffix.
    """

    file_name: str
    class_name: str
    size_hw: tuple[int, int] | None
    shapes: Sequence[Shape]
    photo: Path | None = None
    says_empty: bool = True

    def draw(self, size_hw: tuple[int, int]) -> Mask:
        """The union of the shapes, (H, W) bool. Raises AnnotationError if one of them cannot be drawn: a label is taken
        whole or not at all."""
        mask = np.zeros(size_hw, bool)
        with untrusted("a shape"):
            for shape in self.shapes:
                mask |= shape(size_hw)
        return mask


@dataclass(frozen=True)
class NotUsed:
    """Something an import leaves out, and why in one sentence."""

    item: str
    reason: str


@dataclass(frozen=True)
class Note:
    """Something an import took in a way that whoever exported should know, in one sentence."""

    item: str
    text: str


@dataclass(frozen=True)
class Incoming:
    """What a reader found; it names what it cannot use instead of stopping. notes may grow while labels are drawn."""

    labels: list[IncomingLabel] = field(default_factory=list)
    not_used: list[NotUsed] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add_photo(
        self,
        file_name: str,
        size_hw: tuple[int, int] | None,
        shapes: dict[str, list[Shape]],
        photo: Path | None,
        *,
        says_empty: Collection[str] | None = None,
    ) -> None:
        """One label for each class in `shapes`, or one for every class of the photo where there is none; shapes under "" have
        no class and are named.

        says_empty: the classes without shapes of which the file says that nothing is there, None for all in `shapes`. A
        photo with a shape of no class says it of none.
        """
        nameless = len(shapes.get("", []))
        if nameless:
            reason = f"{nameless} of its shapes have no label; give each one in the tool that drew it, then export again"
            self.not_used.append(NotUsed(file_name, reason))
        for name, drawn in (shapes or {EVERY_CLASS: []}).items():
            if (name and drawn) or not (drawn or nameless):
                meant = name != EVERY_CLASS and (says_empty is None or name in says_empty)
                self.labels.append(IncomingLabel(file_name, name, size_hw, drawn, photo, meant))


MOST_TEXT_BYTES = 200_000_000
_LONGEST_NAME = 400


def text_of_file(path: Path) -> bytes:
    """An annotation file's bytes. Raises AnnotationError for one of more than MOST_TEXT_BYTES, OSError for one that cannot be read."""
    if (size := path.stat().st_size) > MOST_TEXT_BYTES:
        raise AnnotationError(
            f"{path.name} has {size / 1e6:.0f} MB, the limit is {MOST_TEXT_BYTES / 1e6:.0f}; export it in parts"
        )
    return path.read_bytes()


def plain_text(value: Any) -> str:
    """A name from outside as text that can be shown and kept: no control characters, no half of a pair, an end."""
    text = value if isinstance(value, str) else repr(value)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: _LONGEST_NAME + 1])
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


@contextmanager
def untrusted(what: str) -> Iterator[None]:
    """What goes wrong with one item of a file from outside, foreseen or not, is an AnnotationError that names it."""
    try:
        yield
    except (AnnotationError, OSError):
        raise
    except MemoryError as error:
        raise AnnotationError(f"{what} needs more memory than there is") from error
    except Exception as error:
        raise AnnotationError(f"{what} cannot be used ({type(error).__name__}: {plain_text(str(error))[:120]})") from error


def stated_size(height: Any, width: Any) -> tuple[int, int] | None:
    """(H, W) as files state it: 400, 400.0, "400" and "400.0" are one size. None for anything else."""
    try:
        sides = tuple(float(side) for side in (height, width) if not isinstance(side, bool))
    except (TypeError, ValueError, OverflowError):
        return None
    if len(sides) < 2 or not all(side.is_integer() and side > 0 for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def draw_polygon(points_xy: NDArray[np.floating], size_hw: tuple[int, int], what: str) -> Mask:
    """points_xy: (N, 2) in pixels from the photo's corner. Raises AnnotationError for fewer than 3 points, for one that is
    not finite, for an outline without end and for a polygon that covers no pixel."""
    if points_xy.ndim != 2 or points_xy.shape[1] != 2 or len(points_xy) < 3:
        raise AnnotationError(f"{what} has {len(points_xy)} points, needs 3; draw it again or remove it")
    if not np.isfinite(points_xy).all():
        raise AnnotationError(f"{what} has a point that is not a finite number; draw it again or remove it")
    try:
        mask = fill_polygon(drawable_ring(points_xy), size_hw)
    except ValueError as error:
        raise AnnotationError(f"{what}: {error}; draw it again or remove it") from error
    if not mask.any():
        raise AnnotationError(f"{what} covers no pixel of the photo; draw it again or remove it")
    return mask


def copy_photo(label: OutgoingLabel, folder: Path) -> None:
    """Into `folder`, under the label's file name."""
    write_atomically(folder / label.file_name, label.photo.read_bytes())


def annotation_files(path: Path, suffix: str) -> list[Path]:
    """`path` itself if it is a file, or every file below it with the suffix in any case. Raises AnnotationError when there is none."""
    below = path.rglob("*") if path.is_dir() else [path]
    files = sorted(
        file for file in below if (file == path or file.suffix.lower() == suffix) and file.is_file() and not is_junk(file)
    )
    if not files:
        raise AnnotationError(f"{path} holds no {suffix} file; name the exported file or its folder")
    return files
