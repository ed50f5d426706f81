"""Generated photos written as COCO exports: exact ones to train on, and ones with all the quirks of a Roboflow export."""

import hashlib
import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance
from skimage.measure import approximate_polygon, find_contours, label, regionprops

from core.files import write_atomically
from core.masks.mask import Mask, Rle, encode_rle, write_mask_png
from core.photos import Photo
from data.exchange.coco import ANNOTATION_FILE, write_coco
from data.synthetic.walls import Contents, make_scene

_SPLITS = ("train", "valid", "test")


def write_exact_export(
    root: Path, seed: int, photos: tuple[int, int, int], size_hw: tuple[int, int] = (640, 640), workers: int = 1
) -> None:
    """ROOT/{cracks,taping}/{train,valid,test} with pixel-exact labels as RLE. photos: how many in each split.

    A third shows both defects; every photo stands in both class folders, with an empty label where it lacks the class.
    """
    first = seed * 1_000_000
    for split, count in zip(_SPLITS, photos, strict=True):
        seeds = range(first, first + count)
        first += count
        labels: dict[str, list[tuple[str, Rle]]] = {"cracks": [], "taping": []}
        with ProcessPoolExecutor(workers) as pool:
            for name, content, rles in pool.map(partial(_exact, size_hw=size_hw), seeds, chunksize=8):
                for class_name, rle in rles.items():
                    write_atomically(root / class_name / split / name, content)
                    labels[class_name].append((name, rle))
        for class_name, items in labels.items():
            write_coco(root / class_name / split, items, class_name)


def _exact(seed: int, size_hw: tuple[int, int]) -> tuple[str, bytes, dict[str, Rle]]:
    scene = make_scene(seed, size_hw)
    rles = {class_name: encode_rle(mask) for class_name, mask in scene.masks.items()}
    return f"wall_{seed}.jpg", _jpeg(scene.photo, 90), rles


def write_roboflow_export(
    root: Path, seed: int, cracks: tuple[int, int], taping: tuple[int, int], size_hw: tuple[int, int] = (640, 640)
) -> None:
    """What a team really gets: (train, valid) walls a class, named `STEM_jpg.rf.HASH.jpg`, with their pixel truth beside.

    Taping is labelled with boxes, cracks with coarse polygons; some training photos come again turned and brightened; some
    labels are lost, some segmentations empty. ROOT/pixel_truth/CLASS/FILE.png holds the truth.
    """
    for class_name, counts in (("cracks", cracks), ("taping", taping)):
        random = np.random.default_rng((seed, len(class_name)))
        first = seed * 1_000_000 + 500_000 + (250_000 if class_name == "taping" else 0)
        for split, count in zip(_SPLITS, counts, strict=False):
            folder, images, annotations = root / class_name / split, [], []  # type: ignore[var-annotated]
            for scene_seed in range(first, first + count):
                contents: Contents = "both" if random.random() < 0.25 else class_name  # type: ignore[assignment]
                scene = make_scene(scene_seed, size_hw, contents)
                for photo, mask in _copies(random, scene.photo, scene.masks[class_name], split):
                    content = _jpeg(photo, 85)
                    name = f"IMG_{scene_seed}_jpg.rf.{hashlib.md5(content, usedforsecurity=False).hexdigest()}.jpg"
                    write_atomically(folder / name, content)
                    write_mask_png(mask, root / "pixel_truth" / class_name / f"{Path(name).stem}.png")
                    image = {"id": len(images), "file_name": name, "height": mask.shape[0], "width": mask.shape[1]}
                    images.append(image)
                    for shape in _labels(random, mask, class_name):
                        annotations.append({"id": len(annotations), "image_id": image["id"], "iscrowd": 0, **shape})
            first += count
            categories = [{"id": 0, "name": f"{class_name}-x1y2"}, {"id": 1, "name": class_name.rstrip("s")}]
            document = {"images": images, "annotations": annotations, "categories": categories}
            write_atomically(folder / ANNOTATION_FILE, json.dumps(document).encode())


def _copies(random: np.random.Generator, photo: Photo, mask: Mask, split: str) -> Iterator[tuple[Photo, Mask]]:
    """The photo, and in training for one wall in three a turned and brightened copy, as Roboflow's augmentation makes."""
    yield photo, mask
    if split == "train" and random.random() < 0.33:
        turns = int(random.integers(1, 4))
        bright = ImageEnhance.Brightness(Image.fromarray(np.rot90(photo, turns))).enhance(random.uniform(0.85, 1.15))
        yield np.asarray(bright), np.rot90(mask, turns)


def _labels(random: np.random.Generator, mask: Mask, class_name: str) -> Iterator[dict[str, Any]]:
    if random.random() < 0.06:  # the labeller never came to this photo
        return
    for region in regionprops(label(mask)):
        if region.area < 12:
            continue
        top, left, bottom, right = (float(value) for value in region.bbox)
        shape: dict[str, Any] = {
            "category_id": 1,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "segmentation": [],
        }
        if class_name == "cracks" and random.random() > 0.05:  # a few are lost on the way and leave an empty list
            outline = max(find_contours(np.pad(region.image_filled, 1), 0.5, "high"), key=len)
            points = approximate_polygon(outline, tolerance=1.2)[:-1, ::-1] - 1 + (left, top) + 0.5
            if len(points) < 3:  # a speck nobody outlines
                continue
            shape["segmentation"] = [points.round(1).ravel().tolist()]
        yield shape


def _jpeg(photo: Photo, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()
