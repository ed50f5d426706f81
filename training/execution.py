"""Executing a run: label set and configuration in, events, checkpoint and scores out."""

import os
import signal
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

from core.dataset import Example, PromptedDataset
from core.errors import DrywallError, RequestError
from core.model import PromptSegmenter
from core.trainer import Event, Outcome, train
from data.records import Run
from data.store import Store
from data.workspace import Workspace
from training.config import RunConfig, make_config
from training.evaluation import evaluate
from training.model_card import model_card
from training.provenance import record_provenance
from training.runs import run_folder
from training.scratch import SCRATCH, untrained_segmenter


def execute(
    workspace: Workspace, store: Store, run_id: str, on_event: Callable[[Event], None] = lambda event: None
) -> Outcome:
    """Train the queued run in this process, then score the test split. SIGTERM and Ctrl-C stop it after the step it is in.

    Whatever happens is written to the run: state, reason, best epoch. Raises DrywallError when the work fails.
    """
    run, folder = store.run(run_id), run_folder(workspace, run_id)
    process = psutil.Process()
    store.update_run(
        run_id, status="running", started_at=datetime.now(UTC), pid=os.getpid(), pid_started=process.create_time()
    )
    stopping = _listen_for_stop()

    def tell(event: Event) -> None:
        folder.append_event(event)
        on_event(event)

    try:
        record_provenance(store, folder.environment)
        outcome = _train(workspace, store, run, tell, stopping.is_set, folder.best_checkpoint)
        if outcome.best_epoch and not outcome.stopped and store.samples(split="test"):
            tell({"event": "scoring"})
            evaluate(workspace, store, run_id, "test")
    except Exception as error:
        reason = str(error) if isinstance(error, DrywallError) else f"{type(error).__name__}: {error}"
        tell({"event": "failed", "reason": reason})
        store.update_run(run_id, status="failed", reason=reason, finished_at=datetime.now(UTC))
        if isinstance(error, DrywallError):
            raise
        traceback.print_exc()
        raise DrywallError(f"run {run_id} failed ({reason}); its log.txt has the details") from error
    status = "stopped" if outcome.stopped else "finished"
    tell({"event": status, "best_epoch": outcome.best_epoch, "seconds": outcome.seconds})
    store.update_run(
        run_id, status=status, finished_at=datetime.now(UTC), seconds=outcome.seconds,
        best_epoch=outcome.best_epoch or None, best_val_miou=outcome.best_val_miou if outcome.best_epoch else None,
    )  # fmt: skip
    return outcome


def examples(workspace: Workspace, store: Store, split: str, label_set: str | None = None) -> list[Example]:
    """The samples of a split with their labels, current or frozen. Raises RequestError when there are none."""
    labels = store.labels(label_set)
    found = [
        Example(s.id, s.file_name, s.class_name, workspace.photo_path(s.image_path), labels[s.id].rle)
        for s in store.samples(split=split)
        if s.id in labels
    ]
    if not found:
        raise RequestError(
            f"there are no samples in split {split}; import an export first (drywall-qa prepare RAW_DIR)"
        )
    return found


def _train(
    workspace: Workspace, store: Store, run: Run, tell: Callable[[Event], None], should_stop: Callable[[], bool],
    best: Path,
) -> Outcome:  # fmt: skip
    config = make_config(run.config, f"run {run.id}")
    train_examples = examples(workspace, store, "train", run.label_set)
    val_examples = examples(workspace, store, "val", run.label_set)
    unknown = {e.class_name for e in (*train_examples, *val_examples)} - set(config.synonyms)
    if unknown:
        raise RequestError(f"there are no prompts for class {', '.join(sorted(unknown))}; add them under synonyms")
    tell({"event": "started", "run": run.id, "train": len(train_examples), "val": len(val_examples)})
    segmenter = make_segmenter(config)
    settings, augment = config.train, config.augment
    train_set = PromptedDataset(
        train_examples, config.synonyms, settings.size_px, train=True, crop_min=augment.crop_min, seed=settings.seed
    )
    val_set = PromptedDataset(val_examples, config.synonyms, settings.size_px, train=False)
    history: list[Event] = []

    def listen(event: Event) -> None:
        if event["event"] == "epoch":
            history.append(event)
        if event["event"] != "step" or event["step"] % max(1, event["steps"] // 20) == 0:
            tell(event)

    def save(segmenter: PromptSegmenter) -> None:
        card = model_card(config, run, len(train_examples), len(val_examples))
        segmenter.save_pretrained(best, card)

    return train(
        segmenter, train_set, val_set, settings, augment, on_event=listen, save_best=save, should_stop=should_stop
    )


def make_segmenter(config: RunConfig) -> PromptSegmenter:
    """The model a run starts from, with its parts frozen or free as configured."""
    torch.manual_seed(config.train.seed)
    if config.checkpoint == SCRATCH:
        prompts = [prompt for synonyms in config.synonyms.values() for prompt in synonyms]
        segmenter = untrained_segmenter(prompts, config.train.seed)
    else:
        segmenter = PromptSegmenter.load(config.checkpoint)
    if config.model.refiner is not None and segmenter.refiner is None:
        segmenter.add_refiner(config.model.refiner)
    segmenter.freeze_backbone(not config.model.train_backbone)
    return segmenter


def _listen_for_stop() -> threading.Event:
    stopping = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
    return stopping
