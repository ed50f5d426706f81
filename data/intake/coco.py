"""COCO in and out: every annotation becomes part of one mask a photo, or a line in the list of problems.

Format: https://cocodataset.org/#format-data. Reading never trusts the file: what cannot be used is repaired (its box is
drawn instead) or refused, and named with the reason; one broken item stops nothing else.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from core.errors import AnnotationError, PhotoError
from core.files import write_atomically
from core.masks.mask import Mask, Rle, decode_rle, encode_rle, fill_box, rle_area, rle_box
from core.masks.outlines import outlines
from core.photos import Photo, read_photo
from data.store.records import Problem

ANNOTATION_FILE = "_annotations.coco.json"
_SIDEWAYS = {  # EXIF orientations that swap height and width
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ExportImage:
    """One photo. kinds counts annotations: "polygon", "rle", "box" (boxes only), "empty" (unusable, drawn as its box).

    boxes: of every annotation that was drawn, [x, y, width, height] in pixels of the upright photo.
    """

    file_name: str
    path: Path
    rle: Rle
    kinds: Counter[str]
    boxes: list[list[float]]


@dataclass(frozen=True)
class Export:
    """One `_annotations.coco.json` and what became of it."""

    class_name: str
    split: str
    images: list[ExportImage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Unusable(Exception):
    """An annotation cannot be used as it stands; the message says why."""


def read_export(folder: Path, class_name: str, split: str) -> Export:
    """Read one folder with its annotation file. Raises AnnotationError when the file as a whole cannot be used."""
    export = Export(class_name, split)

    def note(file_name: str, item: str, action: str, reason: str) -> None:
        export.problems.append(Problem(class_name, split, file_name, item, action, reason))

    document = read_document(folder / ANNOTATION_FILE)
    categories = {entry.get("id") for entry in document["categories"] if isinstance(entry, dict)}
    images: dict[Any, dict] = {}
    for number, entry in enumerate(document["images"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or "id" not in entry:
            note("", f"image entry {number}", "refused", "it lacks an id or a file_name")
        elif not isinstance(entry["id"], int | str):
            note(entry["file_name"], f"image entry {number}", "refused", f"its id {entry['id']!r} is no number")
        elif entry["id"] in images:
            note(entry["file_name"], f"image {entry['id']}", "refused", "its id was used by an earlier image")
        else:
            images[entry["id"]] = entry
    by_image: dict[Any, list[dict]] = {key: [] for key in images}
    seen: set[Any] = set()
    for number, entry in enumerate(document["annotations"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("id", number), int | str):
            note("", f"annotation entry {number}", "refused", "it is not an object with an id")
            continue
        identity = entry.get("id", number)
        image_id = entry.get("image_id")
        file_name = images[image_id]["file_name"] if isinstance(image_id, int | str) and image_id in images else ""
        if identity in seen:
            note(file_name, f"annotation {identity}", "refused", "its id was used by an earlier annotation")
        elif not file_name:
            note("", f"annotation {identity}", "refused", f"its image_id {image_id!r} names no usable image")
        elif categories and entry.get("category_id") not in categories:
            reason = f"its category {entry.get('category_id')!r} is not in the file's list"
            note(file_name, f"annotation {identity}", "refused", reason)
        else:
            by_image[image_id].append({**entry, "id": identity})
        seen.add(identity)
    for key, entry in images.items():
        try:
            path = _inside(folder, entry["file_name"])
            photo = read_photo(path, entry["file_name"])
        except (PhotoError, AnnotationError) as error:
            note(entry["file_name"], f"image {key}", "refused", str(error))
            continue
        mask, kinds, boxes = np.zeros(photo.shape[:2], bool), Counter[str](), []
        size_hw = _declared_size(entry, photo)
        turn = _exif_turn(path) if size_hw == photo.shape[1::-1] else None
        if turn is not None:
            note(entry["file_name"], f"image {key}", "repaired", "labels were drawn on the sideways photo; turned with it")
        elif size_hw != photo.shape[:2]:
            reason = f"the file says {size_hw[1]}x{size_hw[0]}, the upright photo is {photo.shape[1]}x{photo.shape[0]}"
            note(entry["file_name"], f"image {key}", "repaired", f"{reason}; labels were scaled to the photo")
        for annotation in by_image[key]:
            try:
                drawn, kind, repair = draw_annotation(annotation, size_hw)
            except Unusable as error:
                note(entry["file_name"], f"annotation {annotation['id']}", "refused", str(error))
                continue
            kinds[kind] += 1
            if repair:
                note(entry["file_name"], f"annotation {annotation['id']}", "repaired", repair)
            placed = _to_photo(drawn, photo.shape[:2], turn)
            boxes.append(rle_box(encode_rle(placed)))
            mask |= placed
        export.images.append(ExportImage(entry["file_name"], path, encode_rle(mask), kinds, boxes))
    return export


def write_coco(folder: Path, items: Iterable[tuple[str, Rle]], category: str, *, polygons: bool = False) -> None:
    """Write `_annotations.coco.json` for masks as compressed RLE or polygons; `read_export` gives equal masks back.

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
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": category}]}
    write_atomically(folder / ANNOTATION_FILE, json.dumps(document).encode())


def read_document(path: Path) -> dict[str, list]:
    """A COCO file's images, annotations and categories, each a list. Raises AnnotationError for any other file."""
    try:
        document = json.loads(path.read_bytes())
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
    return lists


def _inside(folder: Path, file_name: str) -> Path:
    parts = (*PurePosixPath(file_name).parts, *PureWindowsPath(file_name).parts)
    absolute = PurePosixPath(file_name).is_absolute() or PureWindowsPath(file_name).is_absolute()
    if absolute or ".." in parts or "\0" in file_name:
        raise AnnotationError(f"its file_name {file_name!r} leads out of the export; only names inside the folder are read")
    path = folder / file_name
    if not path.is_file():
        raise AnnotationError("its file is missing; put it beside the annotations or export again")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AnnotationError(f"its file_name {file_name!r} is a link out of the export; only files inside are read")
    return path


def _declared_size(entry: dict, photo: Photo) -> tuple[int, int]:
    """The size the annotations are drawn at: the file's word, or the upright photo's where it says nothing usable."""
    size = (entry.get("height"), entry.get("width"))
    if all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 100_000 for side in size):
        return size  # type: ignore[return-value]
    return photo.shape[:2]


def draw_annotation(annotation: dict, size_hw: tuple[int, int]) -> tuple[Mask, str, str]:
    """(mask, kind, what was repaired or ""). Raises Unusable when neither segmentation nor box can be drawn."""
    segmentation = annotation.get("segmentation")
    if segmentation is None or segmentation == []:
        mask, clipped = _draw_box(annotation, size_hw)
        return mask, "box", clipped
    try:
        if isinstance(segmentation, dict):
            return _draw_rle(segmentation, size_hw), "rle", ""
        return _draw_polygons(segmentation, size_hw), "polygon", ""
    except Unusable as error:
        return _draw_box(annotation, size_hw)[0], "empty", f"{error}; drawn as its box instead"


def _draw_polygons(polygons: Any, size_hw: tuple[int, int]) -> Mask:
    if not isinstance(polygons, list):
        raise Unusable(f"segmentation is a {type(polygons).__name__}, not a list of polygons")
    rings = []
    for ring in polygons if polygons and isinstance(polygons[0], list) else [polygons]:
        if not isinstance(ring, list) or not all(_is_number(value) for value in ring):
            raise Unusable("polygon holds a value that is not a finite number")
        if len(ring) % 2:
            raise Unusable(f"polygon has {len(ring)} coordinates, an odd number")
        if len(ring) < 6:
            raise Unusable(f"polygon has {len(ring) // 2} points, needs 3")
        rings.append([float(np.clip(value, -1e5, 1e5)) for value in ring])
    mask = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *size_hw))).astype(bool)
    if not mask.any():
        raise Unusable("polygon covers no pixel of the photo")
    return mask


def _draw_rle(rle: dict, size_hw: tuple[int, int]) -> Mask:
    """Both forms of COCO RLE, decoded here to run lengths first: malformed counts must not reach C code."""
    if rle.get("size") != list(size_hw):
        raise Unusable(f"RLE has size {rle.get('size')}, the image is {list(size_hw)}")
    counts = rle.get("counts")
    runs = _decompress(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise Unusable("RLE counts are malformed")
    if sum(runs) != size_hw[0] * size_hw[1]:
        raise Unusable(f"RLE counts add up to {sum(runs)} pixels, the image has {size_hw[0] * size_hw[1]}")
    values = np.arange(len(runs)) % 2 == 1
    mask = np.repeat(values, runs).reshape(size_hw, order="F")
    if not mask.any():
        raise Unusable("RLE covers no pixel")
    return mask


def _decompress(text: str) -> list[int]:
    """COCO's compressed counts: 5 bits a character, a sixth says more follow, deltas from the fourth run."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            raise Unusable("RLE counts are malformed")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return runs


def _draw_box(annotation: dict, size_hw: tuple[int, int]) -> tuple[Mask, str]:
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        raise Unusable(f"it has neither a usable segmentation nor a usable box (bbox is {box!r})")
    mask = fill_box(box, size_hw)
    if not mask.any():
        raise Unusable(f"its box {box} covers no pixel of the photo")
    x, y, width, height = box
    outside = x < -0.5 or y < -0.5 or x + width > size_hw[1] + 0.5 or y + height > size_hw[0] + 0.5
    return mask, f"its box {box} leaves the photo; clipped" if outside else ""


def _exif_turn(path: Path) -> Image.Transpose | None:
    """How the viewer turns a photo that is stored sideways; None for the others."""
    with Image.open(path) as image:
        return _SIDEWAYS.get(image.getexif().get(0x0112, 1))


def _to_photo(mask: Mask, size_hw: tuple[int, int], turn: Image.Transpose | None) -> Mask:
    """From the size and position the labels were drawn at to the upright photo's."""
    if turn is not None:
        return np.array(Image.fromarray(mask.astype(np.uint8)).transpose(turn)) > 0
    if mask.shape == size_hw:
        return mask
    rows = (np.arange(size_hw[0]) + 0.5) * mask.shape[0] / size_hw[0]
    columns = (np.arange(size_hw[1]) + 0.5) * mask.shape[1] / size_hw[1]
    return mask[rows.astype(int)[:, None], columns.astype(int)[None, :]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
