"""Preparation: raw exports become samples in the workspace, grouped, split and reported on; again adds nothing."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import AnnotationError, RequestError
from core.files import write_atomically
from core.masks.mask import rle_area
from core.photos import Photo, read_photo
from core.progress import Progress, silent
from core.prompts import PUBLISHED_SYNONYMS
from data.intake.coco import ANNOTATION_FILE, Export, ExportImage, read_export
from data.intake.duplicates import group_photos, source_stem, view_hashes
from data.intake.splits import Candidate, assign_splits
from data.store.records import ImageRecord, ImportReport, NewSample, Problem
from data.workspace import Workspace

_FOLDERS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def find_exports(raw_dir: Path, class_of_folder: dict[str, str]) -> list[tuple[Path, str, str]]:
    """(folder, class, split) of every annotation file in RAW/CLASS/{train,valid,test}/ or flat in RAW/CLASS/.

    class_of_folder maps folder names to classes. Raises RequestError when nothing is found.
    """
    if not raw_dir.is_dir():
        raise RequestError(f"{raw_dir} is not a folder; name the one that holds {' and '.join(class_of_folder)}")
    found = []
    for name, class_name in class_of_folder.items():
        folders = [(raw_dir / name, "train"), *((raw_dir / name / sub, split) for sub, split in _FOLDERS.items())]
        found += [(folder, class_name, split) for folder, split in folders if (folder / ANNOTATION_FILE).is_file()]
    if not found:
        places = " or ".join(f"{raw_dir / name}/train/{ANNOTATION_FILE}" for name in class_of_folder)
        raise RequestError(f"{raw_dir} holds no COCO export; looked for {places}")
    return found


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
    on_progress: Progress = silent,
) -> ImportReport:
    """Import everything below `raw_dir`, then group and split all samples of the workspace.

    A photo is stored by its content, so importing twice changes nothing and labels people fixed stay.
    """
    exports: list[Export] = []
    folders = find_exports(raw_dir, class_of_folder or {name: name for name in PUBLISHED_SYNONYMS})
    for done, (folder, class_name, split) in enumerate(folders):
        on_progress("read annotations", done, len(folders))
        try:
            exports.append(read_export(folder, class_name, split))
        except AnnotationError as error:
            refused = Problem(class_name, split, "", ANNOTATION_FILE, "refused", str(error))
            exports.append(Export(class_name, split, problems=[refused]))
    total, done = sum(len(export.images) for export in exports), 0
    for export in exports:
        images, samples = [], []
        for item in export.images:
            on_progress("copy photos", done, total)
            image = _keep_photo(item.path, workspace)
            images.append(image)
            box_only = bool(item.kinds) and not item.kinds["polygon"] and not item.kinds["rle"]
            samples.append(NewSample(image.hash, export.class_name, item.file_name, export.split, box_only, item.rle, item.boxes))
            done += 1
        workspace.store.add_samples(images, samples)
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
    workspace.store.set_groups_and_splits(groups, splits)


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
    shares = [rle_area(image.rle) / (image.rle["size"][0] * image.rle["size"][1]) for image in export.images]
    return {
        "class": export.class_name,
        "split": export.split,
        "images": len(export.images),
        "annotations": sum(kinds.values()),
        "polygon": kinds["polygon"],
        "rle": kinds["rle"],
        "box_only": kinds["box"],
        "empty": kinds["empty"],
        "unlabelled_images": sum(not image.kinds for image in export.images),
        "mask_area_percent": round(100 * sum(shares) / len(shares), 2) if shares else 0.0,
        "sizes": _sizes(export.images),
        "repaired": actions["repaired"],
        "refused": actions["refused"],
    }


def _sizes(images: Iterable[ExportImage]) -> str:
    """The commonest sizes: `640x640 (820), 480x320 (3)`."""
    counts = Counter((image.rle["size"][1], image.rle["size"][0]) for image in images)
    return ", ".join(f"{width}x{height} ({count})" for (width, height), count in counts.most_common(3))
