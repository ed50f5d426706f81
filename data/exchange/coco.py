"""COCO out and in: one reader for new photos (`drywall-qa prepare`) and for labels over those that are here.

Format: https://cocodataset.org/#format-data. Reading never trusts the file: what cannot be used is named with its reason and
stops nothing else. A category without a shape in any file (Roboflow's root category) declares nothing; our own files say
that each of their photos was looked at, so in them an empty category does.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from core.errors import AnnotationError
from core.files import write_atomically
from core.masks.mask import Mask, Rle, decode_rle, rle_area
from core.masks.outlines import outlines
from core.photos import exif_orientation
from data.exchange.coco_shapes import draw_annotations, unite
from data.exchange.labels import (
    Incoming,
    Note,
    NotUsed,
    OutgoingLabel,
    Shape,
    annotation_files,
    copy_photo,
    plain_text,
    stated_size,
    text_of_file,
)
from data.exchange.photo_names import FileFinder
from data.exchange.placement import Exif, place

ANNOTATION_FILE = "_annotations.coco.json"
_FOLDERS = {"train": "train", "val": "valid", "test": "test"}
_LOOKED_AT = "all_photos_looked_at"


@dataclass(frozen=True)
class CocoPhoto:
    """One entry of the list of images. stated_hw: the size its annotations are drawn at, None where the file has none.

    annotations: by category, each with an id. stray: those of it that are of no known category.
    """

    key: int | str
    file_name: str
    stated_hw: tuple[int, int] | None
    annotations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CocoFile:
    """looked_at: the file says that its photos without annotations show nothing.

    refused and notes: (the photo's file name or "", item, reason).
    """

    categories: list[str]
    looked_at: bool
    photos: list[CocoPhoto] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[tuple[str, str, str]] = field(default_factory=list)

    def shapes(self) -> Counter[str]:
        """The number of annotations by category, for those that have some."""
        return Counter(name for photo in self.photos for name, found in photo.annotations.items() for _ in found)


def read_coco(path: Path) -> CocoFile:
    """Raises AnnotationError when the file as a whole cannot be used."""
    document = _document(path)
    names = {
        key: plain_text(entry.get("name") or f"category {_shown(key)}")
        for entry in document["categories"]
        if isinstance(entry, dict) and (key := _key(entry.get("id"))) is not None
    }
    found = CocoFile(list(dict.fromkeys(names.values())), document["looked_at"])
    photos: dict[int | str | None, CocoPhoto] = {}
    for number, entry in enumerate(document["images"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or "id" not in entry:
            found.refused.append(("", f"image entry {number}", "it lacks an id or a file_name"))
        elif (key := _key(entry["id"])) is None:
            found.refused.append((entry["file_name"], f"image entry {number}", f"its id {_shown(entry['id'])} is no number"))
        elif key in photos:
            found.refused.append((entry["file_name"], f"image {_shown(key)}", "its id was used by an earlier image"))
        else:
            photos[key] = CocoPhoto(key, entry["file_name"], stated_size(entry.get("height"), entry.get("width")))
    found.photos.extend(photos.values())
    seen: dict[int | str, dict[str, Any]] = {}
    for number, entry in enumerate(document["annotations"]):
        identity = _key(entry.get("id", number)) if isinstance(entry, dict) else None
        if identity is None:
            found.refused.append(("", f"annotation entry {number}", "it is not an object with an id"))
            continue
        item, photo = f"annotation {_shown(identity)}", photos.get(_key(entry.get("image_id")))
        category = _category(entry, names)
        if photo is None:
            found.refused.append(("", item, f"its image_id {_shown(entry.get('image_id'))} names no usable image"))
        elif seen.get(identity) == entry:
            found.refused.append((photo.file_name, item, "its id was used by an earlier annotation, which it repeats"))
        elif category is None:
            reason = f"its category {_shown(entry.get('category_id'))} is not in the file's list"
            found.refused.append((photo.file_name, item, reason))
            photo.stray.append(item)
        else:
            if identity in seen:
                found.notes.append((photo.file_name, item, "its id was used by an earlier annotation; both were kept"))
            photo.annotations.setdefault(category, []).append({**entry, "id": identity})
        seen.setdefault(identity, entry)
    return found


def read(path: Path, exif: Exif | None = None) -> Incoming:
    """A COCO file or a folder of them. The categories are the classes; where a file declares one that has shapes in some
    file, a photo without its annotations shows none. exif: see `data.exchange.placement.place`."""
    incoming, files = Incoming(), []
    for file in annotation_files(path, ".json"):
        try:
            files.append((file, read_coco(file)))
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
    with_shapes = {name for _, found in files for name in found.shapes()}
    for file, found in files:
        incoming.not_used.extend(
            NotUsed(f"{file.name}: {', '.join(filter(None, (item, name)))}", reason) for name, item, reason in found.refused
        )
        incoming.notes.extend(Note(name, f"{item}: {reason}") for name, item, reason in found.notes)
        declared = [name for name in found.categories if found.looked_at or name in with_shapes]
        finders = [FileFinder(folder) for folder in dict.fromkeys((file.parent, path if path.is_dir() else file.parent))]
        for photo in found.photos:
            file_beside = next(filter(None, (finder.beside(photo.file_name) for finder in finders)), None)
            if not photo.stray:  # a stray annotation might be of any class, so none is empty there
                photo.annotations.update({name: [] for name in declared if name not in photo.annotations})
            shapes: dict[str, list[Shape]] = {
                name: [partial(_draw, photo, name, file_beside, exif, incoming)] if annotations else []
                for name, annotations in photo.annotations.items()
            }
            incoming.add_photo(photo.file_name, None, shapes, file_beside)
    return incoming


def _draw(
    photo: CocoPhoto, category: str, file: Path | None, exif: Exif | None, incoming: Incoming, size_hw: tuple[int, int]
) -> Mask:
    """The whole label of a category: in place of one that is here, a part of it would be wrong. What is told joins `incoming`."""
    placed = place(photo.stated_hw, size_hw, exif_orientation(file) if file else 1, exif)
    drawing = draw_annotations(photo.annotations[category], placed.drawn_hw)
    for name, reason in drawing.refused:
        raise AnnotationError(f"{name}: {reason}")
    for name, drawn in drawing.drawn:
        if drawn.kind == "box":
            raise AnnotationError(f"{name} is a box without a segmentation; export segmentations")
        if drawn.kind == "empty":
            raise AnnotationError(f"{name}: {drawn.notes[0].partition(';')[0]}")
    label = f"{photo.file_name} ({category})"
    told = [f"{name}: {note}" for name, drawn in drawing.drawn for note in drawn.notes]
    if drawing.specks:
        told.append(f"{len(drawing.specks)} annotations smaller than a pixel were left out")
    incoming.notes.extend(Note(label, note) for note in (placed.note, *told) if note)
    return placed.mask(decode_rle(unite([drawn.rle for _, drawn in drawing.drawn])))


def write(folder: Path, labels: Sequence[OutgoingLabel], *, polygons: bool = False) -> None:
    """FOLDER/CLASS/{train,valid,test}/_annotations.coco.json beside its photos: what `drywall-qa prepare` reads."""
    parts: dict[Path, list[tuple[str, Rle]]] = defaultdict(list)
    for label in labels:
        target = folder / label.class_name / _FOLDERS[label.split]
        copy_photo(label, target)
        parts[target].append((label.file_name, label.rle))
    for target, items in parts.items():
        write_coco(target, items, target.parent.name, polygons=polygons)


def write_coco(folder: Path, items: Iterable[tuple[str, Rle]], category: str, *, polygons: bool = False) -> None:
    """Write `_annotations.coco.json` for masks as compressed RLE or polygons; reading it gives equal masks back.

    items: (file_name, mask). An empty mask becomes an image without annotations.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (file_name, rle) in enumerate(items):
        images.append({"id": number, "file_name": file_name, "height": rle["size"][0], "width": rle["size"][1]})
        if rle_area(rle):
            encoded = {"size": rle["size"], "counts": rle["counts"].encode("ascii")}
            segmentation = [ring.ravel().tolist() for ring in outlines(decode_rle(rle))] if polygons else dict(rle)
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "segmentation": segmentation,
                    "area": rle_area(rle),
                    "bbox": [float(value) for value in coco_mask.toBbox(encoded)],
                }
            )
    document = {
        "info": {"description": "Drywall QA", _LOOKED_AT: True},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": category}],
    }
    write_atomically(folder / ANNOTATION_FILE, json.dumps(document).encode())


def _document(path: Path) -> dict[str, Any]:
    """The lists of images, annotations and categories, and whether the file says that all photos were looked at."""
    try:
        document = json.loads(text_of_file(path))
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read ({error.strerror}); export it again") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path} is not JSON ({error}); export it again as COCO") from error
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise AnnotationError(f"{path} is JSON but not COCO: it has no list of images; export it as COCO segmentation")
    lists = {key: document.get(key, []) for key in ("images", "annotations", "categories")}
    for key, value in lists.items():
        if not isinstance(value, list):
            raise AnnotationError(f"{path} is not COCO: {key} must be a list, got {type(value).__name__}")
    info = document.get("info")
    return {**lists, "looked_at": isinstance(info, dict) and info.get(_LOOKED_AT) is True}


def _key(value: Any) -> int | str | None:
    """An id however it is written (7, 7.0, "7"); None for what is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _category(annotation: dict[str, Any], names: dict[int | str, str]) -> str | None:
    """Its name; in a file that lists no categories, one made from its id."""
    key = _key(annotation.get("category_id"))
    if names:
        return None if key is None else names.get(key)
    return "" if key is None else f"category {_shown(key)}"


def _shown(value: Any) -> str:
    """As Python writes it, but not without end."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more digits than are written
        return "of too many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
