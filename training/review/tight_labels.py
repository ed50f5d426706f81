"""Tight labels for box-only samples: the joints inside their boxes, as the review desk offers them and training takes them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.masks.mask import decode_rle, encode_rle, fill_box, part_boxes
from core.photos import read_photo
from core.progress import Progress, silent
from core.seams.seams import Seam, seam_mask
from core.settings import LabelSettings
from core.train.example import Example
from data.store.records import LabelRevision, Sample
from data.workspace import Workspace
from training.review.kept_seams import keep_seams, kept_seams

if TYPE_CHECKING:
    from core.models.box_sam import BoxSam

SEAM_CLASS = "taping"  # a crack in a box has no straight line to find


def seams_of(workspace: Workspace, sample: Sample) -> list[list[Seam]]:
    """The seams found in each of the sample's boxes (`core.seams.seams.propose_seams`), the same ones for desk, queue and
    training; found once and kept in the workspace.

    A sample imported before boxes were kept takes the connected regions of its first label for boxes. Raises PhotoError.
    """
    path = workspace.photo_path(sample.image_path)
    return kept_seams(workspace.seams, sample.image_hash, boxes_of(workspace, sample), lambda: read_photo(path))


def find_seams(workspace: Workspace, samples: Sequence[Sample], on_progress: Progress = silent) -> None:
    """Have the seams of these samples kept (see `seams_of`): on all cores, for a photo takes a second."""
    keep_seams(
        workspace.seams,
        [(s.image_hash, boxes_of(workspace, s), workspace.photo_path(s.image_path)) for s in samples],
        on_progress,
    )


def boxes_of(workspace: Workspace, sample: Sample) -> list[list[float]]:
    """The boxes that the sample was imported with, [x, y, width, height] in px."""
    return sample.boxes or part_boxes(decode_rle(workspace.store.label(sample.id, 1).rle))


def becomes_tight(sample: Sample, revision: LabelRevision, labels: LabelSettings) -> bool:
    """Whether the label is still a box around a joint, and the settings ask for what is in it."""
    return labels.boxes != "box" and sample.is_box_in(revision) and sample.class_name == SEAM_CLASS


def with_tight_label(
    workspace: Workspace, example: Example, sample: Sample, revision: LabelRevision, labels: LabelSettings, sam: "BoxSam | None"
) -> Example:
    """The example with its boxes replaced as `labels.boxes` says; what is no box label of a joint any more stays as it is.

    sam: its mask is taken in place of the seams' bands. In a box without a seam nobody knows where the joint is: there
    training does not look.
    """
    if not becomes_tight(sample, revision, labels):
        return example
    boxes = boxes_of(workspace, sample)
    boxed = decode_rle(example.rle)
    if sam is not None:
        tight, unknown = sam(read_photo(example.photo_path), boxes), np.zeros_like(boxed)
    else:
        by_box = seams_of(workspace, sample)
        tight = seam_mask([seam for seams in by_box for seam in seams], sample.size_hw)
        empty = [fill_box(box, sample.size_hw) for box, seams in zip(boxes, by_box, strict=True) if not seams]
        unknown = np.logical_or.reduce([np.zeros_like(boxed), *empty])
    ignore = (boxed if labels.boxes == "weak" else unknown) & ~tight
    return Example(
        example.sample_id,
        example.name,
        example.class_name,
        example.photo_path,
        encode_rle(tight),
        encode_rle(ignore) if ignore.any() else None,
    )
