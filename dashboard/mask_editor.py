"""The mask editor: the drawable canvas over the photo, its tools, and the mask that comes of the strokes."""

from dataclasses import dataclass
from typing import Any

import streamlit as st
from PIL import Image
from streamlit_drawable_canvas import st_canvas

from core.masks import Mask
from core.photos import Photo
from dashboard.gallery import LABEL_COLOUR
from dashboard.strokes import ADD_COLOUR, ERASE_COLOUR, apply_strokes
from training.figures import paint

CANVAS_PX = 640


@dataclass(frozen=True)
class _Tool:
    mode: str
    colour: str
    width_px: int
    hint: str


TOOLS = {
    "Brush": _Tool("freedraw", ADD_COLOUR, 8, "Drag to add."),
    "Eraser": _Tool("freedraw", ERASE_COLOUR, 16, "Drag to take away."),
    "Seam": _Tool("line", ADD_COLOUR, 30, "Drag from end to end; the line becomes a band of the width below."),
    "Polygon": _Tool("polygon", ADD_COLOUR, 1, "Click the corners, then the first one again, to add the area."),
    "Polygon off": _Tool(
        "polygon", ERASE_COLOUR, 1, "Click the corners, then the first one again, to take the area away."
    ),
}


@st.cache_data(max_entries=16, show_spinner=False)
def _background(photo: Photo, mask: Mask, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(paint(photo, mask, LABEL_COLOUR, 0.4)).resize(size, Image.Resampling.BILINEAR)


def edit_mask(photo: Photo, mask: Mask, key: str) -> tuple[Mask, bool]:
    """Show the editor; returns the mask with all strokes drawn at full resolution, and whether there are any.

    photo: (H, W, 3) uint8; mask: (H, W) bool, the label to begin from. Undo and redo sit in the canvas's own toolbar.
    `key` names the sample and its revision: another key is another drawing.
    """
    height, width = mask.shape
    shown = (min(CANVAS_PX, 2 * width), round(min(CANVAS_PX, 2 * width) * height / width))
    name = st.segmented_control("Tool", list(TOOLS), default="Brush", required=True, key=f"tool_{key}")
    tool = TOOLS[name or "Brush"]
    scale = width / shown[0]
    if tool.mode == "polygon":
        stroke_px = 1
    else:
        photo_px = st.slider(
            "Width in pixels of the photo",
            1,
            max(100, width // 4),
            max(1, round(tool.width_px * scale)),
            key=f"width_{name}_{key}",
        )
        stroke_px = max(1, round(photo_px / scale))
    st.caption(f"{tool.hint} The toolbar above the picture undoes, redoes and clears.")
    result = st_canvas(
        fill_color=f"{tool.colour}66", stroke_color=tool.colour, stroke_width=stroke_px, drawing_mode=tool.mode,
        background_image=_background(photo, mask, shown), width=shown[0], height=shown[1], key=f"canvas_{key}",
    )  # fmt: skip
    drawing: dict[str, Any] | None = result.json_data
    return apply_strokes(mask, drawing, shown[0]), bool(drawing and drawing.get("objects"))
