"""Make the shipped compact checkpoint: `python -m training.studies.compact FOLDER EXPORTS` (`make compact-model`).

Paints walls, trains from random weights on them and the train split of the real exports together (`configs/compact.yaml`),
measures the result (`training.studies.accuracy`) and puts it, with a model card that carries the figures, into
`core/checkpoints/compact`. Started again on the same folder, it goes on with what did not end.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from core.models.clipseg import COMPACT_FOLDER
from data.intake.preparation import prepare
from data.synthetic.export import write_exact_export
from data.workspace import Workspace
from training.config import load_config
from training.runs.execution import execute
from training.runs.model_card import model_card
from training.runs.opened import OpenedRun
from training.runs.runs import check_resumable, create_run
from training.studies.accuracy import MeasureSize, as_markdown, measure

SEED = 7
PHOTOS = (400, 40, 160)
RECIPE = "compact"
CREDIT = """The real photos are two public data sets, both CC BY 4.0:
"cracks" by a Roboflow user (universe `fyp-ny1jt/cracks-3ii36`, export of the copy `segmentation-nlngf/cracks-3ii36-johwn` v1)
and "Drywall-Join-Detect" by a Roboflow user (universe `objectdetect-pu6rn/drywall-join-detect` v2)."""


def make_compact(
    folder: Path,
    exports: Path,
    target: Path = COMPACT_FOLDER,
    photos: tuple[int, int, int] = PHOTOS,
    size_hw: tuple[int, int] = (640, 640),
    settings: dict[str, Any] | None = None,
    workers: int = 2,
    measured: MeasureSize | None = None,
) -> None:
    """Everything from painting to the card in `target`. exports: raw exports of real photos. photos: how many to paint to train
    on, choose by and measure; size_hw: of each. settings: on top of the recipe's own."""
    raw, workspace = folder / "raw", Workspace.open(folder / "workspace")
    if not raw.is_dir():
        write_exact_export(folder / "painting", SEED, photos, size_hw, workers)
        (folder / "painting").rename(raw)
    if not any(sample.file_name.startswith("wall_") for sample in workspace.store.samples()):
        _bring_together(workspace, exports, raw)
    publish(_trained(workspace, settings or {}), exports, target, measured or MeasureSize())
    workspace.store.close()


def _bring_together(workspace: Workspace, exports: Path, raw: Path) -> None:
    """Real photos split by group exactly as they are alone, then the generated walls in their own splits."""
    prepare(exports, workspace)
    real = {sample.id: sample for sample in workspace.store.samples()}
    prepare(raw, workspace, keep_source=True)
    samples = [real.get(sample.id, sample) for sample in workspace.store.samples()]
    workspace.store.set_groups_and_splits({s.id: s.group for s in samples}, {s.id: s.split for s in samples})


def _trained(workspace: Workspace, settings: dict[str, Any]) -> OpenedRun:
    """The run of this recipe, finished: the one that is there, or else gone on with or begun anew."""
    wanted = load_config(RECIPE).changed(**settings)
    runs = workspace.store.runs()
    newest = next((run for run in runs if OpenedRun(workspace, run.id).config.changed(label_set=None) == wanted), None)
    if newest is None or (newest.status != "finished" and not OpenedRun(workspace, newest.id).folder.last_state.is_file()):
        newest = create_run(workspace, wanted)
        execute(OpenedRun(workspace, newest.id), _report)
    elif newest.status != "finished":
        check_resumable(OpenedRun(workspace, newest.id))
        execute(OpenedRun(workspace, newest.id), _report, resume=True)
    return OpenedRun(workspace, newest.id)


def publish(run: OpenedRun, exports: Path, target: Path, measured: MeasureSize) -> None:
    """Copy the run's checkpoint to `target`, with a card that tells its sources and its measured figures."""
    figures = measure(run.folder.best_checkpoint, run.workspace, run.config.synonyms, measured)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run.folder.best_checkpoint, target)
    config = run.config.changed(checkpoint="random weights")
    started = next(event for event in run.folder.read_events() if event["event"] == "started")
    minutes = (run.record.seconds or 0) / 60
    section = f"""Trained for {minutes:.0f} minutes on 2 cores, on generated walls and on the train split of real photos, which are
split by group. {CREDIT}

{as_markdown(figures)}

Repeat with `make compact-model EXPORTS={exports}`; `python -m training.studies.accuracy compact {exports}` measures again."""
    card = model_card(config, run.record, started["train"], started["val"], section, "cc-by-4.0")
    (target / "README.md").write_text(card, "utf-8")
    print(json.dumps(figures, indent=2))


def _report(event: dict[str, Any]) -> None:
    if event["event"] == "epoch":
        print(f"epoch {event['epoch']}: val mIoU {event['val_miou']:.3f}, {event['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the shipped compact checkpoint")
    parser.add_argument("folder", type=Path, help="where photos and runs are kept")
    parser.add_argument("exports", type=Path, help="raw exports of real photos")
    arguments = parser.parse_args()
    make_compact(arguments.folder, arguments.exports)
