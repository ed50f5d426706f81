"""Seams found in boxes, kept in the workspace: finding them takes seconds a photo, and neither photo nor boxes change."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.files import write_atomically
from core.photos import Photo
from core.seams.seams import SEARCH_VERSION, Seam, propose_seams


def kept_seams(folder: Path, image_hash: str, boxes_xywh: Sequence[Sequence[float]], photo: Callable[[], Photo]) -> list[Seam]:
    """The seams `propose_seams` finds in each box of a photo, from `folder` where they were found before.

    photo: reads it, asked only where they were not. Another SEARCH_VERSION makes what is kept old.
    """
    asked = json.dumps([SEARCH_VERSION, image_hash, [list(map(float, box)) for box in boxes_xywh]])
    path = folder / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
    if path.is_file():
        return [_seam(*entry) for entry in json.loads(path.read_bytes())]
    if not boxes_xywh:
        return []
    whole = photo()
    seams = [seam for box in boxes_xywh for seam in propose_seams(whole, box)]
    entries = [(seam.points_xy.tolist(), seam.width_px, seam.confidence, seam.box_xywh) for seam in seams]
    write_atomically(path, json.dumps(entries).encode())
    return seams


def _seam(points_xy: list[list[float]], width_px: float, confidence: float, box_xywh: list[float]) -> Seam:
    x, y, width, height = box_xywh
    return Seam(np.array(points_xy), width_px, confidence, (x, y, width, height))
