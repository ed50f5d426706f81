"""The training loop, read top to bottom. It knows tensors and numbers; runs, files and pages listen to its events."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.nn import functional as F
from torch.utils.data import DataLoader

from core.augment import Augment
from core.dataset import PromptedDataset, collate
from core.errors import DrywallError
from core.losses import BCEDiceLoss
from core.metrics import count_pixels, dice, iou
from core.model import PromptSegmenter
from core.settings import AugmentSettings, TrainSettings

Event = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    best_epoch: int
    best_val_miou: float
    epochs: int
    seconds: float
    stopped: bool


def train(
    segmenter: PromptSegmenter,
    train_set: PromptedDataset,
    val_set: PromptedDataset,
    config: TrainSettings,
    augment: AugmentSettings,
    *,
    on_event: Callable[[Event], None],
    save_best: Callable[[PromptSegmenter], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train what is not frozen until the epochs or the patience run out; `save_best` is called at each best val mIoU.

    Raises DrywallError when a loss is not finite.
    """
    set_seed(config.seed)
    accelerator = Accelerator(mixed_precision=config.precision, cpu=not _has_accelerator())
    trainable = [parameter for parameter in segmenter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=config.lr, weight_decay=config.weight_decay)
    loader = DataLoader(
        train_set, config.batch_size, shuffle=True, num_workers=config.workers, collate_fn=collate,
        generator=torch.Generator().manual_seed(config.seed),
    )  # fmt: skip
    val_loader = DataLoader(val_set, config.batch_size, num_workers=config.workers, collate_fn=collate)
    scheduler = cosine_annealing(optimizer, config.epochs * len(loader), config.warmup)
    model, optimizer, loader, val_loader, scheduler = accelerator.prepare(
        segmenter, optimizer, loader, val_loader, scheduler
    )
    loss_of, move = BCEDiceLoss(config.bce, config.dice), Augment(augment)
    began, best_epoch, best_miou, epoch, stopped = time.monotonic(), 0, -1.0, 0, False
    for epoch in range(1, config.epochs + 1):
        train_set.epoch = epoch
        epoch_began, loss_sum, seen = time.monotonic(), 0.0, 0
        model.train()
        for step, (photos, prompts, targets, indices) in enumerate(
            loader, 1
        ):  # (B,3,S,S), list[str], (B,S,S), list[int]
            if stopped := should_stop():
                break
            photos, targets = move(photos, targets)
            with accelerator.autocast():
                logits = _to_size(model(photos, prompts), targets)  # (B,S,S)
            loss = loss_of(logits, targets)
            if not torch.isfinite(loss):
                names = ", ".join(train_set.examples[index].name for index in indices)
                raise DrywallError(
                    f"the loss is {loss.item()} at epoch {epoch} step {step} ({names}); lower the learning rate"
                )
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(trainable, 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            loss_sum, seen = loss_sum + loss.item() * len(photos), seen + len(photos)
            on_event(
                {
                    "event": "step",
                    "epoch": epoch,
                    "epochs": config.epochs,
                    "step": step,
                    "steps": len(loader),
                    "loss": loss.item(),
                }
            )
        if stopped:
            break
        validation = validate(model, val_loader, val_set, loss_of, config.threshold, accelerator)
        seconds = time.monotonic() - epoch_began
        improved = validation["val_miou"] > best_miou
        if improved:
            best_epoch, best_miou = epoch, validation["val_miou"]
            save_best(accelerator.unwrap_model(model))
        on_event({
            "event": "epoch", "epoch": epoch, "epochs": config.epochs, "train_loss": loss_sum / seen, **validation,
            "lr": scheduler.get_last_lr()[0], "seconds": seconds, "samples_per_second": seen / seconds, "best": improved,
        })  # fmt: skip
        if epoch - best_epoch >= config.patience:
            break
    return Outcome(best_epoch, best_miou, epoch, time.monotonic() - began, stopped)


def cosine_annealing(
    optimizer: torch.optim.Optimizer, steps: int, warmup: float = 0.0
) -> torch.optim.lr_scheduler.LRScheduler:
    """Cosine annealing to 0 (Loshchilov & Hutter 2017, without restarts) after a linear rise over `warmup` of all steps."""
    rise = warmup * steps

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / (rise + 1)) * (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@torch.inference_mode()
def validate(
    model: torch.nn.Module,
    loader: Iterable,
    dataset: PromptedDataset,
    loss_of: BCEDiceLoss,
    threshold: float,
    accelerator: Accelerator,
) -> Event:
    """Loss, mIoU and Dice at the training size, over all samples and per class."""
    model.eval()
    scores: dict[str, list[tuple[float, float]]] = {}
    losses: list[float] = []
    for photos, prompts, targets, indices in loader:
        with accelerator.autocast():
            logits = _to_size(model(photos, prompts), targets).float()
        losses += [loss_of(logits[[row]], targets[[row]]).item() for row in range(len(targets))]
        predicted, true = (logits.sigmoid() >= threshold).cpu().numpy(), targets.bool().cpu().numpy()
        for index, prediction, truth in zip(indices, predicted, true, strict=True):
            counts = count_pixels(prediction, truth)
            scores.setdefault(dataset.examples[index].class_name, []).append((iou(counts), dice(counts)))
    everything = [score for of_class in scores.values() for score in of_class]
    return {
        "val_loss": _mean(losses),
        "val_miou": _mean([score[0] for score in everything]),
        "val_dice": _mean([score[1] for score in everything]),
        "classes": {
            name: {
                "miou": _mean([s[0] for s in of_class]),
                "dice": _mean([s[1] for s in of_class]),
                "samples": len(of_class),
            }
            for name, of_class in sorted(scores.items())
        },
    }


def _to_size(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if logits.shape == targets.shape:
        return logits
    return F.interpolate(logits[:, None], targets.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _has_accelerator() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()
