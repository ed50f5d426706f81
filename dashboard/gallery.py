"""Pictures of samples: the photo with truth and prediction laid over it, small for the gallery and whole for a look."""

import hashlib
import io
from collections.abc import Callable, Mapping

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from core.files import write_atomically
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


def agreement_tile(
    run_id: str, split: str, sample_id: int, revision: int, threshold: float, image_path: str, side_px: int = 360
) -> str:
    """The path of a picture of the photo with true positives, false positives and false negatives, `side_px` square.

    Made once and kept in the workspace. Raises RequestError where the run has no prediction of the sample.
    """
    run = OpenedRun(open_workspace(), run_id)
    path = run.folder.probs_path(split, sample_id)
    made = path.stat().st_mtime_ns if path.is_file() else 0

    def paint_it() -> Photo:
        prediction = mask_at(run.probs(split, sample_id), threshold)
        return paint_agreement(photo_of(image_path), truth_of(sample_id, revision), prediction)

    return _thumbnail(f"{image_path} {run_id} {split} {sample_id} {revision} {threshold!r} {made}", paint_it, side_px)


def label_tile(sample_id: int, revision: int, image_path: str, side_px: int = 320) -> str:
    """As `agreement_tile`, of the photo with its label."""

    def paint_it() -> Photo:
        return paint(photo_of(image_path), truth_of(sample_id, revision), LABEL_COLOUR)

    return _thumbnail(f"{image_path} label {sample_id} {revision}", paint_it, side_px)


def _thumbnail(name: str, make: Callable[[], Photo], side_px: int) -> str:
    """name: says all that the picture depends on."""
    digest = hashlib.sha256(f"{name} {side_px}".encode()).hexdigest()[:32]
    path = open_workspace().thumbnails / digest[:2] / f"{digest}.webp"
    if not path.is_file():
        buffer = io.BytesIO()
        Image.fromarray(shrink(make(), side_px)).save(buffer, format="WEBP", quality=82, method=2)
        write_atomically(path, buffer.getvalue(), lasting=False)
    return str(path)


def shrink(picture: Photo, side_px: int) -> Photo:
    """Fitted into a square, which most photos fill, so that the tiles of a gallery line up. Returns (side, side, 3) uint8."""
    frame = (side_px, side_px)
    return np.asarray(ImageOps.pad(Image.fromarray(picture), frame, Image.Resampling.BILINEAR, color=(128, 128, 128)))


def short_name(name: str, most: int = 26) -> str:
    """A file's name cut in its middle: copies of one photo differ at their ends."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


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
