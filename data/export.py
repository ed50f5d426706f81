"""Labels out: the current revisions as COCO, PNG masks or YOLO polygons."""

from collections import defaultdict
from pathlib import Path
from typing import Literal, get_args

from core.errors import RequestError
from core.files import write_atomically
from core.masks import decode_rle, write_mask_png
from core.prompts import PUBLISHED_SYNONYMS, slug
from data.coco import write_coco
from data.store import Store
from data.workspace import Workspace
from data.yolo import write_yolo

Format = Literal["coco", "masks", "yolo"]
_FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def export_labels(workspace: Workspace, store: Store, folder: Path, form: str, label_set: str | None = None) -> int:
    """Write the labels and, where the form needs them, the photos; returns how many samples.

    coco: FOLDER/CLASS/{train,valid,test}, comes back by `prepare` with equal masks. masks: PNG, one channel, {0, 255}, the
    photo's size. yolo: FOLDER/{images,labels}/SPLIT and classes.txt. Raises RequestError for another form.
    """
    if form not in get_args(Format):
        raise RequestError(f"format {form} is unknown; use one of {', '.join(get_args(Format))}")
    labels, samples = store.labels(label_set), store.samples()
    samples = [sample for sample in samples if sample.id in labels]
    names = _unique_names([(sample.class_name, sample.image_hash, sample.file_name) for sample in samples])
    if form == "coco":
        parts = defaultdict(list)
        for sample, name in zip(samples, names, strict=True):
            target = folder / sample.class_name / _FOLDERS[sample.split]
            write_atomically(target / name, workspace.photo_path(sample.image_path).read_bytes())
            parts[target].append((name, labels[sample.id].rle))
        for target, items in parts.items():
            write_coco(target, items, target.parent.name)
    elif form == "masks":
        for sample, name in zip(samples, names, strict=True):
            prompt = PUBLISHED_SYNONYMS.get(sample.class_name, (f"segment {sample.class_name}",))[0]
            path = folder / sample.class_name / sample.split / f"{Path(name).stem}__{slug(prompt)}.png"
            write_mask_png(decode_rle(labels[sample.id].rle), path)
    else:
        classes = sorted({sample.class_name for sample in samples})
        photos = defaultdict(list)
        for sample in samples:
            photos[sample.image_hash].append(sample)
        for image_hash, of_photo in photos.items():
            split, suffix = of_photo[0].split, Path(of_photo[0].image_path).suffix
            masks = [(classes.index(s.class_name), decode_rle(labels[s.id].rle)) for s in of_photo]
            write_yolo(folder / "labels" / split / f"{image_hash}.txt", masks)
            content = workspace.photo_path(of_photo[0].image_path).read_bytes()
            write_atomically(folder / "images" / split / f"{image_hash}{suffix}", content)
        write_atomically(folder / "classes.txt", "".join(name + "\n" for name in classes).encode())
    return len(samples)


def _unique_names(keys: list[tuple[str, str, str]]) -> list[str]:
    """File names as imported; where two photos of a class share one, the content hash is put before it."""
    seen: dict[tuple[str, str], str] = {}
    names = []
    for class_name, image_hash, file_name in keys:
        name = file_name.rpartition("/")[2]
        if seen.setdefault((class_name, name), image_hash) != image_hash:
            name = f"{image_hash[:8]}_{name}"
        names.append(name)
    return names
