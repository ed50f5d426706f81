"""Label Studio JSON: a list of tasks, each with a photo and its annotations.

Format: https://labelstud.io/guide/task_format, https://labelstud.io/tags/brushlabels and
https://labelstud.io/tags/polygonlabels. Masks go out as brush regions (equal on return); polygons, in percent of the
photo's size, are read as well.
"""

import json
import re
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from core.errors import AnnotationError
from core.files import write_atomically
from core.masks.mask import Mask, Rle, decode_rle, rle_area
from data.exchange.brush_rle import decode_brush, encode_brush
from data.exchange.labels import (
    Incoming,
    NotUsed,
    OutgoingLabel,
    Shape,
    annotation_files,
    copy_photo,
    draw_polygon,
    stated_size,
    text_of_file,
    untrusted,
)
from data.exchange.photo_names import FileFinder

_GEOMETRY = ("rle", "points", "x", "imageDataURL", "vertices")


def write(folder: Path, labels: Sequence[OutgoingLabel]) -> None:
    """FOLDER/tasks.json, label_config.xml and images.

    The tasks name the photos by Label Studio's local storage: set LOCAL_FILES_DOCUMENT_ROOT to FOLDER. A task's data
    lists its classes, so that an empty mask is told from a class nobody looked for.
    """
    in_order = sorted(labels, key=lambda label: label.file_name)
    tasks = []
    for number, (file_name, of_photo) in enumerate(groupby(in_order, key=lambda label: label.file_name), 1):
        first, *others = of_photo
        regions = [_region(label.class_name, label.rle) for label in (first, *others) if rle_area(label.rle)]
        classes = [label.class_name for label in (first, *others)]
        image = f"/data/local-files/?d=images/{quote(file_name)}"
        data = {"image": image, "classes": classes, "split": first.split}
        tasks.append({"id": number, "data": data, "annotations": [{"result": regions}]})
        copy_photo(first, folder / "images")
    write_atomically(folder / "tasks.json", json.dumps(tasks).encode())
    write_atomically(folder / "label_config.xml", _label_config(sorted({label.class_name for label in labels})))


def read(path: Path) -> Incoming:
    """An exported JSON file or a folder of them. Of several annotations of a task the newest is taken.

    A task without shapes says nothing of any class, unless its data lists the classes that were looked for, as ours does.
    """
    incoming = Incoming()
    for file in annotation_files(path, ".json"):
        try:
            tasks = json.loads(text_of_file(file))
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
            continue
        except (OSError, ValueError, RecursionError) as error:
            incoming.not_used.append(NotUsed(file.name, f"it is not JSON ({error}); export it again as JSON"))
            continue
        tasks, photos = tasks if isinstance(tasks, list) else [tasks], FileFinder(file.parent)
        in_file = {name for task in tasks for region in _newest(task, []) for name in _names(region)}
        for number, task in enumerate(tasks, 1):
            identity = task.get("id", number) if isinstance(task, dict) else number
            item = f"{file.name}: task {identity if isinstance(identity, int) and abs(identity) < 10**18 else number}"
            try:
                with untrusted("it"):
                    _read_task(task, in_file, photos, incoming, item)
            except AnnotationError as error:
                incoming.not_used.append(NotUsed(item, str(error)))
    return incoming


def _read_task(task: Any, in_file: set[str], photos: FileFinder, incoming: Incoming, item: str) -> None:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise AnnotationError("it is not a Label Studio task: it has no data; export it again as JSON")
    older: list[NotUsed] = []
    regions = _newest(task, older, item)
    incoming.not_used.extend(older)
    if not any(_finished(task)):
        raise AnnotationError("nobody has annotated it yet; submit it in Label Studio first")
    told = task["data"].get("classes")
    ours = isinstance(told, list) and all(isinstance(name, str) for name in told)
    shapes: dict[str, list[Shape]] = {name: [] for name in (told if ours else sorted(in_file))}
    labelled = {region.get("id") for region in regions if _names(region)}
    sizes = set()
    for number, region in enumerate(regions, 1):
        if not _is_shape(region):
            continue
        names = _names(region) or ([""] if region.get("id") not in labelled else [])
        for name in names:
            shapes.setdefault(name, []).append(partial(_draw, region, f"region {region.get('id', number)}"))
        if names:
            sizes.add((region.get("original_height"), region.get("original_width")))
    stated = {stated_size(*size) for size in sizes}
    if len(stated) > 1 or None in stated:
        raise AnnotationError(f"its regions state the photo's size as {sorted(map(str, sizes))}; one size is needed")
    drawn = any(shapes.values())
    answers = sorted({str(region.get("type", "answer")) for region in regions if not _is_shape(region)})
    if answers and not drawn:
        incoming.not_used.append(NotUsed(item, f"its annotation holds no shape, only {', '.join(answers)}"))
    name = _file_name(task["data"])
    says_empty = shapes if ours and not (answers and not drawn) else ()
    incoming.add_photo(name, next(iter(stated), None), shapes, photos.beside(name), says_empty=says_empty)


def _finished(task: Any) -> list[dict[str, Any]]:
    """The annotations somebody submitted, oldest first."""
    found = task.get("annotations") if isinstance(task, dict) else None
    usable = [
        annotation
        for annotation in (found if isinstance(found, list) else [])
        if isinstance(annotation, dict) and isinstance(annotation.get("result"), list)
    ]
    kept = [annotation for annotation in usable if not annotation.get("was_cancelled")]
    return sorted(kept, key=lambda annotation: str(annotation.get("updated_at", "")))


def _newest(task: Any, older: list[NotUsed], item: str = "") -> list[dict[str, Any]]:
    """The regions of the newest annotation; the others are named in `older`."""
    *rest, newest = _finished(task) or [{"result": []}]
    older.extend(
        NotUsed(f"{item}, annotation {annotation.get('id', '')}", "a newer annotation of the task was taken")
        for annotation in rest
    )
    return [region for region in newest["result"] if isinstance(region, dict)]


def _is_shape(region: dict[str, Any]) -> bool:
    """Whether a region is drawn; a `choices` answer about one carries its geometry along."""
    value = region.get("value")
    if not isinstance(value, dict) or region.get("type") in ("choices", "textarea", "rating", "number", "datetime", "taxonomy"):
        return False
    return bool(_names(region)) or any(key in value for key in _GEOMETRY)


def _names(region: dict[str, Any]) -> list[str]:
    """The classes a region has, under `brushlabels`, `polygonlabels`, ...; none for choices, texts and bare shapes."""
    value = region.get("value")
    found = [names for key, names in value.items() if key.endswith("labels")] if isinstance(value, dict) else []
    return [name for names in found if isinstance(names, list) for name in names if isinstance(name, str) and name.strip()]


def _draw(region: dict[str, Any], what: str, size_hw: tuple[int, int]) -> Mask:
    value = region["value"]
    if region.get("image_rotation"):
        raise AnnotationError(f"{what} was drawn on the photo turned by {region['image_rotation']} degrees; turn it back")
    if value.get("format") == "rle":
        return decode_brush(value.get("rle"), size_hw)
    if "points" not in value:
        raise AnnotationError(f"{what} is neither a brush region nor a polygon; draw it as one of these")
    try:
        percent = np.array(value["points"], float).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"{what} has points that are not pairs of numbers; export it again") from error
    return draw_polygon(percent / 100 * size_hw[::-1], size_hw, what)


def _file_name(data: dict[str, Any]) -> str:
    """The photo's name from the task's data: a path, an address, or local storage's `?d=`."""
    texts = [value for value in data.values() if isinstance(value, str)]
    address = data.get("image", texts[0] if texts else None)
    if not isinstance(address, str):
        raise AnnotationError("its data names no image; put the photo's name under the key image")
    parts = urlsplit(re.sub(r"#", "%23", address))
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    return path.replace("\\", "/").rpartition("/")[2]


def _region(class_name: str, rle: Rle) -> dict[str, Any]:
    height, width = rle["size"]
    value = {"format": "rle", "rle": encode_brush(decode_rle(rle)), "brushlabels": [class_name]}
    return {
        "id": f"mask-{class_name}",
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "image_rotation": 0,
        "original_width": width,
        "original_height": height,
        "value": value,
    }


def _label_config(classes: list[str]) -> bytes:
    """Label Studio's labelling interface: brush and polygon over the photo."""
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image", zoom="true", zoomControl="true")
    for tag, name in (("BrushLabels", "brush"), ("PolygonLabels", "polygon")):
        control = SubElement(view, tag, name=name, toName="image")
        for class_name in classes:
            SubElement(control, "Label", value=class_name)
    indent(view)
    return tostring(view, encoding="utf-8")
