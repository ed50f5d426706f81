"""Tight labels for box-only samples: the joints inside their boxes, as the review desk offers them and training takes them.

`python -m training.review.tight_labels --photos 100 --seed 900` scores them on generated photos, whose truth is known.
"""

import argparse

import numpy as np
import pandas as pd
from skimage.measure import label as connected
from skimage.measure import regionprops

from core.masks.mask import Mask, decode_rle, encode_rle, fill_box
from core.metrics.overlap import count_pixels, iou
from core.models.box_sam import BoxSam
from core.photos import read_photo
from core.seams.seams import Seam, propose_seams, seam_mask
from core.settings import LabelSettings
from core.train.dataset import Example
from data.store.records import LabelRevision, Sample
from data.store.store import Store
from data.synthetic.walls import make_scene
from data.workspace import Workspace
from training.review.kept_seams import kept_seams

SEAM_CLASS = "taping"  # a crack in a box has no straight line to find


def propose_label(workspace: Workspace, store: Store, sample: Sample, sam: BoxSam | None = None) -> tuple[Mask, list[Seam]]:
    """What the sample's boxes really hold: mask (H, W) bool and the seams found. Nothing is saved.

    sam: its mask is proposed instead of the seams' bands. A sample imported before boxes were kept takes the connected
    regions of its first label for boxes. Raises PhotoError.
    """
    boxes = sample.boxes or _region_boxes(decode_rle(store.label(sample.id, 1).rle))
    return _proposed(workspace, sample, boxes, sam)


def with_tight_label(
    workspace: Workspace, example: Example, sample: Sample, revision: LabelRevision, labels: LabelSettings, sam: BoxSam | None
) -> Example:
    """The example with its boxes replaced as `labels.boxes` says; what is no box label of a joint any more stays as it is."""
    if labels.boxes == "box" or not sample.is_box_in(revision) or sample.class_name != SEAM_CLASS:
        return example
    boxed = decode_rle(example.rle)
    tight = _proposed(workspace, sample, sample.boxes or _region_boxes(boxed), sam)[0]
    ignore = encode_rle(boxed & ~tight) if labels.boxes == "weak" else None
    return Example(example.sample_id, example.name, example.class_name, example.photo_path, encode_rle(tight), ignore)


def _proposed(workspace: Workspace, sample: Sample, boxes: list[list[float]], sam: BoxSam | None) -> tuple[Mask, list[Seam]]:
    path = workspace.photo_path(sample.image_path)
    seams = kept_seams(workspace.seams, sample.image_hash, boxes, lambda: read_photo(path))
    return (sam(read_photo(path), boxes) if sam is not None else seam_mask(seams, sample.size_hw)), seams


def _region_boxes(mask: Mask) -> list[list[float]]:
    bounds = (region.bbox for region in regionprops(connected(mask)))
    return [[float(left), float(top), float(right - left), float(bottom - top)] for top, left, bottom, right in bounds]


def score_generated(photos: int, seed: int) -> pd.DataFrame:
    """Proposals and boxes against the true bands of generated 640-px photos, one row a photo.

    Columns: seed, contents, joints (how many), style (of its joints, or "several"), confidence (mean of the seams'), box_iou,
    iou. Seeds run from 1000 * seed.
    """
    rows = []
    for number in range(1000 * seed, 1000 * seed + photos):
        contents = "taping" if number % 2 else "both"
        scene = make_scene(number, contents=contents)  # type: ignore[arg-type]
        truth = scene.masks["taping"]
        boxes = [box for box in _region_boxes(truth) if box[2] * box[3] >= 12]
        if not boxes:  # hidden behind a frame
            continue
        seams = [seam for box in boxes for seam in propose_seams(scene.photo, box)]
        mask = seam_mask(seams, truth.shape)
        boxed = np.logical_or.reduce([fill_box(box, truth.shape) for box in boxes])
        confidence = float(np.mean([seam.confidence for seam in seams])) if seams else 0.0
        scores = {"box_iou": iou(count_pixels(boxed, truth)), "iou": iou(count_pixels(mask, truth))}
        style = scene.styles[0] if len({*scene.styles}) == 1 else "several"
        rows.append(
            {
                "seed": number,
                "contents": contents,
                "joints": len(scene.joints),
                "style": style,
                "confidence": confidence,
                **scores,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Score proposed seams on generated photos")
    parser.add_argument("--photos", type=int, default=100, help="how many photos")
    parser.add_argument("--seed", type=int, default=900, help="photos are made from 1000 times this number on")
    arguments = parser.parse_args()
    table = score_generated(arguments.photos, arguments.seed)
    table["sure"] = np.where(table["confidence"] >= 0.5, "confidence >= 0.5", "confidence < 0.5")
    for key in ("contents", "joints", "style", "sure"):
        group = table.groupby(key)[["box_iou", "iou"]]
        print(group.mean().assign(photos=group.size()).round(3).to_string(), "\n")
    print(f"{len(table)} photos: mIoU {table['iou'].mean():.3f}, boxes {table['box_iou'].mean():.3f}")


if __name__ == "__main__":
    main()
