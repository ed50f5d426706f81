"""Masks as files: what each is called, and one PNG a prediction."""

import hashlib
import unicodedata
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from core.masks.mask import write_mask_png
from core.prompts import slug

if TYPE_CHECKING:
    from core.models.predictor import Prediction

_LONGEST_NAME_BYTES = 230
"""File systems take 255; a file that is being written is called a little longer."""


def mask_name(image_name: str, prompt: str) -> str:
    """`photo.jpg`, `segment wall crack` -> `photo__segment_wall_crack.png`."""
    return f"{Path(image_name).stem}__{slug(prompt)}.png"


def mask_names(image_names: Sequence[str], prompts: Sequence[str]) -> dict[tuple[str, str], str]:
    """`mask_name` of each photo and prompt. A name that an earlier one has, or that file systems which know neither case nor
    Unicode's two spellings would take for it, gets 8 characters of a hash; so does one too long for a file."""
    names: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for image_name, prompt in product(image_names, prompts):
        name = mask_name(image_name, prompt)
        if _on_disk(name) in taken or len(name.encode()) > _LONGEST_NAME_BYTES:
            digest = hashlib.sha256(f"{image_name}\0{prompt}".encode()).hexdigest()[:8]
            start = name.removesuffix(".png").encode()[: _LONGEST_NAME_BYTES - len(f"_{digest}.png")]
            name = f"{start.decode(errors='ignore')}_{digest}.png"
        taken.add(_on_disk(name))
        names[image_name, prompt] = name
    return names


def _on_disk(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def write_masks(predictions: "Sequence[Prediction]", thresholds: Sequence[float], paths: Sequence[Path]) -> list[Path]:
    """One PNG a prediction: one channel, {0, 255}, the photo's size, its number format as text. Returns the paths."""
    for path, prediction, threshold in zip(paths, predictions, thresholds, strict=True):
        write_mask_png(prediction.mask(threshold), path, prediction.number_format)
    return list(paths)
