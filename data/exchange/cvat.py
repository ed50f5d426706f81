"""CVAT for images 1.1: one annotations.xml for all photos.

Format: https://docs.cvat.ai/docs/other/xml_format. A mask goes out as a `mask` element: run lengths of its bounding box,
row by row, unset first; polygons are read as well. CVAT has no word for "looked at, nothing there": our export says it with an
`empty` element, which CVAT passes over and forgets. XML from outside is parsed by defusedxml: no entities, no DTD.
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from core.errors import AnnotationError
from core.files import write_atomically
from core.masks.mask import Mask, decode_rle
from data.exchange.labels import (
    MOST_TEXT_BYTES,
    Incoming,
    NotUsed,
    OutgoingLabel,
    Shape,
    annotation_files,
    copy_photo,
    draw_polygon,
    plain_text,
    stated_size,
    untrusted,
)
from data.exchange.photo_names import FileFinder


def write(folder: Path, labels: Sequence[OutgoingLabel]) -> None:
    """FOLDER/annotations.xml and FOLDER/images: make a CVAT task of the images, then upload the file to it."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "name").text = "Drywall QA"
    SubElement(task, "mode").text = "annotation"
    declared = SubElement(task, "labels")
    for name in sorted({label.class_name for label in labels}):
        SubElement(SubElement(declared, "label"), "name").text = name
    in_order = sorted(labels, key=lambda label: label.file_name)
    for number, (file_name, of_photo) in enumerate(groupby(in_order, key=lambda label: label.file_name)):
        first, *others = of_photo
        height, width = first.rle["size"]
        image = SubElement(
            root, "image", id=str(number), name=file_name, subset=first.split, width=str(width), height=str(height)
        )
        for label in (first, *others):
            mask = decode_rle(label.rle)
            if mask.any():
                SubElement(
                    image,
                    "mask",
                    {"label": label.class_name, "source": "manual", "occluded": "0", **_encode(mask), "z_order": "0"},
                )
            else:
                SubElement(image, "empty", label=label.class_name)
        copy_photo(first, folder / "images")
    indent(root)
    write_atomically(folder / "annotations.xml", tostring(root, encoding="utf-8", xml_declaration=True))


def read(path: Path) -> Incoming:
    """An annotations.xml or a folder with XML files. Of a label the file declares and an image lacks, it says nothing."""
    incoming = Incoming()
    for file in annotation_files(path, ".xml"):
        try:
            _read_file(file, incoming)
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
    return incoming


def _read_file(file: Path, incoming: Incoming) -> None:
    if file.stat().st_size > MOST_TEXT_BYTES:
        raise AnnotationError(f"it has more than {MOST_TEXT_BYTES / 1e6:.0f} MB; export it in parts")
    try:
        root = parse(file, forbid_dtd=True).getroot()
    except (ParseError, DefusedXmlException, OSError, ValueError, LookupError, RecursionError) as error:
        raise AnnotationError(f"it cannot be read as XML ({error}); export it again as CVAT for images 1.1") from error
    if root.tag != "annotations" or root.find("track") is not None:
        raise AnnotationError("it is not CVAT for images 1.1; choose that format in CVAT's export")
    declared = {name for found in root.iterfind("meta/*/labels/label/name") if (name := (found.text or "").strip())}
    photos = FileFinder(file.parent)
    for number, image in enumerate(root.iterfind("image"), 1):
        try:
            with untrusted(f"image {number}"):
                _read_image(image, file, declared, photos, incoming)
        except AnnotationError as error:
            incoming.not_used.append(NotUsed(plain_text(image.get("name", f"{file.name}: image {number}")), str(error)))


def _read_image(image: Element, file: Path, declared: set[str], photos: FileFinder, incoming: Incoming) -> None:
    name = image.get("name", "")
    empty = {label for element in image.iterfind("empty") if (label := element.get("label"))}
    shapes: dict[str, list[Shape]] = {label: [] for label in declared | empty}
    tags = []
    for number, element in enumerate(image, 1):
        if element.tag == "tag":
            tags.append(element.get("label", ""))
        elif element.tag != "empty":
            drawn = partial(_draw, element, f"{element.tag} {number}")
            shapes.setdefault(element.get("label", "").strip(), []).append(drawn)
    size_hw = stated_size(image.get("height"), image.get("width"))
    if size_hw is None:
        reason = f"its width {image.get('width')!r} or height {image.get('height')!r} is no number; export it again"
        incoming.not_used.append(NotUsed(name or f"{file.name}: an image", reason))
        return
    if tags and not any(shapes.values()):
        incoming.not_used.append(NotUsed(name, f"it has the tag {', '.join(tags)} and no shape; a tag is no mask"))
    incoming.add_photo(name, size_hw, shapes, photos.beside(name), says_empty=empty)


def _draw(element: Element, what: str, size_hw: tuple[int, int]) -> Mask:
    try:
        if element.tag == "mask":
            return _decode(element, what, size_hw)
        if element.tag == "polygon":
            points = np.array([point.split(",") for point in element.get("points", "").split(";")], float)
            return draw_polygon(points, size_hw, what)
    except ValueError as error:
        raise AnnotationError(f"{what} holds a value that is not a number; export it again") from error
    raise AnnotationError(f"{what} is neither a mask nor a polygon; convert it in CVAT")


def _encode(mask: Mask) -> dict[str, str]:
    """The attributes of a `mask` element: bounding box and run lengths."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    inside = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    changes = np.flatnonzero(np.diff(inside.ravel(), prepend=False))
    runs = np.diff(changes, prepend=0, append=inside.size)
    height, width = inside.shape
    box = {"left": left, "top": top, "width": width, "height": height}
    return {"rle": ", ".join(map(str, runs)), **{key: str(value) for key, value in box.items()}}


def _decode(element: Element, what: str, size_hw: tuple[int, int]) -> Mask:
    left, top, width, height = (int(element.get(key, "")) for key in ("left", "top", "width", "height"))
    inside = min(left, top) >= 0 and 0 < width <= size_hw[1] - left and 0 < height <= size_hw[0] - top
    if not inside:
        raise AnnotationError(f"{what} leaves the photo of {size_hw[1]}x{size_hw[0]} pixels; label this very photo")
    texts = element.get("rle", "").split(",")
    if len(texts) > width * height + 2 or max(map(len, texts)) > 20:
        raise AnnotationError(f"{what} has run lengths that no mask of its box has; export it again")
    runs = [int(run) for run in texts]
    if min(runs) < 0 or sum(runs) != width * height:
        raise AnnotationError(f"{what} has run lengths of {sum(runs)} pixels in a box of {width * height}; export it again")
    mask = np.zeros(size_hw, bool)
    values = np.arange(len(runs)) % 2 == 1
    mask[top : top + height, left : left + width] = np.repeat(values, runs).reshape(height, width)
    return mask
