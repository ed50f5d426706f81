"""The ablation on real cracks: each remedy alone and all together, scored against the pixel truth.

`python -m training.studies.ablation DATA FOLDER [--epochs N] [--only ROW]` trains on DATA/cracks/train from the compact
checkpoint, keeps the export's own valid split for choosing the epoch, and scores the 18 valid photos against
DATA/cracks/pixel_truth, which training never sees. Rows that change only how a photo is looked at reuse the first row's run.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.files import write_atomically
from core.masks.mask import Mask, read_mask_png
from core.metrics.table import all_metrics
from core.metrics.thin import count_within, match_f1
from core.models.clipseg import COMPACT_FOLDER
from core.photos import read_photo
from data.intake.preparation import prepare
from data.workspace import Workspace
from training.config import load_config
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run

PROMPT = "segment crack"
PLAIN_PX = 2.0
"""As others score these photos: pixels of the 480x320 photo itself, not of one scaled to 640."""
FIGURES = ("iou", "dice", "tolerant_f1_2px", "f1_2px_unscaled", "tolerant_f1_5px", "cldice", "boundary_iou")
AUGMENT = {"flip": True, "quarter_turns": True, "colour": 0.2, "blur": 0.7, "noise": 0.02}


@dataclass(frozen=True)
class Variant:
    """settings change training; inference changes only how the trained model looks at a photo."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    inference: dict[str, Any] = field(default_factory=dict)
    branch: bool = True
    recipe: str = "published"


VARIANTS = (
    Variant("published recipe"),
    Variant("without the full-resolution branch", branch=False),
    Variant("+ test-time flips", inference={"flips": True}),
    Variant("+ whole photo at 704", inference={"side_px": 704}),
    Variant("+ tiles of 240 px", inference={"tiles": 240}),
    Variant("+ threshold chosen on validation", {"train": {"threshold_per_class": True}}),
    Variant("+ Tversky", {"loss": {"dice": 0, "tversky": 0.5}}),
    Variant("+ focal", {"loss": {"bce": 0, "focal": 10}}),
    Variant("+ clDice", {"loss": {"cldice": 0.3}}),
    Variant("+ boundary", {"loss": {"boundary": 1}}),
    Variant("+ last 2 used vision blocks", {"model": {"unfreeze_blocks": 2}}),
    Variant("+ augmentation", {"augment": AUGMENT}),
    Variant("+ augmentation and square crops", {"augment": {**AUGMENT, "crop_min": 0.6}}),
    Variant("all: recommended.yaml", recipe="recommended"),
)
"""Each remedy alone on the published recipe from the compact checkpoint as it is shipped, branch and all, without which it finds no
crack on real photos; then all together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20, help="of every row but the last, which keeps its recipe's")
    parser.add_argument("--only", action="append", help="a row's name; may be given several times")
    arguments = parser.parse_args()
    chosen = [variant for variant in VARIANTS if not arguments.only or variant.name in arguments.only]
    run_ablation(arguments.data, arguments.folder, arguments.epochs, chosen)


def run_ablation(
    data: Path,
    folder: Path,
    epochs: int,
    variants: Sequence[Variant] = VARIANTS,
    checkpoint: Path = COMPACT_FOLDER,
    settings: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """A row a variant: printed, returned, and all of them in FOLDER/ablation.json. settings: on top of every row's."""
    workspace = Workspace.open(folder)
    store = workspace.store
    if not store.samples():
        prepare(data, workspace, keep_source=True, class_of_folder={"cracks": "cracks"})
    truths = {path.stem: read_mask_png(path) for path in (data / "cracks" / "pixel_truth").glob("*.png")}
    rows, runs = [], dict[str, tuple[str, float]]()
    for variant in variants:
        key = repr((variant.recipe, variant.branch, variant.settings))
        if key not in runs:
            start = checkpoint if variant.branch else _without_branch(checkpoint, folder / "coarse")
            runs[key] = _train(workspace, variant, start, epochs, settings or {})
        run_id, seconds = runs[key]
        rows.append({"row": variant.name, "run": run_id, "minutes": seconds / 60} | _score(workspace, run_id, variant, truths))
        write_atomically(folder / "ablation.json", (json.dumps(rows, indent=2) + "\n").encode())
        print(_line(rows[-1]), flush=True)
    store.close()
    return rows


def _train(workspace: Workspace, variant: Variant, checkpoint: Path, epochs: int, settings: dict[str, Any]) -> tuple[str, float]:
    config = load_config(variant.recipe).changed(checkpoint=str(checkpoint), name=variant.name[:60])
    if variant.recipe == "published":
        config = config.changed(train={"epochs": epochs, "lr": 5e-4, "patience": 1000, "precision": "auto"})
    run = create_run(workspace, config.changed(**variant.settings).changed(**settings))
    began = time.monotonic()
    execute(OpenedRun(workspace, run.id))
    return run.id, time.monotonic() - began


def _without_branch(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint as plain CLIPSeg, in `folder`."""
    if not folder.is_dir():
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("branch.*"))
    return folder


def _score(workspace: Workspace, run_id: str, variant: Variant, truths: dict[str, Mask]) -> dict[str, float]:
    run = OpenedRun(workspace, run_id)
    predictor, threshold, scores = run.predictor(variant.inference), run.thresholds["cracks"], []
    for sample in workspace.store.samples(split="val"):
        photo = read_photo(workspace.photo_path(sample.image_path))
        mask = predictor.predict(photo, [PROMPT])[0].mask(threshold)
        truth = truths[Path(sample.file_name).stem]
        plain = match_f1(count_within(mask, truth, [PLAIN_PX])[0])
        scores.append(all_metrics(mask, truth, predictor.grid_hw(sample.size_hw)) | {"f1_2px_unscaled": plain})
    return {key: float(np.mean([score[key] for score in scores])) for key in FIGURES}


def _line(row: dict[str, Any]) -> str:
    return f"| {row['row']} | {row['minutes']:.1f} | " + " | ".join(f"{row[key]:.3f}" for key in FIGURES) + " |"


if __name__ == "__main__":
    main()
