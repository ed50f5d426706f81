"""Real-world sizes on a page: of labels and predictions, as a table, in the picture, and the scale that makes them mm."""

import math
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from core.errors import DrywallError
from core.sizes.band_size import BandSize, band_size, scale_from_points
from core.sizes.picture import length_text, paint_size
from dashboard.gallery import LABEL_COLOUR, photo_of, probs_of, truth_of
from data.exchange.sizes_table import size_columns
from data.store.records import Sample
from data.store.store import Store
from training.review.tight_labels import SEAM_CLASS
from training.scoring.figures import paint
from training.scoring.stored_probs import mask_at

_CANVAS_PX = 440


@st.cache_data(max_entries=2048, show_spinner=False)
def label_size(sample_id: int, revision: int) -> BandSize | None:
    """Of a label revision, which never changes."""
    return band_size(truth_of(sample_id, revision))


@st.cache_data(max_entries=2048, show_spinner=False)
def prediction_size(run_id: str, split: str, sample_id: int, threshold: float) -> BandSize | None:
    """Of what the run marked at the threshold."""
    return band_size(mask_at(probs_of(run_id, split, sample_id), threshold))


def sizes_of(scores: pd.DataFrame, samples: dict[int, Sample]) -> pd.DataFrame:
    """Length and widths of label and prediction of each row of the scores table, one row each, titles as column names.

    In mm as soon as one of the photos has a scale, then missing for the others; else in px. Joints alone: length in m.
    """
    scaled = any(samples[sample_id].px_per_mm for sample_id in scores["sample_id"])
    unit = "mm" if scaled else "px"
    along = "m" if scaled and (scores["class_name"] == SEAM_CLASS).all() else unit
    titles = {
        f"length_{along}": f"length, {along}",
        f"width_mean_{unit}": f"width, {unit}",
        f"width_max_{unit}": f"widest, {unit}",
    }
    rows = []
    for score in scores.itertuples():
        sample, threshold = samples[int(score.sample_id)], float(score.threshold)
        truth = size_columns(label_size(sample.id, int(score.current_revision)), sample.px_per_mm)
        found = size_columns(prediction_size(score.run_id, score.split, sample.id, threshold), sample.px_per_mm)
        rows.append(
            {
                name: sizes[key]
                for key, title in titles.items()
                for name, sizes in ((title, truth), (f"predicted {title.partition(',')[0]}", found))
            }
        )
    return pd.DataFrame(rows, index=scores.index, dtype=float)


def show_size_table(masks: dict[str, BandSize | None], px_per_mm: float | None, class_name: str) -> None:
    """One row a mask: its length (a joint's in m) and its widths."""
    rows = {
        name: ["nothing", "", ""]
        if size is None
        else [
            length_text(size.length_px, px_per_mm, in_m=class_name == SEAM_CLASS),
            length_text(size.width_mean_px, px_per_mm),
            length_text(size.width_max_px, px_per_mm),
        ]
        for name, size in masks.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["length", "mean width", "greatest width"])
    st.dataframe(table, width=520)


def show_sizes(store: Store, sample: Sample, name: str, predicted: BandSize | None = None) -> None:
    """The scale of a photo, to draw or to type, and what it makes of the label. predicted: the run's, where there is one.

    The line is a vector that can be moved and stretched until it fits: what the drawable canvas is for.
    """
    from streamlit_drawable_canvas import st_canvas  # registers itself, which only a running Streamlit lets it do

    photo = photo_of(sample.image_path)
    factor = max(photo.shape[:2]) / _CANVAS_PX
    shown = (round(photo.shape[1] / factor), round(photo.shape[0] / factor))
    left, right = st.columns(2)
    with left:
        st.caption("Draw a line along something whose length is known: a tape measure, a board edge, a screw spacing.")
        result = st_canvas(
            background_image=Image.fromarray(photo).resize(shown),
            width=shown[0],
            height=shown[1],
            drawing_mode="line",
            stroke_width=2,
            stroke_color="#D55E00",
            key=f"scale_{sample.id}",
        )
        line = _length_px(result.json_data, factor)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            length_mm = st.number_input("Length of the line in mm", 0.0, value=0.0, key=f"length_{sample.id}")
            if st.button("Set the scale", disabled=not (line and length_mm), help="For every sample of this photo"):
                _set(store, sample, lambda: scale_from_points((0, 0), (line, 0), length_mm), name)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            typed = st.number_input(
                "or pixels per mm",
                0.0,
                value=sample.px_per_mm or 0.0,
                format="%.4g",
                key=f"px_per_mm_{sample.id}_{sample.px_per_mm}",
            )
            if st.button("Set pixels per mm", disabled=not typed or typed == sample.px_per_mm):
                _set(store, sample, lambda: typed, name)
            if sample.px_per_mm and st.button("Forget the scale"):
                _set(store, sample, lambda: None, name)
    with right:
        mask, scale = truth_of(sample.id, sample.revision), sample.px_per_mm
        size = label_size(sample.id, sample.revision)
        st.caption(f"{scale:.4g} px a mm" if scale else "No scale yet: sizes in pixels")
        st.image(paint_size(paint(photo, mask, LABEL_COLOUR), size, scale), width="stretch")
        masks = {"label": size, **({"prediction": predicted} if predicted else {})}
        show_size_table(masks, scale, sample.class_name)


def _set(store: Store, sample: Sample, scale: Any, name: str) -> None:
    """scale: a function that gives it, pixels per mm; what it or the store refuses is shown as its sentence."""
    try:
        store.set_scale(sample.image_hash, scale(), name)
    except DrywallError as error:
        st.error(str(error), icon=":material/error:")
    else:
        st.rerun()


def _length_px(drawing: dict[str, Any] | None, factor: float) -> float:
    """Of the line drawn last, in pixels of the photo; 0 without one. Turning and moving it change nothing."""
    for drawn in reversed((drawing or {}).get("objects", [])):
        across = (drawn["x2"] - drawn["x1"]) * drawn.get("scaleX", 1)
        down = (drawn["y2"] - drawn["y1"]) * drawn.get("scaleY", 1)
        return factor * math.hypot(across, down)
    return 0.0
