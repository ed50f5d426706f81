"""Large things for the browser, each under an address of its own: a rerun then sends the address, not the thing."""

import io
import json
import zlib
from pathlib import Path

import streamlit as st
from PIL import Image
from streamlit import runtime

from core.masks import Rle
from core.photos import read_photo
from dashboard.gallery import probs_of

_SHOWN_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def address(content: bytes | Path, mimetype: str, name: str) -> str:
    """Where the browser finds the content until the next full run of the page. `name` tells the page's things apart."""
    manager = runtime.get_instance().media_file_mgr
    url = manager.add(str(content) if isinstance(content, Path) else content, mimetype, f"drywall_qa.{name}")
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}{url}" if base else url


def photo_address(path: Path) -> str:
    """The photo's own file where browsers can show it, else a PNG of it."""
    with Image.open(path) as image:
        mimetype = _SHOWN_AS_THEY_ARE.get(image.format or "") if image.mode in ("RGB", "L") else None
    return address(path if mimetype else _as_png(path), mimetype or "image/png", "photo")


def label_address(rle: Rle) -> str:
    return address(json.dumps(rle).encode(), "application/json", "label")


def probs_address(run_id: str, split: str, sample_id: int) -> str:
    """The run's probabilities, H*W bytes row by row, deflated."""
    return address(_deflated_probs(run_id, split, sample_id), "application/octet-stream", "probs")


@st.cache_data(max_entries=8, show_spinner=False)
def _as_png(path: Path) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(read_photo(path)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


@st.cache_data(max_entries=32, show_spinner=False)
def _deflated_probs(run_id: str, split: str, sample_id: int) -> bytes:
    return zlib.compress(probs_of(run_id, split, sample_id).tobytes(), 1)
