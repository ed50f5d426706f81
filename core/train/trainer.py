"""The training loop, read top to bottom. It knows tensors and numbers; runs, files and pages listen to its events."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, DistributedDataParallelKwargs, gather_object, set_seed
from torch.nn import functional as F
from torch.utils.data import DataLoader

from core.errors import DrywallError
from core.metrics.overlap import PixelCounts, dice, iou
from core.models.clipseg import PromptSegmenter, attend_by_matmul
from core.models.number_formats import available, in_format, pays
from core.settings import LossSettings, TrainSettings
from core.train.dataset import Batch, PromptedDataset, collate
from core.train.feature_cache import FeatureCache
from core.train.losses import SegmentationLoss
from core.train.parameters import parameter_groups
from core.train.schedule import Plan, cosine_annealing

Event = dict[str, Any]
EXPLODED = 10.0
"""A loss this many times the mean of the last hundred steps is no longer learning."""


@dataclass(frozen=True)
class Outcome:
    best_epoch: int
    best_val_miou: float
    epochs: int
    seconds: float
    stopped: bool


@dataclass
class State:
    """All that a run needs to go on after an epoch. What is random comes from (seed, epoch, sample), so there is nothing
    random to keep. weights: trainable parameters by name; optimizer, scheduler: their state dicts."""

    epoch: int = 0
    best_epoch: int = 0
    best_miou: float = -1.0
    seconds: float = 0.0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scheduler: dict[str, Any] = field(default_factory=dict)


def train(
    segmenter: PromptSegmenter,
    train_set: PromptedDataset,
    val_set: PromptedDataset,
    config: TrainSettings,
    loss_terms: LossSettings,
    *,
    on_event: Callable[[Event], None],
    save_best: Callable[[PromptSegmenter], None],
    save_state: Callable[[State], None] = lambda state: None,
    resume_from: State | None = None,
    after_epoch: Callable[[PromptSegmenter, int], None] = lambda segmenter, epoch: None,
    should_stop: Callable[[], bool] = lambda: False,
    features: FeatureCache | None = None,
    scoring_seconds: float = 0.0,
) -> Outcome:
    """Train what is not frozen until the epochs, the minutes or the patience run out; `save_best` is called at each best val
    mIoU, `save_state` and `after_epoch` (with the number of the epoch) after every epoch. Under `accelerate launch` all processes
    call it; the first one's calls count.

    scoring_seconds: what the caller will take once the training has ended, of `config.minutes`.
    Raises DrywallError when the loss is not finite or explodes, or when the minutes leave none to train.
    """
    set_seed(config.seed)
    accelerator = _accelerator(config, segmenter)
    if accelerator.device.type == "cpu":
        attend_by_matmul(segmenter.trained_layers())
    groups = parameter_groups(segmenter, config)
    trainable = [parameter for group in groups for parameter in group["params"]]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    loader, val_loader = (
        DataLoader(
            data,
            config.batch_size,
            shuffle=data.train,
            num_workers=config.workers,
            collate_fn=collate,
            generator=torch.Generator().manual_seed(config.seed),
        )
        for data in (train_set, val_set)
    )
    state = resume_from or State()
    began = time.monotonic() - state.seconds
    plan = Plan(config.epochs * len(loader), config.minutes, state.seconds, scoring_seconds)
    if plan.share == 1 and not state.epoch:
        raise DrywallError(
            f"train.minutes is {config.minutes:g}, and scoring alone will take about {scoring_seconds / 60:.1f}; give it more"
        )
    scheduler = cosine_annealing(optimizer, plan.total, config.warmup)
    if resume_from is not None:
        segmenter.load_state_dict(state.weights, strict=False)
        optimizer.load_state_dict(state.optimizer)
        scheduler.load_state_dict(state.scheduler)
    model, optimizer, loader, val_loader = accelerator.prepare(segmenter, optimizer, loader, val_loader)

    @cache
    def encoder() -> PromptSegmenter:
        """Fills the feature cache. Made once, because what is frozen stays, and only if something is to be cached."""
        in_bf16 = accelerator.mixed_precision == "bf16" and available("bf16", accelerator.device.type)
        return in_format(segmenter, "bf16") if in_bf16 else segmenter

    loss_of, recent = SegmentationLoss(loss_terms), deque[float](maxlen=100)
    stopped, chunk, taken = False, config.batch_size, state.epoch * len(loader)
    if not accelerator.is_main_process:
        on_event = save_best = save_state = lambda _: None  # type: ignore[assignment]
    for epoch in range(state.epoch + 1, config.epochs + 1):
        if state.epoch - state.best_epoch >= config.patience or plan.share == 1:
            break
        set_seed(config.seed + epoch)
        train_set.epoch = epoch
        loader.set_epoch(epoch)
        if features is not None:
            for data in (train_set, val_set):
                _cache(features, data, segmenter, accelerator, config, on_event, encoder)
        epoch_began, loss_sum, seen = time.monotonic(), 0.0, 0
        model.train()
        for step, batch in enumerate(loader, 1):  # photos (B,3,S,S), prompts list[str], masks (B,S,S), indices (B,)
            if stopped := _over_processes(should_stop(), accelerator) > 0:
                break
            loss, chunk = _step(model, batch, chunk, loss_of, accelerator, on_event)
            loss = _over_processes(loss, accelerator)
            norm = accelerator.clip_grad_norm_(trainable, 1.0)
            if (trouble := _trouble(loss, norm, recent, accelerator)) is not None:
                names = ", ".join(train_set.examples[index].name for index in batch.indices.tolist())
                raise DrywallError(
                    f"{trouble} at epoch {epoch} step {step} ({names}); the best checkpoint so far is kept, "
                    "look at these samples or lower train.lr"
                )
            optimizer.step()
            plan.used_seconds = _over_processes(time.monotonic() - began, accelerator)
            if not accelerator.optimizer_step_was_skipped:
                scheduler.step()
            optimizer.zero_grad()
            recent.append(loss)
            loss_sum, seen, taken = loss_sum + loss * len(batch.prompts), seen + len(batch.prompts), taken + 1
            planned = math.ceil(plan.total(taken))
            epochs = math.ceil(planned / len(loader))
            place = {"epoch": epoch, "epochs": epochs, "step": step, "steps": len(loader), "taken": taken, "planned": planned}
            on_event({"event": "step", **place, "loss": loss})
            if plan.share == 1:
                break
        if stopped:
            break
        validation_began = time.monotonic()
        validation = validate(model, val_loader, val_set, loss_of, config.threshold, accelerator)
        seconds = time.monotonic() - epoch_began
        plan.kept_seconds = scoring_seconds + _over_processes(time.monotonic() - validation_began, accelerator)
        improved = validation["val_miou"] > state.best_miou
        if improved:
            state.best_epoch, state.best_miou = epoch, validation["val_miou"]
            save_best(accelerator.unwrap_model(model))
        on_event(
            {
                "event": "epoch",
                "epoch": epoch,
                "epochs": epochs,
                "train_loss": loss_sum / seen,
                **validation,
                "lr": scheduler.get_last_lr()[0],
                "seconds": seconds,
                "samples_per_second": seen * accelerator.num_processes / seconds,
                "best": improved,
            }
        )
        state.epoch, state.seconds = epoch, time.monotonic() - began
        state.weights = {name: value.detach() for name, value in segmenter.named_parameters() if value.requires_grad}
        state.optimizer, state.scheduler = optimizer.state_dict(), scheduler.state_dict()
        save_state(state)
        if accelerator.is_main_process:
            after_epoch(accelerator.unwrap_model(model), epoch)
    return Outcome(state.best_epoch, state.best_miou, state.epoch, time.monotonic() - began, stopped)


def mixed_precision(config: TrainSettings) -> str:
    """What train.precision says; "auto" is bf16 where that is measured to pay, else no. Timings vary: a run asks once."""
    if config.precision != "auto":
        return config.precision
    return "bf16" if pays("bf16", device_type()) else "no"


def device_type() -> str:
    """Of what trains here: "cpu", "cuda" or "mps"."""
    return PartialState().device.type if torch.cuda.is_available() or torch.backends.mps.is_available() else "cpu"


def _accelerator(config: TrainSettings, segmenter: PromptSegmenter) -> Accelerator:
    AcceleratorState._reset_state()  # a process may train twice, in two number formats
    return Accelerator(
        mixed_precision=mixed_precision(config),
        cpu=device_type() == "cpu",
        # the batch is the run's, however many processes share it; the order is the epoch's
        dataloader_config=DataLoaderConfiguration(split_batches=True, use_seedable_sampler=True, data_seed=config.seed),
        # a tower that trains has parts behind the last extracted layer which get no gradient
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=segmenter.cut == 0)],
    )


def _step(
    model: torch.nn.Module,
    batch: Batch,
    chunk: int,
    loss_of: SegmentationLoss,
    accelerator: Accelerator,
    on_event: Callable[[Event], None],
) -> tuple[float, int]:
    """Forward and backward of one batch, `chunk` samples at a time; returns its loss and the chunk that fitted.

    Where memory runs out the chunk is halved and gradients accumulate: loss and gradient stay the batch's.
    """
    size = len(batch.prompts)
    while True:
        try:
            total = 0.0
            for first in range(0, size, chunk):
                part = slice(first, first + chunk)
                photos = None if batch.photos is None else batch.photos[part]
                below = None if batch.activations is None else tuple(layer[part] for layer in batch.activations)
                prompts, masks = batch.prompts[part], batch.masks[part]
                with accelerator.autocast():
                    logits = _to_size(model(photos, prompts, _as_float(below, accelerator)), masks)
                weights = None if batch.weights is None else batch.weights[part]
                loss = loss_of(logits, masks, weights) * (len(prompts) / size)
                accelerator.backward(loss)
                total += loss.item()
            return total, chunk
        except RuntimeError as error:  # torch.OutOfMemoryError is one; a CPU has only the words
            if not _out_of_memory(error) or chunk == 1 or accelerator.num_processes > 1:
                raise
        chunk = math.ceil(min(chunk, size) / 2)
        model.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        on_event({"event": "memory", "batch": chunk, "accumulate": math.ceil(size / chunk)})


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def _as_float(below: tuple[torch.Tensor, ...] | None, accelerator: Accelerator) -> tuple[torch.Tensor, ...] | None:
    """Cached activations come in half precision; autocast takes them from here."""
    if below is None:
        return None
    kind = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
    return tuple(layer.to(kind) for layer in below)


def _trouble(loss: float, norm: torch.Tensor | None, recent: deque[float], accelerator: Accelerator) -> str | None:
    """What is wrong with a step in the first words of a sentence, or None. fp16 scales losses and skips a bad step itself."""
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if norm is not None and not torch.isfinite(norm) and accelerator.mixed_precision != "fp16":
        return f"the gradient is {norm.item()}"
    if len(recent) == recent.maxlen and loss > EXPLODED * (mean := sum(recent) / len(recent)) and loss > 1:
        return f"the loss exploded from {mean:.3f} to {loss:.3f}"
    return None


def _over_processes(value: float, accelerator: Accelerator) -> float:
    """The mean over all processes: they must stop and fail together."""
    if accelerator.num_processes == 1:
        return value
    return accelerator.reduce(torch.tensor(float(value), device=accelerator.device), "mean").item()


@torch.inference_mode()
def _cache(
    features: FeatureCache,
    data: PromptedDataset,
    segmenter: PromptSegmenter,
    accelerator: Accelerator,
    config: TrainSettings,
    on_event: Callable[[Event], None],
    encoder: Callable[[], PromptSegmenter],
) -> None:
    """Have every view of this epoch in the cache, or say why the photos are encoded anew."""
    data.features = None
    keys = {data.feature_key(index): index for index in range(len(data))}
    if not features.make_room(keys):
        gigabytes = features.entry_bytes * len(keys) / 1e9
        on_event({"event": "cache", "used": False, "gigabytes": gigabytes, "reason": "no room for them on disk"})
        return
    missing = features.missing(keys)
    if missing:
        on_event({"event": "cache", "used": True, "photos": len(missing), "gigabytes": features.entry_bytes * len(missing) / 1e9})
    segmenter.eval()
    photos = DataLoader(_Photos(data, [keys[key] for key in missing]), config.batch_size, num_workers=config.workers)
    for number, pixels in enumerate(photos):
        if number % accelerator.num_processes != accelerator.process_index:
            continue
        frozen = encoder()
        with accelerator.autocast():
            below = frozen.encode_below(frozen.pixel_values(pixels.to(accelerator.device)))
        for row in range(len(pixels)):
            features.write(missing[number * config.batch_size + row], tuple(layer[row] for layer in below))
    accelerator.wait_for_everyone()
    data.features, data.need_photos = features, segmenter.branch is not None


class _Photos(torch.utils.data.Dataset):
    def __init__(self, data: PromptedDataset, indices: list[int]) -> None:
        self.data, self.indices = data, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.data.photo(self.indices[place])


@torch.inference_mode()
def validate(
    model: torch.nn.Module,
    loader: DataLoader,
    dataset: PromptedDataset,
    loss_of: SegmentationLoss,
    threshold: float,
    accelerator: Accelerator,
) -> Event:
    """Loss, mIoU and Dice at the training size, over all samples and per class."""
    model.eval()
    rows: list[tuple[int, float, int, int, int]] = []
    for batch in loader:
        below = _as_float(batch.activations, accelerator)
        with accelerator.autocast():
            logits = _to_size(model(batch.photos, batch.prompts, below), batch.masks).float()
        predicted, true = logits.sigmoid() >= threshold, batch.masks.bool()
        tp, fp, fn = ((a & b).sum((-2, -1)) for a, b in ((predicted, true), (predicted, ~true), (~predicted, true)))
        for row, index in enumerate(batch.indices.tolist()):
            loss = loss_of(logits[[row]], batch.masks[[row]]).item()
            rows.append((index, loss, int(tp[row]), int(fp[row]), int(fn[row])))
    if accelerator.num_processes > 1:
        rows = gather_object(rows)
    scores: dict[str, list[tuple[float, float]]] = {}
    found = {index: row for index, *row in rows}  # the last batch is filled up with samples that were seen
    for index, (_, tp_, fp_, fn_) in sorted(found.items()):
        counts = PixelCounts(int(tp_), int(fp_), int(fn_), 0)
        scores.setdefault(dataset.examples[index].class_name, []).append((iou(counts), dice(counts)))
    everything = [score for of_class in scores.values() for score in of_class]
    return {
        "val_loss": _mean([row[0] for row in found.values()]),
        "val_miou": _mean([score[0] for score in everything]),
        "val_dice": _mean([score[1] for score in everything]),
        "classes": {
            name: {"miou": _mean([s[0] for s in of_class]), "dice": _mean([s[1] for s in of_class]), "samples": len(of_class)}
            for name, of_class in sorted(scores.items())
        },
    }


def _to_size(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if logits.shape == targets.shape:
        return logits
    return F.interpolate(logits[:, None], targets.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
