"""Tight labels for box-only samples: the joints inside their boxes, as the review desk offers them and training takes them."""

from skimage.measure import label as connected
from skimage.measure import regionprops

from core.masks.mask import Mask, decode_rle, encode_rle
from core.models.box_sam import BoxSam
from core.photos import read_photo
from core.seams.seams import Seam, seam_mask
from core.settings import LabelSettings
from core.train.dataset import Example
from data.store.records import LabelRevision, Sample
from data.workspace import Workspace
from training.review.kept_seams import kept_seams

SEAM_CLASS = "taping"  # a crack in a box has no straight line to find


def propose_label(workspace: Workspace, sample: Sample, sam: BoxSam | None = None) -> tuple[Mask, list[Seam]]:
    """What the sample's boxes really hold: mask (H, W) bool and the seams found. Nothing is saved.

    sam: its mask is proposed instead of the seams' bands. A sample imported before boxes were kept takes the connected
    regions of its first label for boxes. Raises PhotoError.
    """
    boxes = sample.boxes or region_boxes(decode_rle(workspace.store.label(sample.id, 1).rle))
    return _proposed(workspace, sample, boxes, sam)


def with_tight_label(
    workspace: Workspace, example: Example, sample: Sample, revision: LabelRevision, labels: LabelSettings, sam: BoxSam | None
) -> Example:
    """The example with its boxes replaced as `labels.boxes` says; what is no box label of a joint any more stays as it is."""
    if labels.boxes == "box" or not sample.is_box_in(revision) or sample.class_name != SEAM_CLASS:
        return example
    boxed = decode_rle(example.rle)
    tight = _proposed(workspace, sample, sample.boxes or region_boxes(boxed), sam)[0]
    ignore = encode_rle(boxed & ~tight) if labels.boxes == "weak" else None
    return Example(example.sample_id, example.name, example.class_name, example.photo_path, encode_rle(tight), ignore)


def _proposed(workspace: Workspace, sample: Sample, boxes: list[list[float]], sam: BoxSam | None) -> tuple[Mask, list[Seam]]:
    path = workspace.photo_path(sample.image_path)
    seams = kept_seams(workspace.seams, sample.image_hash, boxes, lambda: read_photo(path))
    return (sam(read_photo(path), boxes) if sam is not None else seam_mask(seams, sample.size_hw)), seams


def region_boxes(mask: Mask) -> list[list[float]]:
    """[x, y, width, height] of each connected region, in px."""
    bounds = (region.bbox for region in regionprops(connected(mask)))
    return [[float(left), float(top), float(right - left), float(bottom - top)] for top, left, bottom, right in bounds]
