"""PNG masks in folders: FOLDER/CLASS/SPLIT/STEM__PROMPT.png, one channel, {0, 255}, the photo's size."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.errors import AnnotationError, PhotoError
from core.masks.mask import Mask, Rle, decode_rle, encode_rle, rle_area, write_mask_png
from core.photos import MAX_PIXELS, PHOTO_SUFFIXES, photo_size_hw
from core.prompts import PUBLISHED_SYNONYMS, slug
from data.exchange.labels import Incoming, IncomingLabel, Note, NotUsed, OutgoingLabel, annotation_files, untrusted
from data.exchange.mask_picture import ONE, OPAQUE, WHITE, UnclearMask, read_mask_picture

_NO_PNG = frozenset(PHOTO_SUFFIXES) - {".png"}
_USUAL = ("", WHITE, ONE, OPAQUE)
_ALL_PROMPTS = [sentence for synonyms in PUBLISHED_SYNONYMS.values() for sentence in synonyms]


@dataclass(frozen=True)
class _Found:
    """A file, its mask or why it has none, and what marks it (see `MaskPicture`)."""

    file: Path
    class_name: str
    size_hw: tuple[int, int]
    rle: Rle | AnnotationError
    mark: str = ""


def write(folder: Path, labels: Sequence[OutgoingLabel]) -> None:
    """One PNG a sample, called after the photo and its class's first prompt."""
    for label in labels:
        prompt = _prompts(label.class_name)[0]
        name = f"{Path(label.file_name).stem}__{slug(prompt)}.png"
        write_mask_png(decode_rle(label.rle), folder / label.class_name / label.split / name)


def read(path: Path) -> Incoming:
    """The class is the name of the highest folder below `path`; a known prompt after `__` is no part of the photo's name.

    A mark other than white, ones and opacity (`value 2`, a colour) is taken, and told, where no file of the class shows
    another beside it: class indexes of several classes are no masks of one.
    """
    incoming, found = Incoming(), list[_Found]()
    marks: dict[str, set[str]] = defaultdict(set)
    for file in annotation_files(path, ".png"):
        parts = file.relative_to(path).parts if path.is_dir() else ()
        try:
            if len(parts) < 2:
                raise AnnotationError("it lies in no folder named after its class; use FOLDER/CLASS/NAME.png")
            size_hw = photo_size_hw(file)
            if size_hw[0] * size_hw[1] > MAX_PIXELS:
                raise AnnotationError(f"it has {size_hw[0] * size_hw[1]} pixels, the limit is {MAX_PIXELS}; scale it down")
        except (AnnotationError, PhotoError) as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
            continue
        try:
            with untrusted("it"):
                picture = read_mask_picture(file)
            found.append(_Found(file, parts[0], size_hw, encode_rle(picture.mask), picture.mark))
            marks[parts[0]].add(picture.mark)
        except AnnotationError as error:
            found.append(_Found(file, parts[0], size_hw, error))
            if isinstance(error, UnclearMask):
                marks[parts[0]].add("several values")
    for item in found:
        others = marks[item.class_name] - {item.mark, WHITE, ""}
        incoming.labels.append(_label(item, others))
        incoming.notes.extend(Note(item.file.name, text) for text in _notes(item, others))
    others_there = [file.name for file in sorted(path.rglob("*")) if file.suffix.lower() in _NO_PNG] if path.is_dir() else []
    if others_there:
        first = f"{others_there[0]} and {len(others_there) - 1} more" if len(others_there) > 1 else others_there[0]
        incoming.not_used.append(NotUsed(first, "no PNG, and masks are PNG; photos need not be there"))
    return incoming


def _label(found: _Found, others: set[str]) -> IncomingLabel:
    stem, separator, prompt = found.file.stem.rpartition("__")
    slugs = {slug(sentence).casefold() for sentence in (*_prompts(found.class_name), *_ALL_PROMPTS)}
    name = stem if separator and prompt.casefold() in slugs else found.file.stem
    shape = partial(_draw, found, others)
    return IncomingLabel(name, found.class_name, found.size_hw, [shape])


def _draw(found: _Found, others: set[str], size_hw: tuple[int, int]) -> Mask:
    if isinstance(found.rle, AnnotationError):
        raise AnnotationError(f"{found.file.name}: {found.rle}") from found.rle
    if found.mark not in _USUAL and others:
        raise AnnotationError(
            f"{found.file.name}: its mask has {found.mark}, other files of {found.class_name} have {', '.join(sorted(others))}, "
            "as class indexes do; save each class's masks as 0 and 255"
        )
    return decode_rle(found.rle)


def _notes(found: _Found, others: set[str]) -> list[str]:
    """What to know of a mask that is taken."""
    if isinstance(found.rle, AnnotationError) or (found.mark not in _USUAL and others):
        return []
    share = rle_area(found.rle) / (found.size_hw[0] * found.size_hw[1])
    notes = [] if found.mark in _USUAL else [f"{found.mark} on black was taken as the mask"]
    if found.mark == ONE and others - {OPAQUE}:
        notes.append(f"ones were taken as the mask, other files of {found.class_name} have {', '.join(sorted(others))}")
    if share > 0.5:
        notes.append(f"its mask covers {100 * share:.0f} % of the photo; if that is the background, invert the file")
    return notes


def _prompts(class_name: str) -> tuple[str, ...]:
    return PUBLISHED_SYNONYMS.get(class_name, (f"segment {class_name}",))
