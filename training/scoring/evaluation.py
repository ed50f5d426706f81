"""Evaluation: a run's checkpoint against the labels of a split, sample by sample, at the photos' full resolution."""

import json
from typing import Any

import numpy as np
import pandas as pd

from core.errors import RequestError
from core.files import write_atomically
from core.masks.mask import decode_rle, write_mask_png
from core.metrics.overlap import count_pixels
from core.metrics.table import HEADLINE, MEAN_KEYS, all_metrics
from core.photos import read_photo
from core.progress import Progress, silent
from data.exchange.photo_names import export_names
from data.store.records import SPLITS, Score
from data.store.store import Store
from training.inference.mask_files import mask_name
from training.review.doubts import measure_doubts
from training.runs.opened import OpenedRun
from training.scoring.causes import FAILED_BELOW_IOU, FINE, cause_of, measure
from training.scoring.intervals import mean_intervals
from training.scoring.likeness import save_features
from training.scoring.scores import advice, by_truth, intervals, mean, means, truths
from training.scoring.stored_probs import mask_at, probs_png, to_uint8

LABELS_OF = ("all", "human")


def evaluate(run: OpenedRun, split: str = "test", on_progress: Progress = silent, labels_of: str = "all") -> dict[str, Any]:
    """Score a run on a split against the labels as they are now; returns the document of `drywall-qa evaluate --json`.

    Every sample that has a label is scored; labels_of says which of them the document counts (see `summary`).

    Writes a mask and an 8-bit probability picture a sample below runs/ID/evaluation/SPLIT, and to the store the scores and
    what the review queue is ordered by (`training.review.doubts.measure_doubts`).
    Raises RequestError for a run without a checkpoint, an unknown split or an empty one.
    """
    if split not in SPLITS:
        raise RequestError(f"split {split} is unknown; use one of {', '.join(SPLITS)}")
    from core.models.predictor import Predictor

    store, folder, predictor, thresholds = run.store, run.folder, run.predictor(), run.thresholds
    labels, scores = store.labels(), []
    samples = [sample for sample in run.samples(split) if sample.id in labels]
    if not samples:
        raise RequestError(f"split {split} holds no labelled samples; choose another or import more photos")
    names, features = export_names(samples), {}
    for done, sample in enumerate(samples):
        on_progress(f"score {split}", done, len(samples))
        prompt = run.config.synonyms[sample.class_name][0]
        photo = read_photo(run.workspace.photo_path(sample.image_path))
        prediction, grid_hw = predictor.predict(photo, [prompt])[0], predictor.grid_hw(photo.shape[:2])
        if isinstance(predictor, Predictor):
            features[sample.id] = predictor.feature(photo)
        probs = to_uint8(prediction.probs)
        write_atomically(folder.probs_path(split, sample.id), probs_png(probs))
        threshold = thresholds[sample.class_name]
        mask = mask_at(probs, threshold)
        name = mask_name(names[sample.image_hash], prompt)
        write_mask_png(mask, folder.evaluation(split) / "masks" / name, prediction.number_format)
        label = labels[sample.id]
        truth = decode_rle(label.rle)
        counts = count_pixels(mask, truth)
        metrics, cause = all_metrics(mask, truth, grid_hw), FINE
        if metrics["iou"] < FAILED_BELOW_IOU:
            is_box, ceiling = sample.is_box_in(label), metrics["ceiling"]
            cause = cause_of(measure(truth, mask, probs, threshold=threshold, box_only=is_box, ceiling=ceiling)).key
        scores.append(
            Score(
                run.id,
                sample.id,
                split,
                label.number,
                threshold,
                counts.tp,
                counts.fp,
                counts.fn,
                counts.tn,
                metrics,
                grid_height=grid_hw[0],
                grid_width=grid_hw[1],
                cause=cause,
            )
        )
    if features:
        save_features(folder.features_path(split), features)
    if split == "test":
        trained = {sample.group for sample in run.samples("train") if sample.group}
        copied = [sample.id for sample in samples if sample.group in trained]
        write_atomically(folder.copied, json.dumps(copied).encode())
    store.save_scores(scores)
    measure_doubts(run, on_progress)  # now, so that the Queue page need not
    return summary(store, run.id, split, labels_of)


def summary(store: Store, run_id: str, split: str, labels_of: str = "all") -> dict[str, Any]:
    """Means over samples, per class and over all, as in the published table, each with its interval, and advice in sentences.

    labels_of: "human" leaves out labels accepted or edited from a machine's proposal, because truth taken from the model
    flatters it; "all" does not. A mean is None where the run was scored before that metric was known. Raises RequestError
    when nothing was scored.
    """
    if labels_of not in LABELS_OF:
        raise RequestError(f"labels {labels_of} is unknown; use one of {', '.join(LABELS_OF)}")
    table = store.scores(run_id, split)
    if labels_of == "human" and not table.empty:
        table = table[table["human_made"]]
        if table.empty:
            raise RequestError(f"no label of {split} that run {run_id} was scored on is human-made; draw some, or use all")
    if table.empty:
        raise RequestError(f"run {run_id} has no scores on {split}; run drywall-qa evaluate {run_id} --split {split}")
    by_class = {str(name): of_class for name, of_class in table.groupby("class_name")}
    return {
        "run": run_id,
        "split": split,
        "labels": labels_of,
        "classes": {name: means(of_class) for name, of_class in by_class.items()},
        "by_truth": by_truth(table),
        "overall": means(table),
        "intervals": {name: intervals(rows) for name, rows in {**by_class, "overall": table}.items()},
        "advice": [*truths(table), *advice(table)],
    }


def compare(store: Store, run_id: str, other_id: str, split: str) -> dict[str, Any]:
    """Two runs on the samples both were scored on, a part a class and over all: the means of HEADLINE of both; under
    `intervals` the ends of the gain's 95 % interval by the paired bootstrap over source photos, where there is one (a gain is
    more than chance if 0 lies outside); how many samples are better and worse by IoU, and how many were mended or broken
    (`flipped`). Raises RequestError when they share none."""
    both = paired_scores(store, run_id, other_id, split)

    def gains(table: pd.DataFrame) -> dict[str, Any]:
        difference, turned = table["iou_other"] - table["iou"], flipped(table)
        known = [key for key in HEADLINE if not table[[key, f"{key}_other"]].isna().any(axis=None)]
        changes = np.stack([table[f"{key}_other"] - table[key] for key in known], axis=1)
        found = dict(zip(known, mean_intervals(changes, table["source"].to_numpy()), strict=True))
        return {
            **{MEAN_KEYS[key]: [mean(table[key]), mean(table[f"{key}_other"])] for key in HEADLINE},
            "intervals": {MEAN_KEYS[key]: [one.low, one.high] for key, one in found.items() if one.low is not None},
            "better": int((difference > 0.005).sum()),
            "worse": int((difference < -0.005).sum()),
            "mended": int((turned["iou_other"] > turned["iou"]).sum()),
            "broken": int((turned["iou_other"] < turned["iou"]).sum()),
            "samples": len(table),
        }

    classes = {str(name): gains(of_class) for name, of_class in both.groupby("class_name")}
    return {"runs": [run_id, other_id], "split": split, "classes": classes, "overall": gains(both)}


def paired_scores(store: Store, run_id: str, other_id: str, split: str) -> pd.DataFrame:
    """Columns sample_id, class_name, file_name, source, image_path, current_revision, threshold and each of HEADLINE, the last
    two also with _other. Raises RequestError when none is shared."""
    for known in (run_id, other_id):
        store.run(known)
    of_both = ["sample_id", "threshold", *HEADLINE]
    columns = ["class_name", "file_name", "source", "image_path", "current_revision", *of_both]
    both = store.scores(run_id, split)[columns].merge(
        store.scores(other_id, split)[of_both], on="sample_id", suffixes=("", "_other")
    )
    if both.empty:
        raise RequestError(f"runs {run_id} and {other_id} share no scored samples of {split}; evaluate both first")
    return both


def flipped(both: pd.DataFrame) -> pd.DataFrame:
    """Of `paired_scores`, the samples that failed (IoU below 0.5) with one run and not with the other, the largest change first."""
    failed, other_failed = both["iou"] < FAILED_BELOW_IOU, both["iou_other"] < FAILED_BELOW_IOU
    turned = both[failed != other_failed]
    return turned.loc[(turned["iou_other"] - turned["iou"]).abs().sort_values(ascending=False, kind="stable").index]


def config_difference(run: OpenedRun, other: OpenedRun) -> pd.DataFrame:
    """The settings in which two runs differ: columns setting, and a run's id each; what both have alike is left out."""
    one, two = (flat_settings(opened.record.config) for opened in (run, other))
    keys = [key for key in {**one, **two} if one.get(key) != two.get(key)]
    rows = [(key, str(one.get(key, "-")), str(two.get(key, "-"))) for key in keys]
    return pd.DataFrame(rows, columns=["setting", run.id, other.id])


def flat_settings(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"train": {"lr": 1}}` as `{"train.lr": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
