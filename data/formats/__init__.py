"""The formats labels go out in and come back from; `FORMATS` is the one list of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data.formats import coco, cvat, label_studio, mask_folder, yolo
from data.formats.exchange import Incoming, OutgoingLabel


@dataclass(frozen=True)
class LabelFormat:
    """title: as people call it. write(folder, labels) and read(path); both raise AnnotationError."""

    title: str
    write: Callable[[Path, Sequence[OutgoingLabel]], None]
    read: Callable[[Path], Incoming]


FORMATS: dict[str, LabelFormat] = {
    "coco": LabelFormat("COCO", coco.write, coco.read),
    "coco-polygons": LabelFormat("COCO", partial(coco.write, polygons=True), coco.read),
    "masks": LabelFormat("PNG masks", mask_folder.write, mask_folder.read),
    "yolo": LabelFormat("YOLO", yolo.write, yolo.read),
    "cvat": LabelFormat("CVAT", cvat.write, cvat.read),
    "label-studio": LabelFormat("Label Studio", label_studio.write, label_studio.read),
}
