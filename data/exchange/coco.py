"""COCO out and back in over existing labels; `data.intake.coco` reads the shapes and imports new photos."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import AnnotationError
from core.masks.mask import Mask, Rle
from data.exchange.labels import Incoming, NotUsed, OutgoingLabel, Shape, annotation_files, copy_photo, photo_beside
from data.intake.coco import Unusable, draw_annotation, read_document, write_coco

_FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def write(folder: Path, labels: Sequence[OutgoingLabel], *, polygons: bool = False) -> None:
    """FOLDER/CLASS/{train,valid,test}/_annotations.coco.json beside its photos: what `drywall-qa prepare` reads."""
    parts: dict[Path, list[tuple[str, Rle]]] = defaultdict(list)
    for label in labels:
        target = folder / label.class_name / _FOLDERS[label.split]
        copy_photo(label, target)
        parts[target].append((label.file_name, label.rle))
    for target, items in parts.items():
        write_coco(target, items, target.parent.name, polygons=polygons)


def read(path: Path) -> Incoming:
    """A COCO file or a folder of them. The categories are the classes; a photo without a category's annotation has none."""
    incoming = Incoming()
    for file in annotation_files(path, ".json"):
        try:
            _read_file(file, incoming)
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
    return incoming


def _read_file(file: Path, incoming: Incoming) -> None:
    document = read_document(file)
    classes = {entry["id"]: entry["name"] for entry in document["categories"] if _has(entry, id=int | str, name=str)}
    images, shapes = {}, {}
    for number, entry in enumerate(document["images"]):
        if not _has(entry, id=int | str, file_name=str) or entry["id"] in images:
            incoming.not_used.append(NotUsed(f"{file.name}: image entry {number}", "it lacks an id of its own or a file_name"))
            continue
        images[entry["id"]] = entry
        shapes[entry["id"]] = {name: list[Shape]() for name in classes.values()}
    for number, entry in enumerate(document["annotations"]):
        usable = _has(entry, image_id=int | str, category_id=int | str)
        if not usable or entry["image_id"] not in images or entry["category_id"] not in classes:
            reason = "its image_id or category_id names nothing in the file"
            incoming.not_used.append(NotUsed(f"{file.name}: annotation entry {number}", reason))
            continue
        shapes[entry["image_id"]][classes[entry["category_id"]]].append(
            partial(_draw, entry, f"annotation {entry.get('id', number)}")
        )
    for key, entry in images.items():
        stated = (entry.get("height"), entry.get("width"))
        size_hw = stated if all(isinstance(side, int) for side in stated) else None
        name = entry["file_name"]
        incoming.add_photo(name, size_hw, shapes[key], photo_beside(file.parent, name))


def _draw(annotation: dict[str, Any], what: str, size_hw: tuple[int, int]) -> Mask:
    try:
        mask, kind, repaired = draw_annotation(annotation, size_hw)
    except Unusable as error:
        raise AnnotationError(f"{what}: {error}") from error
    if kind == "box":
        raise AnnotationError(f"{what} is a box without a segmentation; export segmentations")
    if kind == "empty":
        raise AnnotationError(f"{what}: {repaired.partition(';')[0]}")
    return mask


def _has(entry: Any, **types: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in types.items())
