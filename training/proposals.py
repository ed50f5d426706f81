"""Tight labels for box-only samples: the joints inside their boxes, as the review desk offers them and training takes them."""

from skimage.measure import label as connected
from skimage.measure import regionprops

from core.box_sam import BoxSam
from core.dataset import Example
from core.masks import Mask, decode_rle, encode_rle
from core.photos import Photo, read_photo
from core.seams import Seam, propose_seams, seam_mask
from core.settings import LabelSettings
from data.records import LabelRevision, Sample
from data.store import Store
from data.workspace import Workspace

SEAM_CLASS = "taping"  # a crack in a box has no straight line to find


def propose_label(
    workspace: Workspace, store: Store, sample: Sample, sam: BoxSam | None = None
) -> tuple[Mask, list[Seam]]:
    """What the sample's boxes really hold: mask (H, W) bool and the seams found. Nothing is saved.

    sam: its mask is proposed instead of the seams' bands. A sample imported before boxes were kept takes the connected
    regions of its first label for boxes. Raises PhotoError.
    """
    photo = read_photo(workspace.photo_path(sample.image_path))
    boxes = sample.boxes or _region_boxes(decode_rle(store.label(sample.id, 1).rle))
    return _proposed(photo, boxes, sam)


def with_tight_label(
    example: Example, sample: Sample, revision: LabelRevision, labels: LabelSettings, sam: BoxSam | None
) -> Example:
    """The example with its boxes replaced as `labels.boxes` says; what is no box label of a joint any more stays as it is."""
    if labels.boxes == "box" or not sample.box_only or revision.number > 1 or sample.class_name != SEAM_CLASS:
        return example
    boxed = decode_rle(example.rle)
    tight = _proposed(read_photo(example.photo_path), sample.boxes or _region_boxes(boxed), sam)[0]
    ignore = encode_rle(boxed & ~tight) if labels.boxes == "weak" else None
    return Example(example.sample_id, example.name, example.class_name, example.photo_path, encode_rle(tight), ignore)


def _proposed(photo: Photo, boxes: list[list[float]], sam: BoxSam | None) -> tuple[Mask, list[Seam]]:
    seams = [seam for box in boxes for seam in propose_seams(photo, box)]
    return (sam(photo, boxes) if sam is not None else seam_mask(seams, photo.shape[:2])), seams


def _region_boxes(mask: Mask) -> list[list[float]]:
    bounds = (region.bbox for region in regionprops(connected(mask)))
    return [[float(left), float(top), float(right - left), float(bottom - top)] for top, left, bottom, right in bounds]
