"""What a checkpoint sees at first sight: `python -m training.studies.accuracy CHECKPOINT EXPORTS`.

Real photos split by group, one look each, a threshold a class chosen on the validation split: each class against its own
labels, box labels by the boxes of the predicted parts, drawn bands where there are any; the other class's prompt; synonyms
beside each other; clean walls. Generated walls beside them, which have pixel truth.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from core.masks.mask import Mask, decode_rle, draw_band
from core.metrics.overlap import count_pixels, iou
from core.metrics.table import all_metrics
from core.models.clipseg import PromptSegmenter
from core.models.predictor import Predictor
from core.photos import Photo, read_photo
from core.progress import Progress, silent
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import LabelSettings
from data.intake.preparation import prepare
from data.store.records import Sample
from data.synthetic.walls import make_scene
from data.workspace import Workspace
from training.runs.execution import examples
from training.scoring.thresholds import best_thresholds
from training.terminal import progress

KEYS = ("iou", "dice", "tolerant_f1_2px", "precision", "recall", "box_iou")
PLAIN_WORDS = {"cracks": ("crack", "fissure in the wall"), "taping": ("joint", "taped seam")}
"""Beside the published synonyms: what people type who have not read them."""
_SEED = 950_000


@dataclass(frozen=True)
class MeasureSize:
    """How much is looked at. real: test photos at most; val: photos to choose thresholds by at most; synonyms: photos each is
    asked about; clean: pieces of walls without a defect, half of them cut out of real photos; generated: walls."""

    real: int = 10_000
    val: int = 10_000
    synonyms: int = 40
    clean: int = 100
    generated: int = 160
    piece_px: int = 224


def measure(
    checkpoint: str | Path,
    workspace: Workspace,
    synonyms: dict[str, tuple[str, ...]] = PUBLISHED_SYNONYMS,
    size: MeasureSize | None = None,
    drawn: Path | None = None,
    on_progress: Progress = silent,
) -> dict[str, Any]:
    """The figures by name. workspace: real photos, split; generated walls in it (`wall_*`) are left alone. drawn: JSON of bands
    drawn by eye (`training.studies.seams.score_drawn`)."""
    size = size or MeasureSize()
    predictor = Predictor(PromptSegmenter.load(checkpoint))
    prompts = {name: sentences[0] for name, sentences in synonyms.items()}
    tight = LabelSettings(boxes="proposal")  # a band's threshold is not chosen against the bare wall in a box
    chosen = [sample for sample in workspace.store.samples(split="val") if not sample.file_name.startswith("wall_")]
    val = examples(workspace, chosen[: size.val], labels=tight)
    thresholds = best_thresholds(predictor, val, synonyms)
    labels = workspace.store.labels()
    samples = [s for s in workspace.store.samples(split="test") if s.id in labels and not s.file_name.startswith("wall_")]
    samples = samples[: size.real]
    bands = _bands(drawn)
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for done, sample in enumerate(samples):
        on_progress("real photos", done, len(samples))
        photo, truth = read_photo(workspace.photo_path(sample.image_path)), decode_rle(labels[sample.id].rle)
        found = _masks(predictor, photo, prompts, thresholds)
        of_class = scores[sample.class_name]
        for key, value in all_metrics(found[sample.class_name], truth, predictor.grid_hw(truth.shape)).items():
            of_class[key].append(value)
        for other, mask in found.items():
            if other != sample.class_name:
                of_class["share_of_other"].append(float(mask.mean()))
        if sample.file_name in bands and sample.class_name == "taping":
            of_class["iou_with_drawn_bands"].append(
                iou(count_pixels(found["taping"], _drawn(bands[sample.file_name], truth.shape)))
            )
    return {
        "checkpoint": str(checkpoint),
        "thresholds": thresholds,
        "real": {
            name: {
                key: float(np.mean(of_class[key])) for key in (*KEYS, "share_of_other", "iou_with_drawn_bands") if of_class[key]
            }
            | {"photos": len(of_class["iou"]), "photos_with_drawn_bands": len(of_class["iou_with_drawn_bands"])}
            for name, of_class in sorted(scores.items())
        },
        "generated": _generated(predictor, prompts, thresholds, size.generated, on_progress),
        "synonyms": _synonyms(predictor, workspace, samples, synonyms, thresholds, size.synonyms, on_progress),
        "clean": _clean(predictor, workspace, samples, prompts, thresholds, size, on_progress),
    }


def _masks(predictor: Predictor, photo: Photo, prompts: dict[str, str], thresholds: dict[str, float]) -> dict[str, Mask]:
    found = predictor.predict(photo, list(prompts.values()))
    return {name: one.mask(thresholds.get(name, 0.5)) for name, one in zip(prompts, found, strict=True)}


def _generated(
    predictor: Predictor, prompts: dict[str, str], thresholds: dict[str, float], count: int, on_progress: Progress
) -> dict[str, Any]:
    """mIoU of each class over the walls that show it, and where both are shown the IoU of each class's mask with the other's
    truth (`overlap_with_other`)."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(count):
        on_progress("generated walls", number, count)
        scene = make_scene(_SEED + number)
        found = _masks(predictor, scene.photo, prompts, thresholds)
        shown = [name for name, truth in scene.masks.items() if truth.any()]
        for name in shown:
            scores[name]["miou"].append(iou(count_pixels(found[name], scene.masks[name])))
            for other in shown:
                if other != name:
                    scores[name]["overlap_with_other"].append(iou(count_pixels(found[name], scene.masks[other])))
    return {
        name: {key: float(np.mean(values)) for key, values in of_class.items()} | {"photos": len(of_class["miou"])}
        for name, of_class in sorted(scores.items())
    }


def _synonyms(
    predictor: Predictor,
    workspace: Workspace,
    samples: Sequence[Sample],
    synonyms: dict[str, tuple[str, ...]],
    thresholds: dict[str, float],
    count: int,
    on_progress: Progress,
) -> dict[str, Any]:
    """Mean IoU between the masks of two ways to ask, over all pairs and over photos of the class, and the worst pair."""
    agreement = {}
    for name in sorted(synonyms):
        of_class = [sample for sample in samples if sample.class_name == name]
        chosen = of_class[:: max(1, len(of_class) // count)][:count]
        asked = [*PUBLISHED_SYNONYMS.get(name, synonyms[name]), *PLAIN_WORDS.get(name, ())]
        pairs: dict[tuple[str, str], list[float]] = defaultdict(list)
        for done, sample in enumerate(chosen):
            on_progress(f"synonyms of {name}", done, len(chosen))
            photo = read_photo(workspace.photo_path(sample.image_path))
            masks = [found.mask(thresholds.get(name, 0.5)) for found in predictor.predict(photo, asked)]
            for (one, mask), (other, mask_) in combinations(zip(asked, masks, strict=True), 2):
                pairs[one, other].append(iou(count_pixels(mask, mask_)))
        if chosen:
            means = {pair: float(np.mean(values)) for pair, values in pairs.items()}
            worst = min(means, key=means.__getitem__)
            mean = float(np.mean([*means.values()]))
            agreement[name] = {"mean_iou": mean, "worst_iou": means[worst], "worst_pair": list(worst), "photos": len(chosen)}
    return agreement


def _clean(
    predictor: Predictor,
    workspace: Workspace,
    samples: Sequence[Sample],
    prompts: dict[str, str],
    thresholds: dict[str, float],
    size: MeasureSize,
    on_progress: Progress,
) -> dict[str, Any]:
    """How many of the clean pieces give an empty mask for every prompt, by where they come from."""
    labels = workspace.store.labels()
    pieces: list[tuple[str, Photo]] = []
    random = np.random.default_rng(_SEED)
    for place in random.permutation(len(samples)):
        if len(pieces) >= size.clean // 2:
            break
        truth = decode_rle(labels[samples[place].id].rle)
        corner = clean_corner(truth, size.piece_px, random)
        if truth.any() and corner is not None:
            photo = read_photo(workspace.photo_path(samples[place].image_path))
            piece = photo[corner[0] : corner[0] + size.piece_px, corner[1] : corner[1] + size.piece_px]
            if (piece.max(axis=-1) > 8).mean() > 0.9:  # not a black border
                pieces.append(("real", piece))
    for number in range(size.clean - size.clean // 2):
        pieces.append(("generated", make_scene(_SEED + 10_000 + number, contents="none").photo))
    empty: dict[str, list[bool]] = defaultdict(list)
    for done, (origin, photo) in enumerate(pieces):
        on_progress("clean pieces", done, len(pieces))
        empty[origin].append(not any(mask.any() for mask in _masks(predictor, photo, prompts, thresholds).values()))
    return {origin: {"left_empty": int(sum(of_origin)), "pieces": len(of_origin)} for origin, of_origin in sorted(empty.items())}


def clean_corner(truth: Mask, side_px: int, random: np.random.Generator) -> tuple[int, int] | None:
    """(row, column) of a square piece at least 16 px away from everything labelled, at random; None where there is no room."""
    margin = 16
    padded = np.pad(truth, margin).astype(np.int64).cumsum(0).cumsum(1)
    padded = np.pad(padded, ((1, 0), (1, 0)))
    reach = side_px + 2 * margin
    if min(truth.shape) < side_px:
        return None
    inside = padded[reach:, reach:] - padded[:-reach, reach:] - padded[reach:, :-reach] + padded[:-reach, :-reach]
    free = np.argwhere(inside == 0)
    return tuple(int(side) for side in free[random.integers(len(free))]) if len(free) else None  # type: ignore[return-value]


def _bands(drawn: Path | None) -> dict[str, list[dict[str, Any]]]:
    entries = json.loads(drawn.read_text("utf-8")) if drawn else []
    return {entry["file_name"]: entry["bands"] for entry in entries if entry["bands"]}


def _drawn(bands: Sequence[dict[str, Any]], size_hw: tuple[int, ...]) -> Mask:
    hw = (size_hw[0], size_hw[1])
    return np.logical_or.reduce([draw_band(np.array(b["points_xy"], float), b["width_px"], hw) for b in bands])


def as_markdown(figures: dict[str, Any]) -> str:
    """The figures as tables, with what they are measured against."""
    lines = [
        "Real photos of the test split (by group; never trained on), one look, threshold a class chosen on validation: "
        + ", ".join(f"{name} {value:.2f}" for name, value in figures["thresholds"].items())
        + ". Crack labels are polygons as delivered, taping labels are boxes as delivered; drawn bands were drawn by eye.",
        "",
        "| class | photos | mIoU | Dice | tolerant F1, 2 px | precision | recall | box IoU | mIoU with drawn bands | "
        "share that the other prompt marks |",
        "|---" + "|---:" * 9 + "|",
    ]
    for name, row in figures["real"].items():
        bands = f"{row['iou_with_drawn_bands']:.3f} ({row['photos_with_drawn_bands']})" if "iou_with_drawn_bands" in row else "-"
        numbers = " | ".join(f"{row[key]:.3f}" for key in KEYS)
        lines.append(f"| {name} | {row['photos']} | {numbers} | {bands} | {row['share_of_other']:.2%} |")
    lines += ["", "| class | generated walls | mIoU | IoU with the other class |", "|---|---:|---:|---:|"]
    for name, row in figures["generated"].items():
        lines.append(f"| {name} | {row['photos']} | {row['miou']:.3f} | {row.get('overlap_with_other', float('nan')):.3f} |")
    said = [
        f"{row['mean_iou']:.3f} for {name} (worst pair {row['worst_iou']:.3f}: {' / '.join(row['worst_pair'])})"
        for name, row in figures["synonyms"].items()
    ]
    empty = [f"{row['left_empty']} of {row['pieces']} {origin}" for origin, row in figures["clean"].items()]
    lines += ["", f"Mean IoU between the masks of two synonyms: {'; '.join(said)}."]
    lines += [f"Clean pieces that both prompts leave wholly empty: {'; '.join(empty)}."]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a checkpoint sees at first sight")
    parser.add_argument("checkpoint", help="compact, or a CLIPSeg folder")
    parser.add_argument("exports", type=Path, help="raw exports of real photos, or a workspace made from them")
    parser.add_argument("--drawn", type=Path, help="bands drawn by eye (JSON)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, progress() as on_progress:
        is_workspace = (arguments.exports / "qa.db").is_file()
        opened = Workspace.open(arguments.exports if is_workspace else Path(temporary))
        if not is_workspace:
            prepare(arguments.exports, opened, on_progress=on_progress)
        print(as_markdown(measure(arguments.checkpoint, opened, drawn=arguments.drawn, on_progress=on_progress)))
