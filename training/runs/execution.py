"""Executing a run: label set and configuration in, events, checkpoint and scores out."""

import contextlib
import errno
import io
import json
import logging
import os
import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from PIL import Image
from sqlalchemy.exc import SQLAlchemyError

from core.errors import DrywallError, RequestError
from core.files import write_atomically
from core.metrics.table import all_metrics
from core.models.box_sam import BoxSam
from core.models.clipseg import PromptSegmenter, set_sure
from core.models.number_formats import available
from core.models.predictor import Predictor
from core.progress import Progress, silent
from core.settings import LabelSettings
from core.train.dataset import PromptedDataset
from core.train.example import Example
from core.train.feature_cache import FeatureCache
from core.train.trainer import Event, Outcome, State, device_type, mixed_precision, train
from data.store.records import Sample
from data.workspace import Workspace
from training.config import RunConfig
from training.inference.formats import machine_format, recorded_formats
from training.review.tight_labels import becomes_tight, find_seams, with_tight_label
from training.runs.folder import RunFolder
from training.runs.model_card import model_card
from training.runs.opened import OpenedRun
from training.runs.provenance import record_provenance
from training.runs.runs import check_resumable, process_started
from training.runs.scratch import SCRATCH, untrained_segmenter
from training.runs.trackers import Tracker
from training.runs.turn import listen_for_stop
from training.scoring.evaluation import evaluate
from training.scoring.figures import paint_agreement
from training.scoring.thresholds import SURE, best_cut, save_thresholds

logger = logging.getLogger(__name__)
WATCHED_OF_A_CLASS, WATCHED_PX = 3, 320


def execute(
    run: OpenedRun,
    on_event: Callable[[Event], None] = lambda event: None,
    *,
    resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    score: bool = True,
) -> Outcome:
    """Train the queued run in this process, then score the test split, unless score says otherwise. SIGTERM, Ctrl-C and should_stop
    end it after the step it is in.

    Whatever happens is written to the run: state, reason, best epoch. resume: go on after its last whole epoch. Under
    `accelerate launch` every process calls this; the first one writes. Raises DrywallError when the work fails.
    """
    if resume:
        check_resumable(run)
    store, folder, first = run.store, run.folder, PartialState().is_main_process
    tracker: Tracker | None = None

    def record(**changes: Any) -> None:
        if first:
            store.update_run(run.id, **changes)

    def tell(event: Event) -> None:
        if first:
            folder.append_event(event)
            on_event(event)
            if tracker is not None:
                tracker.hear(event)

    record(
        status="running",
        started_at=datetime.now(UTC),
        finished_at=None,
        reason="",
        pid=os.getpid(),
        pid_started=process_started(os.getpid()),
    )
    stopping = listen_for_stop()
    try:
        config = run.config
        tracker = Tracker(run) if first else None
        formats = json.loads(agreed(lambda: json.dumps(_formats(folder, config))))
        if first:
            record_provenance(store, folder.environment, formats)
        outcome = _train(run, _in_format(config, formats), tell, lambda: stopping.is_set() or should_stop(), resume)
        if first and outcome.best_epoch and not outcome.stopped:
            _choose_thresholds(run, tell)
        if first and score and outcome.best_epoch and not outcome.stopped and _labelled(run, "test"):
            tell({"event": "scoring"})
            found = evaluate(run, "test")
            miou = {name: row["miou"] for name, row in {**found["classes"], "all": found["overall"]}.items()}
            tell({"event": "scored", "miou": miou})
    except Exception as error:
        reason = _reason(error, run.id)
        with contextlib.suppress(OSError, SQLAlchemyError):  # on a full disk nothing can be written; it is said below
            record(status="failed", reason=reason, finished_at=datetime.now(UTC))
            tell({"event": "failed", "reason": reason})
        if isinstance(error, DrywallError):
            raise
        if _is_full_disk(error):
            raise DrywallError(f"run {run.id} failed: {reason}") from error
        traceback.print_exc()
        raise DrywallError(f"run {run.id} failed ({reason}); its log.txt has the details") from error
    status = "stopped" if outcome.stopped else "finished"
    tell({"event": status, "best_epoch": outcome.best_epoch, "seconds": outcome.seconds})
    record(
        status=status,
        finished_at=datetime.now(UTC),
        seconds=outcome.seconds,
        best_epoch=outcome.best_epoch or None,
        best_val_miou=outcome.best_val_miou if outcome.best_epoch else None,
    )
    return outcome


def _labelled(run: OpenedRun, split: str) -> list[Sample]:
    labels = run.store.labels()
    return [sample for sample in run.samples(split) if sample.id in labels]


def _formats(folder: RunFolder, config: RunConfig) -> dict[str, str]:
    """The number formats the run recorded when it started, else as they are decided now."""
    recorded = recorded_formats(folder)
    if "training" in recorded:
        return recorded
    precision = mixed_precision(config.train)
    return {"training": "fp32" if precision == "no" else precision, "prediction": machine_format()}


def _in_format(config: RunConfig, formats: dict[str, str]) -> RunConfig:
    """The configuration with what `auto` was decided to be; fp32 where this machine has no such format, and that is said."""
    if config.train.precision != "auto":
        return config
    name = formats["training"]
    if not available(name, device_type()):
        logger.warning("the run began in %s, which this machine does not have; it goes on in fp32", name)
        name = "fp32"
    precision = "no" if name == "fp32" else name
    return config.changed(train={"precision": precision})


def agreed(make: Callable[[], str]) -> str:
    """What `make` returns in the first process, in all of them."""
    box = [make() if PartialState().is_main_process else ""]
    return broadcast_object_list(box)[0]


def _reason(error: Exception, run_id: str) -> str:
    if isinstance(error, DrywallError):
        return str(error)
    if _is_full_disk(error):
        return f"the disk is full; the checkpoints of earlier epochs are whole: free some space, then drywall-qa resume {run_id}"
    return f"{type(error).__name__}: {error}"


def _is_full_disk(error: BaseException) -> bool:
    """Each writer says it its own way: Python and torch, safetensors, SQLite."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    return any(words in str(error) for words in (f"os error {errno.ENOSPC}", "database or disk is full"))


def examples(
    workspace: Workspace,
    samples: Sequence[Sample],
    label_set: str | None = None,
    labels: LabelSettings | None = None,
    on_progress: Progress = silent,
) -> list[Example]:
    """Samples with their labels, current or frozen. Raises RequestError when none has one.

    labels: what box labels stand for; they stay boxes without it.
    """
    labels = labels or LabelSettings()
    sam = BoxSam.load(labels.sam) if labels.sam and labels.boxes != "box" else None
    revisions = workspace.store.labels(label_set)
    labelled = [(s, revisions[s.id]) for s in samples if s.id in revisions]
    if not labelled:
        raise RequestError("there are no labelled samples in a split; import an export first (drywall-qa prepare RAW_DIR)")
    if sam is None:
        find_seams(workspace, [s for s, revision in labelled if becomes_tight(s, revision, labels)], on_progress)
    return [
        with_tight_label(
            workspace,
            Example(s.id, s.file_name, s.class_name, workspace.photo_path(s.image_path), revision.rle),
            s,
            revision,
            labels,
            sam,
        )
        for s, revision in labelled
    ]


def _train(
    run: OpenedRun, config: RunConfig, tell: Callable[[Event], None], should_stop: Callable[[], bool], resume: bool
) -> Outcome:
    folder, record = run.folder, run.record
    seeking = partial(_tell_seams, tell)
    if not resume and PartialState().is_main_process:
        run.divide()
    PartialState().wait_for_everyone()
    train_examples, val_examples = (
        examples(run.workspace, run.samples(split), record.label_set, config.labels, seeking) for split in ("train", "val")
    )
    tested = len(_labelled(run, "test"))
    unknown = {e.class_name for e in (*train_examples, *val_examples)} - set(config.synonyms)
    if unknown:
        raise RequestError(f"there are no prompts for class {', '.join(sorted(unknown))}; add them under synonyms")
    state = _read_state(folder.last_state) if resume else None
    tell(
        {
            "event": "started",
            "run": run.id,
            "train": len(train_examples),
            "val": len(val_examples),
            "epoch": state.epoch if state else 0,
        }
    )
    segmenter = make_segmenter(config)
    settings = config.train
    train_set = PromptedDataset(
        train_examples,
        config.synonyms,
        settings.size_px,
        train=True,
        augment=config.augment,
        views=config.cache.views if config.cache.max_gb else 0,
        seed=settings.seed,
        others=settings.others,
    )
    val_set = PromptedDataset(val_examples, config.synonyms, settings.size_px, train=False)

    def listen(event: Event) -> None:
        if event["event"] == "epoch":
            event = event | {"load": _load()}
        if event["event"] != "step" or event["step"] % max(1, event["steps"] // 20) == 0:
            tell(event)

    def save(segmenter: PromptSegmenter) -> None:
        card = model_card(config, record, len(train_examples), len(val_examples))
        folder.put_best(lambda place: segmenter.save_pretrained(place, card))

    return train(
        segmenter,
        train_set,
        val_set,
        settings,
        config.loss,
        on_event=listen,
        save_best=save,
        save_state=lambda state: _write_state(folder.last_state, state),
        resume_from=state,
        after_epoch=partial(_watch, run, config, _watched(val_examples)),
        should_stop=should_stop,
        features=_feature_cache(run.workspace, segmenter, config),
        scoring_seconds=_scoring_seconds(segmenter, config, val_examples, tested) if settings.minutes else 0.0,
    )


def _watched(examples: Sequence[Example]) -> list[Example]:
    """The same few of each class in every epoch."""
    by_class: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda one: one.sample_id):
        by_class.setdefault(example.class_name, []).append(example)
    return [example for name in sorted(by_class) for example in by_class[name][:WATCHED_OF_A_CLASS]]


def _watch(run: OpenedRun, config: RunConfig, watched: Sequence[Example], segmenter: PromptSegmenter, epoch: int) -> None:
    """Paint what the model sees of the watched photos now, so that one can see the masks form."""
    predictor, folder = Predictor(segmenter, config.inference), run.folder.watched(epoch)
    for example in watched:
        photo, truth = example.read()
        found = predictor.predict(photo, [config.synonyms[example.class_name][0]])[0].mask(config.train.threshold)
        picture = Image.fromarray(paint_agreement(photo, truth, found))
        picture.thumbnail((WATCHED_PX, WATCHED_PX))
        buffer = io.BytesIO()
        picture.save(buffer, format="WEBP", quality=80, method=2)
        write_atomically(folder / f"{example.sample_id}.webp", buffer.getvalue(), lasting=False)


def _load() -> dict[str, float]:
    """How busy the machine is: cpu in % since the last look, memory of this process and free in GB."""
    memory = psutil.virtual_memory()
    return {"cpu": psutil.cpu_percent(), "memory_gb": psutil.Process().memory_info().rss / 1e9, "free_gb": memory.available / 1e9}


def _tell_seams(tell: Callable[[Event], None], what: str, done: int, total: int) -> None:
    if done % 20 == 0 or done == total:
        tell({"event": "seams", "done": done, "total": total})


def _scoring_seconds(segmenter: PromptSegmenter, config: RunConfig, val: list[Example], tested: int) -> float:
    """What choosing thresholds and scoring the test split will take: the median look at a few photos, the first of which warms up;
    one look that something else on the machine held up says nothing."""
    predictor, seconds = Predictor(segmenter, config.inference), []
    for example in val[:10]:
        began = time.monotonic()
        photo, truth = example.read()
        found = predictor.predict(photo, [config.synonyms[example.class_name][0]])[0]
        all_metrics(found.mask(), truth, predictor.grid_hw(truth.shape))
        seconds.append(time.monotonic() - began)
    looks = tested + config.train.threshold_per_class * len(val)
    return 1.2 * looks * statistics.median(seconds[1:] or seconds)


def _feature_cache(workspace: Workspace, segmenter: PromptSegmenter, config: RunConfig) -> FeatureCache | None:
    if not config.cache.max_gb or config.model.train_backbone:
        return None
    with torch.inference_mode():
        below = segmenter.encode_below(torch.zeros(1, 3, *segmenter.input_hw))
    shape = (len(below), *below[0].shape[1:])
    key = f"{segmenter.frozen_key()} {mixed_precision(config.train)}"  # fp32 must not read what bf16 rounded
    return FeatureCache(workspace.features, key, shape, int(config.cache.max_gb * 1e9))


def _write_state(path: Path, state: State) -> None:
    buffer = io.BytesIO()
    torch.save(vars(state), buffer)
    write_atomically(path, buffer.getvalue())


def _read_state(path: Path) -> State:
    try:
        state = State(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of a damaged file torch raises what it likes
        raise RequestError(
            f"{path} is damaged, so the run cannot go on where it stopped; start a new run from its best checkpoint instead"
        ) from error
    before = "refiner."  # what the branch was called before 0.2
    state.weights = {f"branch.{n.removeprefix(before)}" if n.startswith(before) else n: w for n, w in state.weights.items()}
    return state


def _choose_thresholds(run: OpenedRun, tell: Callable[[Event], None]) -> None:
    if not run.config.train.threshold_per_class:
        return
    tell({"event": "choosing thresholds"})
    val_examples = examples(run.workspace, run.samples("val"), run.record.label_set, run.config.labels)
    asked = run.config.inference.sure
    predictor, sures = run.predictor({"sure": 0.0}), SURE if asked is None else (asked,)
    found, sure = best_cut(predictor, val_examples, run.config.synonyms, sures)
    save_thresholds(found, run.folder.thresholds)
    set_sure(run.folder.best_checkpoint, sure)
    tell({"event": "thresholds", "classes": found, "sure": sure})


def make_segmenter(config: RunConfig) -> PromptSegmenter:
    """The model a run starts from, with its parts frozen or free as configured."""
    torch.manual_seed(config.train.seed)
    if config.checkpoint == SCRATCH:
        prompts = [prompt for synonyms in config.synonyms.values() for prompt in synonyms]
        segmenter = untrained_segmenter(prompts, config.train.seed)
    else:
        segmenter = PromptSegmenter.load(config.checkpoint)
    if segmenter.reshape_decoder(config.model.decoder):
        own = segmenter.clipseg.config
        logger.warning(
            "the decoder starts untrained: reduce_dim %d, extract_layers %s differ from those of %s",
            own.reduce_dim,
            own.extract_layers,
            config.checkpoint,
        )
    if config.model.branch is not None and segmenter.branch is None:
        segmenter.add_branch(config.model.branch)
    segmenter.freeze_backbone(not config.model.train_backbone)
    segmenter.unfreeze_blocks(config.model.unfreeze_blocks)
    return segmenter
