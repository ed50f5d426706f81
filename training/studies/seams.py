"""How well proposed seams fit: `python -m training.studies.seams --photos 100 --seed 900` scores them on generated photos."""

import argparse

import numpy as np
import pandas as pd

from core.masks.mask import fill_box
from core.metrics.overlap import count_pixels, iou
from core.seams.seams import propose_seams, seam_mask
from data.synthetic.walls import make_scene
from training.review.tight_labels import region_boxes


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
        boxes = [box for box in region_boxes(truth) if box[2] * box[3] >= 12]
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
