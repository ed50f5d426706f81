"""YOLO segmentation: one text file a photo, one polygon a line, coordinates as shares of width and height.

Format: https://docs.ultralytics.com/datasets/segment/. A line holds one ring, so a hole is cut open (`core.masks.outlines`).
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import yaml

from core.errors import AnnotationError
from core.files import write_atomically
from core.masks.mask import Mask, decode_rle
from core.masks.outlines import outlines
from data.exchange.labels import (
    PHOTO_SUFFIXES,
    Incoming,
    NotUsed,
    OutgoingLabel,
    Shape,
    annotation_files,
    copy_photo,
    draw_polygon,
)

_CLASSES, _SETTINGS = "classes.txt", "data.yaml"


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
    """A folder with classes.txt or data.yaml; every other text file below it is a photo's labels.

    Raises AnnotationError when the class names are missing.
    """
    folder = path if path.is_dir() else path.parent
    classes = _class_names(folder)
    incoming = Incoming()
    for file in annotation_files(path, ".txt"):
        if file.name == _CLASSES:
            continue
        try:
            lines = file.read_bytes().decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            incoming.not_used.append(NotUsed(file.name, f"it cannot be read as text ({error}); export it again"))
            continue
        shapes: dict[str, list[Shape]] = {name: [] for name in classes}
        for number, line in enumerate(lines, 1):
            index, *rest = line.split() or [""]
            if not index:
                continue
            if not index.isdecimal() or int(index) >= len(classes):
                reason = f"line {number} has class {index[:20]!r}, there are 0 to {len(classes) - 1}; correct it"
                incoming.not_used.append(NotUsed(file.name, reason))
                break
            shapes[classes[int(index)]].append(partial(_draw, rest, f"line {number}"))
        else:
            incoming.add_photo(file.stem, None, shapes, _photo_of(file))
    return incoming


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


def _class_names(folder: Path) -> list[str]:
    """From classes.txt or data.yaml, here or one folder up."""
    for place in (folder, folder.parent):
        try:
            if (place / _CLASSES).is_file():
                return [name for line in (place / _CLASSES).read_text("utf-8-sig").splitlines() if (name := line.strip())]
            if (place / _SETTINGS).is_file():
                names = (yaml.safe_load((place / _SETTINGS).read_text("utf-8-sig")) or {})["names"]
                return [str(names[key]) for key in sorted(names)] if isinstance(names, dict) else list(map(str, names))
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            raise AnnotationError(f"the class names in {place} cannot be read ({error}); write {_CLASSES}") from error
    raise AnnotationError(f"{folder} holds neither {_CLASSES} nor {_SETTINGS}; put the class names there, one a line")


def _photo_of(file: Path) -> Path | None:
    """images/... in place of labels/..., as YOLO looks for it."""
    parts = ["images" if part == "labels" else part for part in file.parts]
    candidates = (Path(*parts).with_name(file.stem + suffix) for suffix in PHOTO_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
