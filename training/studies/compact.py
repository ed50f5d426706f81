"""Make the shipped compact checkpoint: `python -m training.studies.compact FOLDER` (`make compact-model`).

Paints photos, trains on them from random weights in three stages (`STAGES`, each a file in `configs`), scores the result on
photos that training never saw and puts it, with a model card that carries the figures, into `core/checkpoints/compact`. About
an hour and a half on 2 cores. Started again on the same folder, it goes on with the stage that did not end.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from core.masks.mask import decode_rle
from core.metrics.overlap import count_pixels, iou
from core.models.clipseg import COMPACT_FOLDER
from data.intake.preparation import prepare
from data.synthetic.export import write_exact_export
from data.workspace import Workspace
from training.config import load_config
from training.runs.execution import execute
from training.runs.model_card import model_card
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.runs.scratch import SCRATCH
from training.scoring.stored_probs import mask_at

SEED = 7
PHOTOS = (2400, 120, 160)
STAGES = ("scratch", "scratch_finish", "scratch_full")
"""From random weights, then on from there at a lower rate, then at the photos' own resolution."""


def make_compact(
    folder: Path,
    target: Path = COMPACT_FOLDER,
    photos: tuple[int, int, int] = PHOTOS,
    size_hw: tuple[int, int] = (640, 640),
    settings: dict[str, Any] | None = None,
    workers: int = 2,
) -> None:
    """Everything from painting to the card in `target`. photos: how many to train on, choose by and measure; size_hw: of each.
    settings: on top of every stage's own."""
    raw, workspace = folder / "raw", Workspace.open(folder / "workspace")
    store = workspace.store
    if not store.samples():
        write_exact_export(raw, SEED, photos, size_hw, workers)
        prepare(raw, workspace, keep_source=True)
    ended = {run.name: run for run in store.runs() if run.status == "finished"}
    seconds, checkpoint = 0.0, SCRATCH
    for stage in STAGES:
        if stage not in ended:
            run = create_run(workspace, load_config(stage).changed(name=stage, checkpoint=checkpoint).changed(**settings or {}))
            execute(OpenedRun(workspace, run.id), _report)
            ended[stage] = store.run(run.id)
        seconds += ended[stage].seconds or 0
        checkpoint = str(OpenedRun(workspace, ended[stage].id).folder.best_checkpoint)
    publish(OpenedRun(workspace, ended[STAGES[-1]].id), seconds, target)
    store.close()


def publish(run: OpenedRun, seconds: float, target: Path) -> None:
    """Copy the run's checkpoint to `target`, with a card that tells its stages and its measured figures."""
    figures, record, folder = measure(run), run.record, run.folder
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder.best_checkpoint, target)
    stages = " then ".join(f"configs/{stage}.yaml" for stage in STAGES)
    config = run.config.changed(name="compact", checkpoint=f"random weights ({stages})")
    started = next(event for event in folder.read_events() if event["event"] == "started")
    hashes = {split: {sample.image_hash for sample in run.store.samples(split=split)} for split in ("train", "test")}
    photos = {split: len(found) for split, found in hashes.items()}
    section = _section(figures, seconds, photos["train"], photos["test"])
    card = model_card(config, record, started["train"], started["val"], section, "other")
    (target / "README.md").write_text(card, "utf-8")
    print(json.dumps(figures, indent=2))


def measure(run: OpenedRun) -> dict[str, Any]:
    """mIoU per class over the test photos that show it, over those that do not, and the overlap with the other class.

    Overlap: on photos that show both, IoU of each class's prediction with the truth of the other; mean over photos.
    """
    labels, samples = run.store.labels(), run.store.samples(split="test")
    truths = {(s.image_hash, s.class_name): decode_rle(labels[s.id].rle) for s in samples}
    found: dict[str, dict[str, list[float]]] = {}
    for sample in samples:
        prediction = mask_at(run.probs("test", sample.id), 0.5)
        truth = truths[sample.image_hash, sample.class_name]
        other = truths[sample.image_hash, "taping" if sample.class_name == "cracks" else "cracks"]
        lists = found.setdefault(sample.class_name, {"present": [], "absent": [], "other": []})
        lists["present" if truth.any() else "absent"].append(iou(count_pixels(prediction, truth)))
        if truth.any() and other.any():
            lists["other"].append(iou(count_pixels(prediction, other)))
    return {
        name: {
            "miou": float(np.mean(lists["present"])),
            "photos": len(lists["present"]),
            "left_clean": float(np.mean([score == 1 for score in lists["absent"]])),
            "photos_without": len(lists["absent"]),
            "overlap_with_other": float(np.mean(lists["other"])),
            "photos_with_both": len(lists["other"]),
        }
        for name, lists in sorted(found.items())
    }


def _section(figures: dict[str, Any], seconds: float, trained: int, measured: int) -> str:
    rows = "".join(
        f"| {name} | {f['miou']:.3f} ({f['photos']}) | {f['left_clean']:.2f} ({f['photos_without']}) "
        f"| {f['overlap_with_other']:.3f} ({f['photos_with_both']}) |\n"
        for name, f in figures.items()
    )
    return f"""Trained for {seconds / 60:.0f} minutes on 2 cores, on {trained} generated photos, each with both prompts.
Measured at full resolution, threshold 0.5, on {measured} generated photos that training never saw, against pixel truth
(photos in brackets):

| class | mIoU where it is present | share left wholly clean where it is absent | IoU with the other class |
|---|---|---|---|
{rows}
Repeat with `make compact-model`. Generated walls are not real ones: fine-tune before relying on it."""


def _report(event: dict[str, Any]) -> None:
    if event["event"] == "epoch":
        print(f"epoch {event['epoch']}: val mIoU {event['val_miou']:.3f}, {event['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    make_compact(Path(sys.argv[1]))
