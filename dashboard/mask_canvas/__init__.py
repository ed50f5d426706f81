"""The mask canvas: one Streamlit component whose markup, style and scripts are the plain files beside this one.

The scripts are joined in the order below and served as one module, so that a stroke's answer does not carry them again.
"""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
SCRIPTS = ("codec", "raster", "outline", "numbers", "view", "tools", "editor", "panel")

module = "\n".join((HERE / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
mask_canvas = st.components.v2.component(
    "drywall_qa.mask_canvas",
    html=(HERE / "editor.html").read_text("utf-8"),
    css=(HERE / "editor.css").read_text("utf-8"),
    js=(HERE / "mount.js").read_text("utf-8"),
)
