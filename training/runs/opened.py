"""An opened run: the workspace it lives in and all that belongs to it, each part read when it is asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.errors import RequestError
from core.files import write_atomically
from core.prompts import class_of_prompt
from data.intake.splits import assign_samples
from data.store.records import Run, Sample
from data.store.store import Store
from data.workspace import Workspace
from training.config import RunConfig, make_config
from training.runs.folder import RunFolder
from training.scoring.stored_probs import Probs, read_probs

if TYPE_CHECKING:
    from core.models.predictor import TextToMask


@dataclass(frozen=True)
class OpenedRun:
    workspace: Workspace
    id: str

    @property
    def store(self) -> Store:
        return self.workspace.store

    @property
    def record(self) -> Run:
        """As the store has it now. Raises RequestError for an unknown id."""
        return self.store.run(self.id)

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.workspace.runs / self.id)

    @cached_property
    def config(self) -> RunConfig:
        """It never changes. Raises ConfigError for one that this version does not know."""
        return make_config(self.record.config, f"run {self.id}")

    def divide(self) -> None:
        """Where `split.by_group` is off, as the published system had it, deal out all samples at random, copies of one photo
        or not, for this run alone; the workspace's own division stays."""
        if not self.config.split.by_group:
            dealt = assign_samples(self.store.samples(), **self.config.split.model_dump())
            write_atomically(self.folder.split, json.dumps(dealt).encode())

    def samples(self, split: str) -> list[Sample]:
        """By the run's own division, where it has one, else the workspace's."""
        if not self.folder.split.is_file():
            return self.store.samples(split=split)
        own = json.loads(self.folder.split.read_text("utf-8"))
        return [replace(s, split=split) for s in self.store.samples() if own.get(str(s.id)) == split]

    @property
    def thresholds(self) -> dict[str, float]:
        """By class, the probability from which a pixel counts: chosen on validation (`training.scoring.thresholds`), else
        train.threshold."""
        path, config = self.folder.thresholds, self.config
        chosen = json.loads(path.read_text("utf-8")) if config.train.threshold_per_class and path.is_file() else {}
        return {name: chosen.get(name, config.train.threshold) for name in config.synonyms}

    def threshold_of(self, prompt: str) -> float:
        """By the class it is a synonym of; a sentence that belongs to no class is taken at train.threshold."""
        name = class_of_prompt(prompt, self.config.synonyms)
        return self.thresholds[name] if name else self.config.train.threshold

    def predictor(self, inference: Mapping[str, Any] | None = None) -> "TextToMask":
        """Its best checkpoint; a run of `training.scoring.checkpoint` has none of its own and predicts with the one it names.

        inference: settings that replace the run's own. Raises RequestError for a run that has no checkpoint yet, ConfigError
        for a setting out of range.
        """
        from training.inference.predictors import predictor_of  # brings torch, which takes seconds; most pages need none

        record, settings = self.record, self.config.inference
        weights = self.folder.best_checkpoint / "config.json"
        if not weights.is_file() and record.status == "finished" and record.best_epoch is None:
            return predictor_of(record.checkpoint, settings, inference)  # scored as it is, never trained
        if not weights.is_file():
            raise RequestError(f"run {self.id} ({record.status}) has no checkpoint; choose one that finished an epoch")
        return predictor_of(str(weights.parent), settings, inference, written=weights.parent.stat().st_mtime)

    def probs(self, split: str, sample_id: int) -> Probs:
        """(H, W) uint8 as its evaluation left them. Raises RequestError when there are none."""
        return read_probs(self.folder.probs_path(split, sample_id))
