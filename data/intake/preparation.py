"""Preparation: raw exports become samples in the workspace, grouped, split and reported on; again adds nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.masks.mask import rle_area
from core.progress import Progress, silent
from core.prompts import PUBLISHED_SYNONYMS
from data.exchange.archives import unpacked
from data.exchange.coco_shapes import unite
from data.exchange.placement import Exif
from data.intake.duplicates import group_photos, source_stem
from data.intake.raw_exports import Export, ExportImage, Seen, class_folders, find_exports, read_exports
from data.intake.splits import assign_samples
from data.intake.taking import Taken, take_photos
from data.store.records import ImportReport, NewSample
from data.workspace import Workspace


def prepare(
    raw_dir: Path,
    workspace: Workspace,
    *,
    train: float = 0.70,
    val: float = 0.15,
    by_group: bool = True,
    keep_source: bool = False,
    seed: int = 42,
    class_of_folder: dict[str, str] | None = None,
    exif: Exif | None = None,
    on_progress: Progress = silent,
) -> ImportReport:
    """Import everything below `raw_dir`, a folder or a ZIP archive of one, then group and split all samples of the workspace.

    A photo is stored by its content, so importing twice changes nothing and labels people fixed stay; a photo that the
    exports hold twice gets what either says. class_of_folder: the classes of folders, and of categories in them.
    """
    with unpacked(raw_dir) as place:
        class_of = class_of_folder or {}
        known = {name: name for name in PUBLISHED_SYNONYMS}
        folders = find_exports(place, {name: class_of[name] for name in class_folders(place, class_of)} or known)
        taken: dict[Path, Taken] = {}

        def look(paths: Sequence[Path]) -> dict[Path, Seen]:
            taken.update(take_photos(paths, workspace, on_progress))
            return {path: _seen(taken[path]) for path in paths}

        exports = read_exports(folders, class_of, exif, look)
        workspace.store.add_samples(_samples(exports, taken))
    regroup_and_split(
        workspace, train=train, val=val, by_group=by_group, keep_source=keep_source, seed=seed, on_progress=on_progress
    )
    report = ImportReport(
        str(raw_dir), datetime.now(UTC), [_row(export) for export in exports], [p for e in exports for p in e.problems]
    )
    workspace.store.save_import(report)
    return report


def regroup_and_split(
    workspace: Workspace, *, train: float, val: float, by_group: bool, keep_source: bool, seed: int, on_progress: Progress
) -> None:
    """Group all samples of the workspace by source photo and likeness, then divide them anew."""
    samples = workspace.store.samples()
    if not samples:
        return
    stems = {sample.image_hash: source_stem(sample.file_name) for sample in samples}
    images = workspace.store.images()
    if undescribed := [workspace.photo_path(images[h].path) for h in stems if images[h].view_hashes is None]:
        take_photos(undescribed, workspace, on_progress)
        images = workspace.store.images()
    hashes = [np.frombuffer(images[h].view_hashes or b"", np.uint8).reshape(8, -1) for h in stems]
    numbers = dict(zip(stems, group_photos([*stems.values()], np.stack(hashes)), strict=True))
    names: dict[int, str] = {}
    for sample in samples:  # a group is called after its first sample
        names.setdefault(numbers[sample.image_hash], f"group-{sample.id:05d}")
    groups = {sample.id: names[numbers[sample.image_hash]] for sample in samples}
    grouped = [replace(sample, group=groups[sample.id]) for sample in samples]
    splits = assign_samples(grouped, train=train, val=val, by_group=by_group, keep_source=keep_source, seed=seed)
    workspace.store.set_groups_and_splits(groups, splits)


def _seen(taken: Taken) -> Seen:
    image = taken.image
    return Seen((image.height, image.width), taken.orientation) if image else Seen(None, error=taken.error)


def _samples(exports: Sequence[Export], taken: Mapping[Path, Taken]) -> list[NewSample]:
    """Photos of one content and class become one sample."""
    samples: dict[tuple[str, str], NewSample] = {}
    for export in exports:
        for item in export.images:
            image = taken[item.path].image
            assert image is not None  # a photo that cannot be read is no item
            box_only = bool(item.kinds) and not item.kinds["polygon"] and not item.kinds["rle"]
            sample = NewSample(image.hash, export.class_name, item.file_name, export.split, box_only, item.rle, item.boxes)
            earlier = samples.get(key := (image.hash, export.class_name))
            if earlier is not None:
                there = f"{earlier.file_name} in {earlier.source_split}"
                export.note(
                    item.file_name, f"photo {item.file_name}", "noted", f"it is also {there}; the labels of both were united"
                )
                sample = _united(earlier, sample)
            samples[key] = sample
    return list(samples.values())


def _united(one: NewSample, other: NewSample) -> NewSample:
    """A sample with what either label says; one that says nothing stays without a label only if the other shows nothing."""
    rles = [rle for rle in (one.rle, other.rle) if rle is not None and rle_area(rle)]
    unknown = one.rle is None or other.rle is None
    labelled = [sample.box_only for sample in (one, other) if sample.boxes]
    return replace(
        one,
        box_only=bool(labelled) and all(labelled),
        boxes=[*one.boxes, *other.boxes],
        rle=unite(rles) if rles else None if unknown else one.rle,
    )


def _row(export: Export) -> dict[str, Any]:
    """One line of the inspection table."""
    kinds = sum((image.kinds for image in export.images), Counter[str]())
    actions = Counter(problem.action for problem in export.problems)
    labels = [image.rle for image in export.images if image.rle is not None]
    shares = [rle_area(rle) / (rle["size"][0] * rle["size"][1]) for rle in labels]
    return {
        "class": export.class_name,
        "split": export.split,
        "images": len(export.images),
        "annotations": sum(kinds.values()),
        "polygon": kinds["polygon"],
        "rle": kinds["rle"],
        "box_only": kinds["box"],
        "empty": kinds["empty"],
        "unlabelled_images": sum(not image.kinds and image.rle is not None for image in export.images),
        "no_label_yet": sum(image.rle is None for image in export.images),
        "mask_area_percent": round(100 * sum(shares) / len(shares), 2) if shares else 0.0,
        "sizes": _sizes(export.images),
        "repaired": actions["repaired"],
        "refused": actions["refused"],
    }


def _sizes(images: Iterable[ExportImage]) -> str:
    """The commonest sizes: `640x640 (820), 480x320 (3)`."""
    counts = Counter(image.size_hw[::-1] for image in images)
    return ", ".join(f"{width}x{height} ({count})" for (width, height), count in counts.most_common(3))
