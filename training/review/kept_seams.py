"""Seams found in boxes, kept in the workspace: finding them takes seconds a photo, and neither photo nor boxes change."""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from core.errors import PhotoError
from core.files import write_atomically
from core.photos import Photo, read_photo
from core.progress import Progress, silent
from core.seams.seams import SEARCH_VERSION, Seam, propose_seams


def kept_seams(
    folder: Path, image_hash: str, boxes_xywh: Sequence[Sequence[float]], photo: Callable[[], Photo]
) -> list[list[Seam]]:
    """The seams `propose_seams` finds in each box of a photo, from `folder` where they were found before.

    photo: reads it, asked only where they were not. Another SEARCH_VERSION makes what is kept old.
    """
    path = _path(folder, image_hash, boxes_xywh)
    if path.is_file():
        kept = json.loads(path.read_bytes())
        return [[Seam(np.array(points_xy), width_px, confidence) for points_xy, width_px, confidence in box] for box in kept]
    if not boxes_xywh:
        return []
    found = propose_seams(photo(), boxes_xywh)
    entries = [[(seam.points_xy.tolist(), seam.width_px, seam.confidence) for seam in box] for box in found]
    write_atomically(path, json.dumps(entries).encode())
    return found


def keep_seams(
    folder: Path, asked: Sequence[tuple[str, Sequence[Sequence[float]], Path]], on_progress: Progress = silent
) -> None:
    """Find what `kept_seams` would have to look for, in processes of their own. asked: a photo's hash, boxes and file each."""
    missing = [one for one in asked if one[1] and not _path(folder, *one[:2]).is_file()]
    if not missing:
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(partial(_find, folder), missing, chunksize=4), 1):
            on_progress("look for seams", done, len(missing))


def _find(folder: Path, asked: tuple[str, Sequence[Sequence[float]], Path]) -> None:
    image_hash, boxes_xywh, path = asked
    with suppress(PhotoError):  # who asks for this photo's seams is told
        kept_seams(folder, image_hash, boxes_xywh, lambda: read_photo(path))


def _path(folder: Path, image_hash: str, boxes_xywh: Sequence[Sequence[float]]) -> Path:
    asked = json.dumps([SEARCH_VERSION, image_hash, [list(map(float, box)) for box in boxes_xywh]])
    return folder / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
