"""Real-world sizes of a label: a scale drawn as a line of known length, then length and widths in mm, in the picture too."""

import math
from typing import Any

import streamlit as st
from PIL import Image
from streamlit_drawable_canvas import st_canvas

from core.errors import DrywallError
from core.size_picture import length_text, paint_size
from core.sizes import band_size, scale_from_points
from dashboard.gallery import LABEL_COLOUR, photo_of, truth_of
from data.records import Sample
from data.store import Store
from training.figures import paint

_CANVAS_PX = 440


def show_sizes(store: Store, sample: Sample, name: str) -> None:
    """The line is a vector that can be moved and stretched until it fits: what the drawable canvas is for."""
    photo = photo_of(sample.image_path)
    factor = max(photo.shape[:2]) / _CANVAS_PX
    shown = (round(photo.shape[1] / factor), round(photo.shape[0] / factor))
    left, right = st.columns(2)
    with left:
        st.caption("Draw a line along something whose length is known: a tape measure, a board edge, a screw spacing.")
        result = st_canvas(
            background_image=Image.fromarray(photo).resize(shown), width=shown[0], height=shown[1], drawing_mode="line",
            stroke_width=2, stroke_color="#D55E00", key=f"scale_{sample.id}",
        )  # fmt: skip
        line = _length_px(result.json_data, factor)
        length_mm = st.number_input("Length of the line in mm", 0.0, value=0.0, key=f"length_{sample.id}")
        if st.button("Set the scale", disabled=not (line and length_mm), help="For every sample of this photo"):
            try:
                store.set_scale(sample.image_hash, scale_from_points((0, 0), (line, 0), length_mm), name)
            except DrywallError as error:
                st.error(str(error), icon=":material/error:")
            else:
                st.rerun()
    with right:
        mask, scale = truth_of(sample.id, sample.revision), sample.px_per_mm
        size = band_size(mask)
        st.caption(f"{scale:.4g} px a mm" if scale else "No scale yet: sizes in pixels")
        st.image(paint_size(paint(photo, mask, LABEL_COLOUR), size, scale), width="stretch")
        if size:
            values = (
                ("Length", size.length_px),
                ("Mean width", size.width_mean_px),
                ("Greatest width", size.width_max_px),
            )
            for place, (title, value) in zip(st.columns(3), values, strict=True):
                place.metric(title, length_text(value, scale))


def _length_px(drawing: dict[str, Any] | None, factor: float) -> float:
    """Of the line drawn last, in pixels of the photo; 0 without one. Turning and moving it change nothing."""
    for drawn in reversed((drawing or {}).get("objects", [])):
        across = (drawn["x2"] - drawn["x1"]) * drawn.get("scaleX", 1)
        down = (drawn["y2"] - drawn["y1"]) * drawn.get("scaleY", 1)
        return factor * math.hypot(across, down)
    return 0.0
