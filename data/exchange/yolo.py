"""YOLO segmentation: one text file a photo, one polygon a line, coordinates as shares of width and height.

Format: https://docs.ultralytics.com/datasets/segment/. A line holds one ring, so a hole is cut open (`core.masks.outlines`).
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from core.errors import AnnotationError
from core.files import write_atomically
from core.masks.mask import Mask, decode_rle
from core.masks.outlines import outlines
from core.photos import PHOTO_SUFFIXES
from data.exchange.labels import (
    Incoming,
    NotUsed,
    OutgoingLabel,
    Shape,
    annotation_files,
    copy_photo,
    draw_polygon,
    plain_text,
    text_of_file,
    untrusted,
)

_CLASSES, _SETTINGS, _DEEPEST = "classes.txt", "data.yaml", 20
_NAME_FILES = (_CLASSES, _SETTINGS, "data.yml", "dataset.yaml", "dataset.yml", "obj.names", "_darknet.labels")


def write(folder: Path, labels: Sequence[OutgoingLabel]) -> None:
    """FOLDER/{images,labels}/SPLIT, classes.txt and data.yaml. A photo without defects gets an empty file."""
    classes = sorted({label.class_name for label in labels})
    in_order = sorted(labels, key=lambda label: label.file_name)
    for file_name, of_photo in groupby(in_order, key=lambda label: label.file_name):
        first, *others = of_photo
        lines = [
            line for label in (first, *others) for line in yolo_lines(decode_rle(label.rle), classes.index(label.class_name))
        ]
        content = "".join(line + "\n" for line in lines).encode()
        write_atomically(folder / "labels" / first.split / f"{Path(file_name).stem}.txt", content)
        copy_photo(first, folder / "images" / first.split)
    splits = {split: f"images/{split}" for split in ("train", "val", "test")}
    settings = yaml.safe_dump({**splits, "names": dict(enumerate(classes))}, sort_keys=False)
    write_atomically(folder / _SETTINGS, settings.encode())
    write_atomically(folder / _CLASSES, "".join(name + "\n" for name in classes).encode())


def yolo_lines(mask: Mask, class_index: int) -> list[str]:
    """mask: (H, W) bool. One line a component: `class x1 y1 x2 y2 ...`, each in [0, 1]."""
    height, width = mask.shape
    shares = [(ring / (width, height)).ravel() for ring in outlines(mask)]
    return [f"{class_index} " + " ".join(f"{value:.7g}" for value in ring) for ring in shares]


def read(path: Path) -> Incoming:
    """A folder of label files, one a photo, and of their class names: classes.txt, obj.names or data.yaml, the nearest above.

    An empty file says, in YOLO, that nothing is there. Raises AnnotationError when the class names are missing.
    """
    names, incoming = _names_by_folder(path), Incoming()
    for file in annotation_files(path, ".txt"):
        if file.name.lower() in _NAME_FILES or file.stem.lower().startswith("readme"):
            continue
        try:
            lines = text_of_file(file).decode("utf-8-sig").splitlines()
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
            continue
        except (OSError, UnicodeDecodeError) as error:
            incoming.not_used.append(NotUsed(file.name, f"it cannot be read as text ({error}); export it again"))
            continue
        if _lists_photos(lines):
            continue
        try:
            with untrusted("it"):
                classes = _names_for(file, names)
                shapes: dict[str, list[Shape]] = {name: [] for name in classes.values()}
                for number, line in enumerate(lines, 1):
                    index, *rest = line.split() or [""]
                    if index:
                        shapes[_class_of(index, classes, number)].append(partial(_draw, rest, f"line {number}"))
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
            continue
        photo = _photo_of(file)
        incoming.add_photo(file.stem if photo is None else photo.name, None, shapes, photo)
    return incoming


def _class_of(index: str, classes: dict[int, str], line: int) -> str:
    """The class of an index written as `3` or, by tools that save arrays, `3.0`."""
    try:
        whole = index.isdecimal() and len(index) <= 18
        return classes[int(index) if whole else {float(key): key for key in classes}[float(index)]]
    except (ValueError, KeyError) as error:
        known = ", ".join(map(str, sorted(classes)))
        raise AnnotationError(f"line {line} has class {index[:20]!r}, there are {known}; correct it") from error


def _lists_photos(lines: list[str]) -> bool:
    """Whether a file is no photo's labels but a list of photos, as train.txt and val.txt are."""
    written = [line.strip() for line in lines if line.strip()]
    return bool(written) and all(line.lower().endswith(PHOTO_SUFFIXES) for line in written)


def _draw(values: list[str], what: str, size_hw: tuple[int, int]) -> Mask:
    try:
        shares = np.array(values, float)
    except ValueError as error:
        raise AnnotationError(f"{what} holds a value that is not a number; correct it") from error
    if len(shares) == 4:
        raise AnnotationError(f"{what} is a box; export segmentations")
    if len(shares) % 2:
        raise AnnotationError(f"{what} has {len(shares)} coordinates, an odd number; export it again")
    if len(shares) and not (np.abs(shares - 0.5) <= 0.51).all():
        raise AnnotationError(f"{what} has a coordinate outside 0 to 1; YOLO wants shares of the photo's size")
    return draw_polygon(shares.reshape(-1, 2) * size_hw[::-1], size_hw, what)


def _names_by_folder(path: Path) -> dict[Path, dict[int, str]]:
    """The class names by index that lie in `path` (beside it, if it is a file), by their folder."""
    found: dict[Path, dict[int, str]] = {}
    for file in sorted(path.rglob("*") if path.is_dir() else path.parent.iterdir()):
        if file.name.lower() not in _NAME_FILES or not file.is_file():
            continue
        try:
            text = text_of_file(file).decode("utf-8-sig")
            names = _names_in_yaml(text) if file.suffix.lower() in (".yaml", ".yml") else text.splitlines()
            named = _by_index(names)
        except (OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError, yaml.YAMLError) as error:
            raise AnnotationError(f"the class names in {file} cannot be read ({error}); write {_CLASSES}") from error
        if named and found.setdefault(file.parent, named) != named:
            raise AnnotationError(f"{file.parent} holds two lists of class names that differ; remove the one that is wrong")
    if not found:
        raise AnnotationError(f"{path} holds neither {_CLASSES} nor {_SETTINGS}; put the class names there, one a line")
    return found


def _names_in_yaml(text: str) -> Any:
    """Raises ValueError for what no list of class names needs and what makes small files endless: references, deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
            raise ValueError("it has references or is nested too deep")
    return (yaml.safe_load(text) or {}).get("names") or []


def _by_index(names: Any) -> dict[int, str]:
    """A list counts from 0, a blank line included; a mapping says its indexes, as numbers or as text."""
    pairs = names.items() if isinstance(names, dict) else enumerate(names if isinstance(names, list) else [names])
    return {int(index): name for index, value in pairs if value is not None and (name := plain_text(value).strip())}


def _names_for(file: Path, names: dict[Path, dict[int, str]]) -> dict[int, str]:
    """Those of the nearest folder above a label file; of another one, if it is the only one."""
    nearest = next((names[folder] for folder in file.parents if folder in names), None)
    if nearest is None and len(names) > 1:
        raise AnnotationError(f"no folder above it holds {_CLASSES} or {_SETTINGS}; put the class names there")
    return nearest or next(iter(names.values()))


def _photo_of(file: Path) -> Path | None:
    """images/... in place of labels/..., as YOLO looks for it; None also where two photos have the name."""
    parts = list(file.parts)
    if "labels" in parts:
        parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
    for suffixes in (PHOTO_SUFFIXES, [suffix.upper() for suffix in PHOTO_SUFFIXES]):
        candidates = (Path(*parts).with_name(file.stem + suffix) for suffix in suffixes)
        if found := [path for path in candidates if path.is_file()]:
            return found[0] if len(found) == 1 else None
    return None
