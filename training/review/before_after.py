"""Before and after: what fixing labels and training again bought, with label change and model change told apart.

Every sample is scored four times: the old and the new run's prediction against the old and the new label. Gains on samples
that entered training are biased, so an untouched hold-out stands beside them. Intervals are paired bootstraps (Efron &
Tibshirani 1993) over groups of copies, because copies of one photo are one observation.
"""

import pandas as pd

from core.errors import RequestError
from core.masks.mask import Mask, decode_rle
from core.metrics.overlap import count_pixels, iou
from core.progress import Progress, silent
from data.store.records import SPLITS, Run
from data.store.store import Store
from data.workspace import Workspace
from training.runs.opened import OpenedRun
from training.scoring.evaluation import evaluate
from training.scoring.intervals import mean_interval
from training.scoring.stored_probs import mask_at

HOLD_OUT, HELD_OUT, TRAINED = "untouched hold-out", "fixed, held out", "fixed, in training"
GROUPS = (HOLD_OUT, HELD_OUT, TRAINED)
CELLS = ("old_label_old_model", "old_label_new_model", "new_label_old_model", "new_label_new_model")


def four_scores(old_prediction: Mask, new_prediction: Mask, old_label: Mask, new_label: Mask) -> dict[str, float]:
    """The IoU of each CELLS. All (H, W) bool."""
    pairs = [(label, prediction) for label in (old_label, new_label) for prediction in (old_prediction, new_prediction)]
    scores = [iou(count_pixels(prediction, label)) for label, prediction in pairs]
    return dict(zip(CELLS, scores, strict=True))


def fixed_samples(store: Store, old_run: Run, new_run: Run) -> set[int]:
    """Samples whose label differs between what the two runs learnt from."""
    old, new = store.labels(old_run.label_set), store.labels(new_run.label_set)
    return {sample_id for sample_id in old.keys() & new.keys() if old[sample_id].rle != new[sample_id].rle}


def unscored_splits(workspace: Workspace, old_id: str, new_id: str) -> list[tuple[str, str]]:
    """(run, split) still to be scored, for every split of the run that holds a fixed sample, and the test split."""
    store = workspace.store
    fixed, scores = fixed_samples(store, store.run(old_id), store.run(new_id)), store.scores()
    scored = set(zip(scores["run_id"], scores["split"], strict=True))
    found = []
    for run in (OpenedRun(workspace, old_id), OpenedRun(workspace, new_id)):
        wanted = {split for split in SPLITS if split == "test" or any(s.id in fixed for s in run.samples(split))}
        found += [(run.id, split) for split in sorted(wanted) if (run.id, split) not in scored]
    return found


def score_missing(workspace: Workspace, old_id: str, new_id: str, on_progress: Progress = silent) -> None:
    for run, split in unscored_splits(workspace, old_id, new_id):
        evaluate(OpenedRun(workspace, run), split, on_progress)


def paired_samples(workspace: Workspace, old_id: str, new_id: str) -> pd.DataFrame:
    """One row a sample that both runs scored and that was fixed or held out: sample_id, class_name, file_name, split (of the new
    run), group (of copies), part (one of GROUPS), fixes (revisions between the labels) and the CELLS.

    Held out is what both runs have in their own test splits and of which neither has a copy to learn from. The labels are those
    the runs learnt from. Raises RequestError when the runs are one, or share no such sample.
    """
    if old_id == new_id:
        raise RequestError(f"run {old_id} is on both sides; choose two runs")
    store = workspace.store
    old_run, new_run = store.run(old_id), store.run(new_id)
    old_labels, new_labels = store.labels(old_run.label_set), store.labels(new_run.label_set)
    fixed = fixed_samples(store, old_run, new_run)
    copies = {s.group for s in store.samples() if s.group and s.id in fixed}
    old_scores, new_scores = (store.scores(run).set_index("sample_id") for run in (old_id, new_id))
    held_out = _held_out(OpenedRun(workspace, old_id)) & _held_out(OpenedRun(workspace, new_id))
    rows = []
    for sample in store.samples():
        part = _part(sample.id in fixed, sample.id in held_out, sample.group in copies)
        both = (old_labels, new_labels, old_scores.index, new_scores.index)
        if part is None or not all(sample.id in side for side in both):
            continue
        old_prediction, new_prediction = (
            mask_at(
                OpenedRun(workspace, run).probs(scores.loc[sample.id, "split"], sample.id),
                float(scores.loc[sample.id, "threshold"]),
            )
            for run, scores in ((old_id, old_scores), (new_id, new_scores))
        )
        old, new = old_labels[sample.id], new_labels[sample.id]
        rows.append(
            {
                "sample_id": sample.id,
                "class_name": sample.class_name,
                "file_name": sample.file_name,
                "split": new_scores.loc[sample.id, "split"],
                "group": sample.group or str(sample.id),
                "part": part,
                "fixes": new.number - old.number,
                **four_scores(old_prediction, new_prediction, decode_rle(old.rle), decode_rle(new.rle)),
            }
        )
    if not rows:
        raise RequestError(f"runs {old_id} and {new_id} share no scored sample that was fixed or held out; score both first")
    return pd.DataFrame(rows)


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """One row a part and class, and a part over all classes: part, class_name, samples, the mean of each of CELLS, and three
    differences with their intervals (`_low`, `_high`), which add up:

    gain = model_change + label_change. gain: new model on new label against old on old. model_change: what the new
    model is better by on the new labels. label_change: what the old model gains from the labels alone.
    """
    rows = []
    for part in GROUPS:
        of_part = table[table["part"] == part]
        for class_name in ["all", *sorted(of_part["class_name"].unique())] if len(of_part) else []:
            chosen = of_part if class_name == "all" else of_part[of_part["class_name"] == class_name]
            row = {"part": part, "class_name": class_name, "samples": len(chosen), **chosen[list(CELLS)].mean()}
            for name, difference in _differences(chosen).items():
                found = mean_interval(difference.to_numpy(float), chosen["group"].to_numpy())
                row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row)
    return pd.DataFrame(rows)


def what_fixes_bought(table: pd.DataFrame) -> pd.DataFrame:
    """The fixed samples with gain, model_change and label_change of each, the best gain first."""
    fixed = table[table["part"] != HOLD_OUT]
    return fixed.assign(**_differences(fixed)).sort_values("gain", ascending=False)


def _held_out(run: OpenedRun) -> set[int]:
    """The samples of its test split of which it has no copy in training or validation; a division at random leaves few."""
    learnt_from = {sample.group for split in ("train", "val") for sample in run.samples(split) if sample.group}
    return {sample.id for sample in run.samples("test") if sample.group not in learnt_from}


def _part(fixed: bool, held_out: bool, copy_was_fixed: bool) -> str | None:
    if fixed:
        return HELD_OUT if held_out else TRAINED
    return HOLD_OUT if held_out and not copy_was_fixed else None


def _differences(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "gain": table["new_label_new_model"] - table["old_label_old_model"],
        "model_change": table["new_label_new_model"] - table["new_label_old_model"],
        "label_change": table["new_label_old_model"] - table["old_label_old_model"],
    }
