"""The facts of a report, gathered from a run's folder and the store's rows for that run; nothing is computed twice."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.masks.mask import Mask, decode_rle
from core.photos import Photo, read_photo
from data.store.records import LabelSet, Run
from training.runs.opened import OpenedRun
from training.scoring.causes import FAILED_BELOW_IOU, Cause, cause_of, measure
from training.scoring.evaluation import summary
from training.scoring.leakage import Tested, leaky_and_honest, on_test, own_sentence, without_copies
from training.scoring.prompts import asked_prompts
from training.scoring.slices import slices
from training.scoring.stored_probs import Probs, mask_at


@dataclass(frozen=True)
class Sight:
    """One scored sample as it was scored: the label revision and the threshold of its score."""

    score: Any
    photo: Photo
    truth: Mask
    prediction: Mask
    probs: Probs


@dataclass(frozen=True)
class Facts:
    """provenance: environment.json, empty for a run that was made without it. model: the checkpoint's config.json and,
    under "branch", the branch's. checkpoint: file name to sha256. causes: why each failed sample failed, by its id. leakage: this
    run and one of the same recipe that was divided the other way, the leaky one first. without_copies: in a sentence, this run on its
    test samples that have no copy in train. slices, prompts: of `training.scoring.slices` and, where somebody asked, `.prompts`."""

    opened: OpenedRun
    run: Run
    label_set: LabelSet
    split: str
    summary: dict[str, Any]
    scores: pd.DataFrame
    epochs: list[dict[str, Any]]
    provenance: dict[str, Any]
    model: dict[str, Any]
    checkpoint: dict[str, str]
    causes: dict[int, Cause]
    leakage: tuple[Tested, Tested] | None
    without_copies: str
    slices: pd.DataFrame
    prompts: dict[str, Any] | None

    @property
    def made_at(self) -> datetime:
        """The run's end, or its beginning: the report's date, whenever it is written."""
        return _utc(self.run.finished_at or self.run.created_at).replace(microsecond=0)

    @property
    def input_px(self) -> int:
        """Side of the square the model reads, as its processor has it."""
        processor = _json(self.opened.folder.best_checkpoint / "processor_config.json")
        return int(processor["image_processor"]["size"]["height"])

    @property
    def failed(self) -> pd.DataFrame:
        """The scores below FAILED_BELOW_IOU, worst first."""
        return self.scores[self.scores["sample_id"].isin(self.causes)].sort_values(["iou", "sample_id"])

    def look_at(self, score: Any) -> Sight:
        return _sight(self.opened, self.split, score)


def gather(opened: OpenedRun, split: str) -> Facts:
    """Raises RequestError for an unknown run, or one that was not scored on the split."""
    run, folder, store = opened.record, opened.folder, opened.store
    document, scores = summary(store, run.id, split), store.scores(run.id, split)
    causes = {}
    for score in scores[scores["iou"] < FAILED_BELOW_IOU].itertuples():
        sight = _sight(opened, split, score)
        measures = measure(
            sight.truth,
            sight.prediction,
            sight.probs,
            threshold=float(score.threshold),
            box_only=bool(score.is_box),
            ceiling=_finite(score.ceiling),
        )
        causes[int(score.sample_id)] = cause_of(measures)
    best = folder.best_checkpoint
    model = _json(best / "config.json")
    if branch := _json(best / "branch.json"):
        model["branch"] = branch
    weights = sorted(best.glob("*.safetensors"))
    return Facts(
        opened,
        run,
        store.label_set(run.label_set),
        split,
        document,
        scores,
        [event for event in folder.read_events() if event["event"] == "epoch"],
        _json(folder.environment),
        model,
        {path.name: _sha256(path) for path in weights},
        causes,
        leaky_and_honest(opened) if split == "test" else None,
        own_sentence(whole, without_copies(opened)) if split == "test" and (whole := on_test(opened)) else "",
        slices(scores),
        asked_prompts(opened, split),
    )


def _sight(opened: OpenedRun, split: str, score: Any) -> Sight:
    sample_id = int(score.sample_id)
    probs = opened.probs(split, sample_id)
    truth = decode_rle(opened.store.label(sample_id, int(score.revision)).rle)
    photo = read_photo(opened.workspace.photo_path(str(score.image_path)))
    return Sight(score, photo, truth, mask_at(probs, float(score.threshold)), probs)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
