"""Preparation: raw exports become samples in the workspace, grouped, split and reported on; again adds nothing."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.files import write_atomically
from core.masks.mask import rle_area
from core.photos import Photo, read_photo
from core.progress import Progress, silent
from core.prompts import PUBLISHED_SYNONYMS
from data.exchange.archives import unpacked
from data.exchange.coco_shapes import unite
from data.exchange.placement import Exif
from data.intake.duplicates import group_photos, source_stem, view_hashes
from data.intake.raw_exports import Export, ExportImage, class_folders, find_exports, read_exports
from data.intake.splits import Candidate, assign_splits
from data.store.records import ImageRecord, ImportReport, NewSample
from data.store.store import Store
from data.workspace import Workspace


def prepare(
    raw_dir: Path,
    workspace: Workspace,
    store: Store,
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
        exports = read_exports(folders, class_of, exif, on_progress)
        images, samples = _take_photos(exports, workspace, on_progress)
        store.add_samples(images, samples)
    regroup_and_split(
        workspace, store, train=train, val=val, by_group=by_group, keep_source=keep_source, seed=seed, on_progress=on_progress
    )
    report = ImportReport(
        str(raw_dir), datetime.now(UTC), [_row(export) for export in exports], [p for e in exports for p in e.problems]
    )
    store.save_import(report)
    return report


def regroup_and_split(
    workspace: Workspace,
    store: Store,
    *,
    train: float,
    val: float,
    by_group: bool,
    keep_source: bool,
    seed: int,
    on_progress: Progress,
) -> None:
    """Group all samples of the workspace by source photo and likeness, then divide them anew."""
    samples = store.samples()
    if not samples:
        return
    paths = {sample.image_hash: workspace.photo_path(sample.image_path) for sample in samples}
    stems = {sample.image_hash: source_stem(sample.file_name) for sample in samples}
    hashes = []
    for done, path in enumerate(paths.values()):
        on_progress("look for copies", done, len(paths))
        hashes.append(view_hashes(read_photo(path)))
    numbers = dict(zip(paths, group_photos([stems[h] for h in paths], np.stack(hashes)), strict=True))
    names: dict[int, str] = {}
    for sample in samples:  # a group is called after its first sample
        names.setdefault(numbers[sample.image_hash], f"group-{sample.id:05d}")
    groups = {sample.id: names[numbers[sample.image_hash]] for sample in samples}
    candidates = [Candidate(s.id, s.class_name, groups[s.id], s.source_split) for s in samples]
    splits = assign_splits(candidates, train=train, val=val, by_group=by_group, keep_source=keep_source, seed=seed)
    store.set_groups_and_splits(groups, splits)


def _take_photos(
    exports: Sequence[Export], workspace: Workspace, on_progress: Progress
) -> tuple[list[ImageRecord], list[NewSample]]:
    """Copy the photos of all exports into the workspace; photos of one content and class become one sample."""
    total, done = sum(len(export.images) for export in exports), 0
    images: list[ImageRecord] = []
    samples: dict[tuple[str, str], NewSample] = {}
    for export in exports:
        for item in export.images:
            on_progress("copy photos", done, total)
            done += 1
            image = _keep_photo(item.path, workspace)
            images.append(image)
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
    return images, list(samples.values())


def _united(one: NewSample, other: NewSample) -> NewSample:
    """A sample with what either label says; one that says nothing stays without a label only if the other shows nothing."""
    rles = [rle for rle in (one.rle, other.rle) if rle is not None and rle_area(rle)]
    unknown = one.rle is None or other.rle is None
    labelled = [sample.box_only for sample in (one, other) if sample.boxes]
    return replace(
        one, box_only=bool(labelled) and all(labelled), boxes=[*one.boxes, *other.boxes],
        rle=unite(rles) if rles else None if unknown else one.rle,
    )  # fmt: skip


def _keep_photo(path: Path, workspace: Workspace) -> ImageRecord:
    """Copy a photo under its content's hash, upright RGB. Plain files are copied byte by byte."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        plain = image.format in ("JPEG", "PNG") and image.mode == "RGB" and not image.getexif().get(0x0112, 1) > 1
        plain = plain and "transparency" not in image.info
        suffix = ".jpg" if image.format == "JPEG" else ".png"
    photo = read_photo(content, path.name)
    if not plain:
        content, suffix = _png(photo), ".png"
    digest = hashlib.sha256(content).hexdigest()
    target = workspace.images / f"{digest}{suffix}"
    if not target.is_file():
        write_atomically(target, content)
    return ImageRecord(digest, f"images/{target.name}", *photo.shape[:2])


def _png(photo: Photo) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="PNG")
    return buffer.getvalue()


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
