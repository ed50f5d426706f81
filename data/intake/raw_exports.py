"""Raw COCO exports of new photos: where they lie, which of their categories are the class, and what became of each photo.

One broken item stops nothing else: it is drawn as its box or refused, and named with the reason. A photo of which every
annotation was refused gets no label: something is there, and nobody knows where.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.errors import AnnotationError, PhotoError, RequestError
from core.masks.mask import Rle, decode_rle, encode_rle, rle_box
from core.photos import exif_orientation, read_photo
from core.prompts import PUBLISHED_SYNONYMS
from data.exchange.archives import innermost
from data.exchange.coco import ANNOTATION_FILE, CocoFile, CocoPhoto, read_coco
from data.exchange.coco_shapes import draw_annotations, unite
from data.exchange.labels import plain_text, untrusted
from data.exchange.photo_names import FileFinder
from data.exchange.placement import Exif, Placement, place
from data.store.records import Problem

_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}
_SAY_NOTHING = frozenset({"area", "drywall", "line", "segment", "surface", "wall"})  # words of prompts that name no defect


class Seen(NamedTuple):
    """What there is to know of a photo file besides its pixels: its upright size, None where it cannot be read, and error says
    why; orientation: EXIF's."""

    size_hw: tuple[int, int] | None
    orientation: int = 1
    error: str = ""


Look = Callable[[Sequence[Path]], Mapping[Path, Seen]]


@dataclass(frozen=True)
class ExportFolder:
    """One annotation file of the folder `class_folder`, whose photos count as `split`."""

    file: Path
    class_folder: str
    class_name: str
    split: str


@dataclass(frozen=True)
class ExportImage:
    """One photo. kinds counts annotations: "polygon", "rle", "box" (boxes only), "empty" (unusable, drawn as its box).

    rle: None where every annotation was refused. boxes: of every annotation that was drawn, [x, y, width, height] in pixels
    of the upright photo.
    """

    file_name: str
    path: Path
    size_hw: tuple[int, int]
    rle: Rle | None
    kinds: Counter[str]
    boxes: list[list[float]]


@dataclass(frozen=True)
class Export:
    """What one annotation file holds of one class, and what became of it."""

    class_name: str
    split: str
    images: list[ExportImage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, file_name: str, item: str, action: str, reason: str) -> None:
        file_name, item, reason = plain_text(file_name), plain_text(item), plain_text(reason)
        self.problems.append(Problem(self.class_name, self.split, file_name, item, action, reason))


def class_folders(raw_dir: Path, names: Iterable[str]) -> list[str]:
    """Those of the names that folders in raw_dir have."""
    return [name for name in names if any(_named(root, name) for root in (raw_dir, innermost(raw_dir)))]


def find_exports(raw_dir: Path, class_of: Mapping[str, str]) -> list[ExportFolder]:
    """Every annotation file in RAW/FOLDER/{train,valid,test}/ or flat in RAW/FOLDER/, names in any case.

    class_of: the class of each folder. RAW may also lie in a folder of its own. Raises RequestError when nothing is found.
    """
    if not raw_dir.is_dir():
        raise RequestError(f"{raw_dir} is neither a folder nor a ZIP archive; name what holds {' and '.join(class_of)}")
    for root in dict.fromkeys((raw_dir, innermost(raw_dir))):
        found = []
        for name, class_name in class_of.items():
            flat = [(folder, "train") for folder in _named(root, name)]
            parted = [
                (folder, split) for flat_one, _ in flat for sub, split in _SPLITS.items() for folder in _named(flat_one, sub)
            ]
            for folder, split in (*flat, *parted):
                files = (file for file in _named(folder, ANNOTATION_FILE) if file.is_file())
                found += [ExportFolder(file, name, class_name, split) for file in files]
        if found:
            return found
    places = " or ".join(f"{raw_dir / name}/train/{ANNOTATION_FILE}" for name in class_of)
    raise RequestError(f"{raw_dir} holds no COCO export; looked for {places}")


def read_exports(
    folders: Sequence[ExportFolder], class_of: Mapping[str, str] | None = None, exif: Exif | None = None, look: Look | None = None
) -> list[Export]:
    """One Export a file and class. class_of: see `choose_categories`; exif: see `data.exchange.placement.place`; look: at all
    photos at once, `looked_at` without it.

    Raises RequestError when class_of names what is neither a folder nor a category.
    """
    files: dict[ExportFolder, CocoFile | AnnotationError] = {}
    for folder in folders:
        try:
            files[folder] = read_coco(folder.file)
        except AnnotationError as error:
            files[folder] = error
    read = {folder: found for folder, found in files.items() if isinstance(found, CocoFile)}
    known = {name.casefold() for found in read.values() for name in (*found.categories, *found.shapes())}
    for name in class_of or {}:
        if name.casefold() not in known and not any(folder.class_folder == name for folder in folders):
            there = ", ".join(sorted(known)) or "none"
            raise RequestError(f"{name} is neither a folder of the export nor a category in it; the categories are {there}")
    shapes: dict[str, Counter[str]] = defaultdict(Counter)
    for folder, file in read.items():
        shapes[folder.class_folder] += file.shapes()
    paths = {folder: _paths(folder.file.parent, found) for folder, found in read.items()}
    seen = (look or looked_at)(
        list(dict.fromkeys(p for of_folder in paths.values() for p in of_folder.values() if isinstance(p, Path)))
    )
    exports = []
    for folder, found in files.items():
        export = Export(folder.class_name, folder.split)
        exports.append(export)
        try:
            if isinstance(found, AnnotationError):
                raise found
            chosen = choose_categories(folder.class_name, shapes[folder.class_folder], class_of or {})
        except AnnotationError as error:
            export.note("", folder.file.name, "refused", str(error))
            continue
        for name, count in found.shapes().items():
            if name not in chosen:
                reason = f"it is not called as the class and was left out; take it with --class {name!r}=CLASS"
                export.note("", f"category {name!r} with {count} shapes", "noted", reason)
        others = [Export(name, folder.split) for name in dict.fromkeys(chosen.values()) if name != folder.class_name]
        _read_photos(paths[folder], seen, found, chosen, exif, [export, *others])
        exports.extend(others)
    return exports


def read_export(folder: Path, class_name: str, split: str, exif: Exif | None = None) -> Export:
    """Read one folder with its annotation file. Raises AnnotationError when the file as a whole cannot be used."""
    found, export = read_coco(folder / ANNOTATION_FILE), Export(class_name, split)
    paths = _paths(folder, found)
    seen = looked_at([path for path in paths.values() if isinstance(path, Path)])
    _read_photos(paths, seen, found, choose_categories(class_name, found.shapes(), {}), exif, [export])
    return export


def looked_at(paths: Sequence[Path]) -> dict[Path, Seen]:
    """What there is to know of photos besides their pixels."""
    seen = {}
    for path in paths:
        try:
            seen[path] = Seen(read_photo(path).shape[:2], exif_orientation(path))
        except PhotoError as error:
            seen[path] = Seen(None, error=str(error))
    return seen


def _paths(folder: Path, found: CocoFile) -> dict[int | str, Path | AnnotationError]:
    """Where each photo of the file lies, by its key, or why that is not known."""
    finder, paths = FileFinder(folder), dict[int | str, Path | AnnotationError]()
    for photo in found.photos:
        try:
            paths[photo.key] = finder.find(photo.file_name)
        except AnnotationError as error:
            paths[photo.key] = error
    return paths


def choose_categories(class_name: str, shapes: Counter[str], class_of: Mapping[str, str]) -> dict[str, str]:
    """The class of each category that is taken, of those with shapes in one class folder.

    class_of decides, in any case of letters; else categories called as the class or as its prompts are taken, or the only
    one whatever its name. Raises AnnotationError when that leaves it open.
    """
    told = {name.casefold(): chosen for name, chosen in class_of.items()}
    chosen = {name: told[name.casefold()] for name in shapes if name.casefold() in told}
    rest = [name for name in shapes if name not in chosen]
    called = [name for name in rest if is_called(name, class_name)]
    if not called and class_name not in chosen.values() and len(rest) == 1:
        called = rest
    elif rest and not called and class_name not in chosen.values():
        counts = ", ".join(f"{name!r} ({shapes[name]} shapes)" for name in rest)
        raise AnnotationError(
            f"it has several categories, none called as the class {class_name}: {counts}; say which one it is with "
            f"--class {rest[0]!r}={class_name}"
        )
    return chosen | dict.fromkeys(called, class_name)


def is_called(category: str, class_name: str) -> bool:
    """Whether a category's name means the class: its own name, in singular or plural, or words of its prompts alone."""
    words = _words(category)
    if words == _words(class_name):
        return True
    prompts = {word for prompt in PUBLISHED_SYNONYMS.get(class_name, ()) for word in _words(prompt)}
    return set(words) <= prompts and not set(words) <= _SAY_NOTHING


def _read_photos(
    paths: Mapping[int | str, Path | AnnotationError],
    seen: Mapping[Path, Seen],
    found: CocoFile,
    chosen: Mapping[str, str],
    exif: Exif | None,
    exports: Sequence[Export],
) -> None:
    """Into exports, one a class; what concerns a whole photo is told in the first."""
    first = exports[0]
    for action, items in (("refused", found.refused), ("noted", found.notes)):
        for file_name, item, reason in items:
            first.note(file_name, item, action, reason)
    specks = Counter[str]()
    for photo in found.photos:
        try:
            path = paths[photo.key]
            if isinstance(path, AnnotationError):
                raise path
            size_hw, orientation, reason = seen[path]
            if size_hw is None:
                raise PhotoError(reason)
            with untrusted("its size"):
                placed = place(photo.stated_hw, size_hw, orientation, exif)
        except (PhotoError, AnnotationError) as error:
            first.note(photo.file_name, f"image {photo.key}", "refused", str(error))
            continue
        if placed.note:
            action = "repaired" if placed.moves else "noted"
            first.note(photo.file_name, f"image {photo.key}", action, placed.note)
        for export in exports:
            categories = [name for name, class_name in chosen.items() if class_name == export.class_name]
            try:
                with untrusted("what is drawn on it"):
                    specks[export.class_name] += _read_photo(photo, path, placed, categories, export)
            except (AnnotationError, OSError) as error:
                export.note(photo.file_name, f"image {photo.key}", "refused", str(error))
    for export in exports:
        if count := specks[export.class_name]:
            export.note("", f"{count} annotations", "noted", "they are smaller than a pixel, beside others; left out")


def _read_photo(photo: CocoPhoto, path: Path, placed: Placement, categories: Sequence[str], export: Export) -> int:
    """Returns how many specks were left out."""
    annotations = [entry for name in categories for entry in photo.annotations.get(name, ())]
    drawing = draw_annotations(annotations, placed.drawn_hw)
    for item, reason in drawing.refused:
        export.note(photo.file_name, item, "refused", reason)
    for item, drawn in drawing.drawn:
        for note in drawn.notes:
            export.note(photo.file_name, item, "repaired", note)
    rles = [drawn.rle for _, drawn in drawing.drawn]
    kinds = Counter(drawn.kind for _, drawn in drawing.drawn)
    boxes = [placed.box(rle_box(rle)) for rle in rles]
    label = None if not rles and (drawing.refused or photo.stray) else _label(rles, placed)
    export.images.append(ExportImage(photo.file_name, path, placed.size_hw, label, kinds, boxes))
    return len(drawing.specks)


def _label(rles: Sequence[Rle], placed: Placement) -> Rle:
    if not rles:
        return encode_rle(np.zeros(placed.size_hw, bool))
    united = unite(rles)
    return encode_rle(placed.mask(decode_rle(united))) if placed.moves else united


def _named(folder: Path, name: str) -> list[Path]:
    """The entry of the folder called so; if there is none, the one that is in another case."""
    if (folder / name).exists():
        return [folder / name]
    found = [entry for entry in folder.iterdir() if entry.name.casefold() == name.casefold()] if folder.is_dir() else []
    return found if len(found) == 1 else []


def _words(name: str) -> list[str]:
    """`NewCracks-2` -> new, crack, 2: in lower case, in singular, without "segment"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W_]+", parted.casefold())
    return [word.removesuffix("s") for word in words if word != "segment"]
