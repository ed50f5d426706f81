"""A run's folder: what lies where, and how it is written so that a reader never sees a part."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunFolder:
    """runs/ID: config.yaml, environment.json, events.jsonl, log.txt, checkpoints/best, evaluation/SPLIT, report.{pdf,html}."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.root / "log.txt"

    @property
    def environment(self) -> Path:
        """Versions, commit, machine and data as they were when the run started (`training.runs.provenance`)."""
        return self.root / "environment.json"

    @property
    def split(self) -> Path:
        """Of a run that divides the samples itself: JSON, the split by sample id (`OpenedRun.samples`)."""
        return self.root / "split.json"

    @property
    def best_checkpoint(self) -> Path:
        return self.root / "checkpoints" / "best"

    @property
    def last_state(self) -> Path:
        """What `drywall-qa resume` goes on from: weights, optimizer and scheduler after the last whole epoch."""
        return self.root / "checkpoints" / "last.pt"

    def put_best(self, write: Callable[[Path], None]) -> None:
        """Let `write` fill a new folder, then point `best` at it: a reader sees the old checkpoint or the new one, whole."""
        self.best_checkpoint.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.best_checkpoint.parent, prefix="best-"))
        folder.chmod(0o755)
        link = folder.with_suffix(".link")
        try:
            write(folder)
            link.symlink_to(folder.name, target_is_directory=True)
            os.replace(link, self.best_checkpoint)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for other in self.best_checkpoint.parent.glob("best-*"):
            if other.name != folder.name:
                shutil.rmtree(other, ignore_errors=True)

    @property
    def thresholds(self) -> Path:
        """Class to threshold, as chosen on validation (`training.scoring.thresholds`)."""
        return self.best_checkpoint / "thresholds.json"

    @property
    def tensorboard(self) -> Path:
        """`tensorboard --logdir runs` finds all of them."""
        return self.root / "tensorboard"

    def watched(self, epoch: int) -> Path:
        """Small pictures of a few validation photos as the model saw them after an epoch, SAMPLE.webp each."""
        return self.root / "watched" / f"{epoch:05d}"

    def watched_epochs(self) -> list[int]:
        """Those of which there are pictures, rising."""
        return sorted(int(path.name) for path in (self.root / "watched").glob("[0-9]*"))

    def report(self, suffix: str) -> Path:
        return self.root / f"report.{suffix}"

    def evaluation(self, split: str) -> Path:
        return self.root / "evaluation" / split

    def probs_path(self, split: str, sample_id: int) -> Path:
        """Predicted probabilities of one sample as an 8-bit PNG at the photo's size."""
        return self.evaluation(split) / "probs" / f"{sample_id}.png"

    def features_path(self, split: str) -> Path:
        """What the photos of a split are like (`training.scoring.likeness`)."""
        return self.evaluation(split) / "features.npz"

    @property
    def copied(self) -> Path:
        """JSON: the test samples that had a copy among the photos trained on, when the run was scored."""
        return self.evaluation("test") / "copied.json"

    def prompts(self, split: str) -> Path:
        """How the run answers to every prompt (`training.scoring.prompts`)."""
        return self.evaluation(split) / "prompts.json"

    def last_words(self, lines: int = 20) -> str:
        """The end of what the run's process wrote."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 20_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def append_event(self, event: dict[str, Any]) -> None:
        """One line, written at once, with its time."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}) + "\n"
        with self.events.open("a", encoding="utf-8") as file:
            file.write(line)

    def read_events(self) -> list[dict[str, Any]]:
        """Every whole line; one that is being written is left for the next look."""
        if not self.events.is_file():
            return []
        return list(_whole_lines(self.events.read_text("utf-8")))


def _whole_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            with contextlib.suppress(json.JSONDecodeError):  # a line that a killed process left half-written
                yield json.loads(line)
