"""Prompt sensitivity: every synonym and any other sentence asked of photos of every class.

A prompt should find its own class, whatever its words, and nothing of the other. What was asked is kept in the run's folder.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import RequestError
from core.files import write_atomically
from core.masks.mask import decode_rle
from core.metrics.overlap import count_pixels, iou, recall
from core.photos import read_photo
from core.progress import Progress, silent
from core.prompts import check_prompt
from training.runs.opened import OpenedRun

OF_A_CLASS = 40


def ask_prompts(
    run: OpenedRun,
    split: str = "test",
    free: Sequence[str] = (),
    per_class: int = OF_A_CLASS,
    on_progress: Progress = silent,
    seed: int = 0,
) -> dict[str, Any]:
    """Ask a run every synonym of its classes, and the sentences of `free`, on up to `per_class` labelled photos of each class.

    Returns, and keeps for `asked_prompts`: {"split", "prompts": {PROMPT: CLASS or ""}, "samples": {CLASS: number}, "miou":
    {PROMPT: {CLASS: mIoU with that class's label}}, "worst": {CLASS: [[sample id, worst synonym, its IoU, best IoU], ...]} by the
    difference, "both": {PROMPT: {CLASS: mean recall of that class's label}} on photos that hold labels of more than one class,
    and "both_photos"}. Raises RequestError where nothing is labelled.
    """
    labels, random = run.store.labels(), np.random.default_rng(seed)
    samples = [s for s in run.samples(split) if s.id in labels and labels[s.id].area_px]
    if not samples:
        raise RequestError(f"split {split} holds no label to ask about; choose another")
    by_photo: dict[str, dict[str, Any]] = {}
    for sample in samples:
        by_photo.setdefault(sample.image_hash, {})[sample.class_name] = sample
    classes = sorted({sample.class_name for sample in samples})
    chosen = {}
    for name in classes:
        of_class = [s for s in samples if s.class_name == name]
        places = random.permutation(len(of_class))[:per_class]
        chosen[name] = [of_class[place] for place in sorted(places)]
    prompts = {prompt: name for name in classes for prompt in run.config.synonyms[name]}
    prompts |= {sentence: "" for sentence in map(check_prompt, free) if sentence not in prompts}
    predictor, thresholds = run.predictor(), {prompt: run.threshold_of(prompt) for prompt in prompts}
    ious: dict[str, dict[str, list[float]]] = {prompt: {name: [] for name in classes} for prompt in prompts}
    recalls: dict[str, dict[str, list[float]]] = {prompt: {name: [] for name in classes} for prompt in prompts}
    worst: dict[str, list[list[Any]]] = {name: [] for name in classes}
    asked = [(name, sample) for name in classes for sample in chosen[name]]
    both = set()
    for done, (name, sample) in enumerate(asked):
        on_progress("ask every prompt", done, len(asked))
        photo = read_photo(run.workspace.photo_path(sample.image_path))
        masks = {p.prompt: p.mask(thresholds[p.prompt]) for p in predictor.predict(photo, list(prompts))}
        truth = decode_rle(labels[sample.id].rle)
        found = {prompt: iou(count_pixels(mask, truth)) for prompt, mask in masks.items()}
        for prompt, value in found.items():
            ious[prompt][name].append(value)
        own = {prompt: found[prompt] for prompt, of in prompts.items() if of == name}
        least = min(own, key=lambda prompt: own[prompt])
        worst[name].append([sample.id, least, own[least], max(own.values())])
        if len(of_photo := by_photo[sample.image_hash]) > 1 and sample.image_hash not in both:
            both.add(sample.image_hash)
            for other, of_other in of_photo.items():
                label = decode_rle(labels[of_other.id].rle)
                for prompt, mask in masks.items():
                    recalls[prompt][other].append(recall(count_pixels(mask, label)))
    document = {
        "split": split,
        "prompts": prompts,
        "samples": {name: len(of_class) for name, of_class in chosen.items()},
        "miou": {prompt: _means(of_class) for prompt, of_class in ious.items()},
        "worst": {name: sorted(rows, key=lambda row: row[2] - row[3])[:12] for name, rows in worst.items()},
        "both": {prompt: _means(of_class) for prompt, of_class in recalls.items()} if both else {},
        "both_photos": len(both),
    }
    write_atomically(run.folder.prompts(split), (json.dumps(document, indent=2) + "\n").encode())
    return document


def asked_prompts(run: OpenedRun, split: str = "test") -> dict[str, Any] | None:
    """What was asked last, None before anything was."""
    path = run.folder.prompts(split)
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _means(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(found)) for name, found in values.items() if found}
