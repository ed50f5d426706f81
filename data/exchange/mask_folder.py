"""PNG masks in folders: FOLDER/CLASS/SPLIT/STEM__PROMPT.png, one channel, {0, 255}, the photo's size."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from core.errors import AnnotationError, PhotoError
from core.masks.mask import Mask, decode_rle, write_mask_png
from core.photos import MAX_PIXELS, photo_size_hw
from core.prompts import PUBLISHED_SYNONYMS, slug
from data.exchange.labels import Incoming, IncomingLabel, NotUsed, OutgoingLabel, annotation_files

_ALL_PROMPTS = [sentence for synonyms in PUBLISHED_SYNONYMS.values() for sentence in synonyms]


def write(folder: Path, labels: Sequence[OutgoingLabel]) -> None:
    """One PNG a sample, called after the photo and its class's first prompt."""
    for label in labels:
        prompt = _prompts(label.class_name)[0]
        name = f"{Path(label.file_name).stem}__{slug(prompt)}.png"
        write_mask_png(decode_rle(label.rle), folder / label.class_name / label.split / name)


def read(path: Path) -> Incoming:
    """The class is the name of the highest folder below `path`; a known prompt after `__` is no part of the photo's name."""
    incoming = Incoming()
    for file in annotation_files(path, ".png"):
        parts = file.relative_to(path).parts if path.is_dir() else ()
        try:
            if len(parts) < 2:
                raise AnnotationError("it lies in no folder named after its class; use FOLDER/CLASS/NAME.png")
            size_hw = photo_size_hw(file)
            if size_hw[0] * size_hw[1] > MAX_PIXELS:
                raise AnnotationError(f"it has {size_hw[0] * size_hw[1]} pixels, the limit is {MAX_PIXELS}; scale it down")
        except (AnnotationError, PhotoError) as error:
            incoming.not_used.append(NotUsed(file.name, str(error)))
            continue
        stem, separator, prompt = file.stem.rpartition("__")
        known = separator and prompt in {slug(sentence) for sentence in (*_prompts(parts[0]), *_ALL_PROMPTS)}
        name = stem if known else file.stem
        incoming.labels.append(IncomingLabel(name, parts[0], size_hw, [partial(_read_mask, file)]))
    return incoming


def _read_mask(file: Path, size_hw: tuple[int, int]) -> Mask:
    """Set from half of white; in a file of zeros and ones, the ones."""
    try:
        with Image.open(file) as image:
            grey = np.array(image if image.mode in ("1", "P") else image.convert("L"))
    except (OSError, ValueError, SyntaxError) as error:
        raise AnnotationError(f"{file.name} is damaged ({error}); export it again") from error
    return grey >= (128 if grey.max(initial=0) > 1 else 1)


def _prompts(class_name: str) -> tuple[str, ...]:
    return PUBLISHED_SYNONYMS.get(class_name, (f"segment {class_name}",))
