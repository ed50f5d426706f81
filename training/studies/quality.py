"""How well suspect labels are found: faults planted in labels of a scored run, and how many of the first that are named are among
them: `python -m training.studies.quality WORKSPACE RUN`. Beside it cleanlab's label quality of segmentations, if it is installed
(FiftyOne has a mistakenness of classifications and boxes only).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import ndimage

from core.masks.mask import Mask, decode_rle
from core.metrics.label_doubt import doubt
from core.photos import read_photo
from data.quality.findings import suspicion
from data.quality.measures import measure_label
from data.workspace import Workspace
from training.runs.opened import OpenedRun

FAULTS, SEED, SIDE_PX = ("moved", "thrice as wide", "half is gone", "of another photo"), 0, 160


def spoil(label: Mask, fault: str, other: Mask, random: np.random.Generator) -> Mask:
    """label, other: (H, W) bool."""
    if fault == "moved":
        return ndimage.shift(label, random.choice([-1, 1], 2) * np.array(label.shape) // 8, order=0).astype(bool)
    if fault == "thrice as wide":
        width = max(3, round(2 * label.sum() / max(np.hypot(*np.ptp(np.argwhere(label), axis=0)), 1)))
        return cv2.dilate(label.view(np.uint8), np.ones((width | 1, width | 1), np.uint8)).view(bool)
    if fault == "half is gone":
        rows, columns = np.nonzero(label)
        spoilt = label.copy()
        longer = rows if np.ptp(rows) > np.ptp(columns) else columns
        axis = np.indices(label.shape)[0 if longer is rows else 1]
        spoilt[axis > np.median(longer)] = False
        return spoilt
    return other


def planted(run: OpenedRun, split: str, count: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A table as `Store.quality` has it with labels of which `count` are spoilt, and for cleanlab labels (N, S, S) and probabilities
    (N, 2, S, S). Column fault: which, empty for a label as it is. Boxes and empty labels are left out."""
    random, labels = np.random.default_rng(SEED), run.store.labels()
    scores = run.store.scores(run.id, split)
    chosen = scores[~scores["is_box"].astype(bool) & (scores["tp"] + scores["fn"] > 0)].reset_index(drop=True)
    spoilt = dict(zip(random.permutation(len(chosen))[:count], np.resize(FAULTS, count), strict=True))
    rows, small_labels, small_probs = [], [], []
    for place, score in enumerate(chosen.itertuples()):
        label, fault = decode_rle(labels[score.sample_id].rle), spoilt.get(place, "")
        if fault:
            other = decode_rle(labels[int(chosen["sample_id"].iloc[(place + len(chosen) // 2) % len(chosen)])].rle)
            size = (label.shape[1], label.shape[0])
            other = cv2.resize(other.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).view(bool)
            label = spoil(label, fault, other, random)
        probs = run.probs(split, score.sample_id)
        photo = read_photo(run.workspace.photo_path(score.image_path))
        about = {"sample_id": score.sample_id, "class_name": score.class_name, "fault": fault}
        rows.append({**about, **vars(doubt(probs, label)), **vars(measure_label(label, photo))})
        small = cv2.resize(probs, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32) / 256
        small_probs.append(np.stack([1 - small, small]))
        small_labels.append(cv2.resize(label.view(np.uint8), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST))
    return pd.DataFrame(rows), np.array(small_labels), np.array(small_probs)


def precision_at(order: list[int], faulty: set[int], count: int) -> float:
    """Share of the first `count` that are faulty."""
    return sum(one in faulty for one in order[:count]) / count


def compare(run: OpenedRun, split: str, count: int) -> dict[str, dict[str, float]]:
    """By method: precision at `count`, and the share of each kind of fault among the first `count` found."""
    table, labels, probs = planted(run, split, count)
    orders = {"ours": list(suspicion(table).index)}
    try:
        from cleanlab.segmentation.rank import get_label_quality_scores
    except ModuleNotFoundError:
        pass
    else:
        scores, _ = get_label_quality_scores(labels, probs, verbose=False)
        orders["cleanlab"] = table["sample_id"].iloc[np.argsort(scores, kind="stable")].tolist()
    faults = table.set_index("sample_id")["fault"]
    faulty = set(faults[faults != ""].index)
    found = {}
    for name, order in orders.items():
        first = faults.index.isin(order[:count])
        kinds = {kind: float(first[faults == kind].sum()) / max(int((faults == kind).sum()), 1) for kind in FAULTS}
        found[name] = {f"precision at {count}": precision_at(order, faulty, count), **kinds}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("run")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    opened = OpenedRun(Workspace.open(arguments.workspace), arguments.run)
    print(pd.DataFrame(compare(opened, arguments.split, arguments.count)).T.to_string(float_format="%.2f"))


if __name__ == "__main__":
    main()
