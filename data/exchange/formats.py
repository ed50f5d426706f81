"""The formats labels go out in and come back from; `FORMATS` is the one list of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data.exchange import coco, cvat, label_studio, mask_folder, yolo
from data.exchange.labels import Incoming, OutgoingLabel


@dataclass(frozen=True)
class LabelFormat:
    """title: as people call it. about: what an export holds and how it comes back, for people who choose one.

    write(folder, labels) and read(path); both raise AnnotationError.
    """

    title: str
    about: str
    write: Callable[[Path, Sequence[OutgoingLabel]], None]
    read: Callable[[Path], Incoming]


_EQUAL, _NEAR = "equal on return", "within a pixel on return"

FORMATS: dict[str, LabelFormat] = {
    "coco": LabelFormat("COCO", f"run lengths, {_EQUAL}; with the photos", coco.write, coco.read),
    "coco-polygons": LabelFormat("COCO", f"polygons, {_NEAR}; with the photos", partial(coco.write, polygons=True), coco.read),
    "masks": LabelFormat("PNG masks", f"one picture a label, {_EQUAL}", mask_folder.write, mask_folder.read),
    "yolo": LabelFormat("YOLO", f"polygons, {_NEAR}; with the photos", yolo.write, yolo.read),
    "cvat": LabelFormat("CVAT", f"CVAT for images 1.1, masks, {_EQUAL}; with the photos", cvat.write, cvat.read),
    "label-studio": LabelFormat(
        "Label Studio", f"tasks with brush masks, {_EQUAL}; with the photos", label_studio.write, label_studio.read
    ),
}
