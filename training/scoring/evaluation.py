"""Evaluation: a run's checkpoint against the labels of a split, sample by sample, at the photos' full resolution."""

from typing import Any

import pandas as pd

from core.errors import RequestError
from core.files import write_atomically
from core.masks.mask import decode_rle, write_mask_png
from core.metrics.overlap import count_pixels, iou
from core.metrics.table import HEADLINE, MEAN_KEYS, all_metrics
from core.photos import read_photo
from core.progress import Progress, silent
from data.exchange.photo_names import export_names
from data.store.records import SPLITS, Score
from data.store.store import Store
from training.inference.mask_files import mask_name
from training.review.doubts import measure_doubts
from training.runs.opened import OpenedRun
from training.scoring.scores import advice, by_truth, mean, means, truths
from training.scoring.stored_probs import THRESHOLDS, counts_by_threshold, mask_at, probs_png, to_uint8

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
    store, folder, predictor, thresholds = run.store, run.folder, run.predictor(), run.thresholds
    labels, scores = store.labels(), []
    samples = [sample for sample in run.samples(split) if sample.id in labels]
    if not samples:
        raise RequestError(f"split {split} holds no labelled samples; choose another or import more photos")
    names = export_names(samples)
    for done, sample in enumerate(samples):
        on_progress(f"score {split}", done, len(samples))
        prompt = run.config.synonyms[sample.class_name][0]
        photo = read_photo(run.workspace.photo_path(sample.image_path))
        prediction, grid_hw = predictor.predict(photo, [prompt])[0], predictor.grid_hw(photo.shape[:2])
        probs = to_uint8(prediction.probs)
        write_atomically(folder.probs_path(split, sample.id), probs_png(probs))
        threshold = thresholds[sample.class_name]
        mask = mask_at(probs, threshold)
        name = mask_name(names[sample.image_hash], prompt)
        write_mask_png(mask, folder.evaluation(split) / "masks" / name, prediction.number_format)
        label = labels[sample.id]
        truth = decode_rle(label.rle)
        counts = count_pixels(mask, truth)
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
                all_metrics(mask, truth, grid_hw),
                grid_height=grid_hw[0],
                grid_width=grid_hw[1],
            )
        )
    store.save_scores(scores)
    measure_doubts(run, on_progress)  # now, so that the Queue page need not
    return summary(store, run.id, split, labels_of)


def summary(store: Store, run_id: str, split: str, labels_of: str = "all") -> dict[str, Any]:
    """Means over samples, per class and over all, as in the published table, and advice in sentences.

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
    return {
        "run": run_id,
        "split": split,
        "labels": labels_of,
        "classes": {str(name): means(of_class) for name, of_class in table.groupby("class_name")},
        "by_truth": by_truth(table),
        "overall": means(table),
        "advice": [*truths(table), *advice(table)],
    }


def compare(store: Store, run_id: str, other_id: str, split: str) -> dict[str, Any]:
    """Two runs on the samples both were scored on. Raises RequestError when they share none."""
    both = paired_scores(store, run_id, other_id, split)

    def gains(table: pd.DataFrame) -> dict[str, Any]:
        difference = table["iou_other"] - table["iou"]
        return {
            **{MEAN_KEYS[key]: [mean(table[key]), mean(table[f"{key}_other"])] for key in HEADLINE},
            "better": int((difference > 0.005).sum()),
            "worse": int((difference < -0.005).sum()),
            "samples": len(table),
        }

    classes = {str(name): gains(of_class) for name, of_class in both.groupby("class_name")}
    return {"runs": [run_id, other_id], "split": split, "classes": classes, "overall": gains(both)}


def paired_scores(store: Store, run_id: str, other_id: str, split: str) -> pd.DataFrame:
    """Columns sample_id, class_name, file_name and each of HEADLINE, also with _other. Raises RequestError when none is shared."""
    for known in (run_id, other_id):
        store.run(known)
    columns = ["sample_id", "class_name", "file_name", *HEADLINE]
    both = store.scores(run_id, split)[columns].merge(
        store.scores(other_id, split)[["sample_id", *HEADLINE]], on="sample_id", suffixes=("", "_other")
    )
    if both.empty:
        raise RequestError(f"runs {run_id} and {other_id} share no scored samples of {split}; evaluate both first")
    return both


def threshold_curve(run: OpenedRun, split: str, labels_of: str = "all") -> pd.DataFrame:
    """mIoU by threshold and class (columns class_name, threshold, miou), from the stored probabilities and today's labels.

    labels_of: "human" leaves out today's labels that are not human-made.
    """
    labels = run.store.labels()
    rows = []
    for score in run.store.scores(run.id, split).itertuples():
        label = labels[score.sample_id]
        if labels_of == "human" and not label.human_made:
            continue
        probs, truth = run.probs(split, score.sample_id), decode_rle(label.rle)
        rows += [
            {"class_name": score.class_name, "threshold": threshold, "miou": iou(counts)}
            for threshold, counts in zip(THRESHOLDS, counts_by_threshold(probs, truth), strict=True)
        ]
    table = pd.DataFrame(rows, columns=["class_name", "threshold", "miou"])
    return table.groupby(["class_name", "threshold"], as_index=False)["miou"].mean()
