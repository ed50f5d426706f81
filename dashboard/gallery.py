"""Pictures of samples: the photo with truth and prediction laid over it, small for the gallery and whole for a look."""

import io
from collections.abc import Mapping

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from core.masks.mask import Mask, decode_rle
from core.photos import Photo, read_photo
from dashboard.state import open_workspace
from training.runs.opened import OpenedRun
from training.scoring.figures import AGREEMENT_NAMES, paint, paint_agreement
from training.scoring.stored_probs import Probs, mask_at

LABEL_COLOUR = (0, 158, 115)


@st.cache_data(max_entries=64, show_spinner=False)
def photo_of(image_path: str) -> Photo:
    """(H, W, 3) uint8."""
    workspace = open_workspace()
    return read_photo(workspace.photo_path(image_path))


@st.cache_data(max_entries=256, show_spinner=False)
def truth_of(sample_id: int, revision: int) -> Mask:
    """(H, W) bool; a revision never changes, so it may be kept."""
    return decode_rle(open_workspace().store.label(sample_id, revision).rle)


def probs_of(run_id: str, split: str, sample_id: int) -> Probs:
    """(H, W) uint8 as the run's evaluation left them. Raises RequestError when there are none."""
    return OpenedRun(open_workspace(), run_id).probs(split, sample_id)


@st.cache_data(max_entries=512, show_spinner=False)
def agreement_tile(
    run_id: str, split: str, sample_id: int, revision: int, threshold: float, image_path: str, side_px: int = 420
) -> Photo:
    """The photo with true positives, false positives and false negatives, shrunk to `side_px`."""
    prediction = mask_at(probs_of(run_id, split, sample_id), threshold)
    return shrink(paint_agreement(photo_of(image_path), truth_of(sample_id, revision), prediction), side_px)


def label_tile(sample_id: int, revision: int, image_path: str, side_px: int = 320) -> Photo:
    """The photo with its label, shrunk."""
    return shrink(paint(photo_of(image_path), truth_of(sample_id, revision), LABEL_COLOUR), side_px)


def shrink(picture: Photo, side_px: int) -> Photo:
    """Fitted into a frame of 4:3, so that the tiles of a gallery line up. Returns (3/4 side, side, 3) uint8."""
    frame = (side_px, side_px * 3 // 4)
    return np.asarray(ImageOps.pad(Image.fromarray(picture), frame, Image.Resampling.BILINEAR, color=(128, 128, 128)))


def photo_png(picture: Photo) -> bytes:
    """As a PNG file, quickly rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def legend(colours: Mapping[str, tuple[int, int, int]] = AGREEMENT_NAMES) -> None:
    """What the three colours mean."""
    spans = " &nbsp; ".join(
        f'<span style="background:rgb{colour};border-radius:3px">&emsp;</span> {name}' for name, colour in colours.items()
    )
    st.markdown(spans, unsafe_allow_html=True)
