"""Help with seams while drawing: the line moved to the joint's middle, and the seams proposed in a label's boxes."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from core.photos import Photo
from core.seams.seams import Seam, propose_seams, snap_seam
from dashboard.gallery import photo_of, truth_of
from data.store.records import Sample

_SIDE_PX = 1280
"""Larger photos are shrunk to this side before a joint is looked for: it is wide enough to be found there, and sooner."""


@st.cache_resource(max_entries=8, show_spinner=False)
def _shrunk(image_path: str) -> tuple[Photo, float]:
    photo = photo_of(image_path)
    factor = max(1.0, max(photo.shape[:2]) / _SIDE_PX)
    if factor == 1:
        return photo, factor
    size = (round(photo.shape[1] / factor), round(photo.shape[0] / factor))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX)), factor


def snapped(image_path: str, points_xy: NDArray[np.floating], search_px: float, boxes: list[list[float]]) -> Seam:
    """The line (N, 2) moved across onto the joint it follows, by `search_px` at most, with the joint's width, which one of
    the boxes [x, y, width, height] helps to find; all in pixels of the photo."""
    photo, factor = _shrunk(image_path)
    seam = snap_seam(photo, points_xy / factor, search_px / factor, [[side / factor for side in box] for box in boxes])
    return Seam(seam.points_xy * factor, seam.width_px * factor, seam.confidence)


@st.cache_data(max_entries=64, show_spinner=False)
def proposed(image_path: str, boxes: list[list[float]]) -> list[Seam]:
    """The seams in boxes [x, y, width, height], all in pixels of the photo."""
    photo, factor = _shrunk(image_path)
    seams = []
    for box in boxes:
        for seam in propose_seams(photo, [side / factor for side in box]):
            x, y, width, height = box
            seams.append(Seam(seam.points_xy * factor, seam.width_px * factor, seam.confidence, (x, y, width, height)))
    return seams


def boxes_of(sample: Sample, revision: int) -> list[list[float]]:
    """The boxes the sample was imported with, else one around each part of the label."""
    if sample.boxes:
        return sample.boxes
    parts, _ = ndimage.label(truth_of(sample.id, revision), np.ones((3, 3)))
    return [
        [float(columns.start), float(rows.start), float(columns.stop - columns.start), float(rows.stop - rows.start)]
        for rows, columns in ndimage.find_objects(parts)
    ]
