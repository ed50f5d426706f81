"""Large things for the browser, each under an address of its own: a rerun then sends the address, not the thing."""

import json
import zlib
from pathlib import Path

import streamlit as st
from PIL import Image
from streamlit import runtime

from core.masks.mask import Rle
from core.photos import read_photo
from dashboard.gallery import photo_png, probs_of

_SHOWN_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def address(content: bytes | Path, mimetype: str, name: str) -> str:
    """Where the browser finds the content until the next full run of the page. `name` tells the page's things apart."""
    manager = runtime.get_instance().media_file_mgr
    url = manager.add(str(content) if isinstance(content, Path) else content, mimetype, f"drywall_qa.{name}")
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}{url}" if base else url


def photo_address(path: Path) -> str:
    """The photo's own file where browsers can show it, else a PNG of it."""
    return address(*photo_bytes(path), "photo")


def label_address(rle: Rle) -> str:
    return address(json.dumps(rle).encode(), "application/json", "label")


def probs_address(run_id: str, split: str, sample_id: int) -> str:
    """The run's probabilities, H*W bytes row by row, deflated."""
    return address(deflated_probs(run_id, split, sample_id), "application/octet-stream", "probs")


def photo_bytes(path: Path) -> tuple[bytes | Path, str]:
    """What the browser gets of a photo, and its media type; a photo that has to be converted is kept."""
    with Image.open(path) as image:
        mimetype = _SHOWN_AS_THEY_ARE.get(image.format or "") if image.mode in ("RGB", "L") else None
    return (path, mimetype) if mimetype else (_as_png(path), "image/png")


@st.cache_data(max_entries=8, show_spinner=False)
def _as_png(path: Path) -> bytes:
    return photo_png(read_photo(path))


@st.cache_data(max_entries=32, show_spinner=False)
def deflated_probs(run_id: str, split: str, sample_id: int) -> bytes:
    """What `probs_address` serves. Raises RequestError when there are none."""
    return zlib.compress(probs_of(run_id, split, sample_id).tobytes(), 1)
