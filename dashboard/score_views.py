"""One sample's scores on a page: every metric as a number, the tolerance ladder, the badge of a thin shift."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.metrics.ladder import Ladder
from core.metrics.table import TITLES


def score_numbers(scores: Mapping[str, float], in_a_row: int = 7) -> None:
    """Every metric of TITLES as a number under its title."""
    shown = [(title, scores[key]) for key, title in TITLES.items()]
    for start in range(0, len(shown), in_a_row):
        places = st.columns(in_a_row, vertical_alignment="bottom")  # a title of two lines leaves the numbers in one
        for place, (title, value) in zip(places, shown[start : start + in_a_row], strict=False):
            place.metric(title, f"{value:.3f}")


def thin_shift_badge(ladder: Ladder) -> None:
    """The badge and why; nothing for any other prediction."""
    if ladder.is_thin_shift:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge("thin shift", icon=":material/open_with:", color="orange")
            st.markdown(ladder.sentence(), width="stretch")


def show_ladder(ladder: Ladder) -> None:
    """IoU and F1 by tolerance, and IoU after the best small move of the prediction."""
    rows = [{"tolerance": f"{rung.tolerance_px:g} px", "IoU": rung.iou, "F1": rung.f1} for rung in ladder.rungs]
    down, right = ladder.shift_yx
    moved = f"moved {down:+d} px down, {right:+d} px right" if down or right else "no move is better"
    rows.append({"tolerance": f"0 px, {moved}", "IoU": ladder.shifted_iou, "F1": None})
    st.markdown("**Tolerance ladder**")
    table = pd.DataFrame(rows).style.format({"IoU": "{:.3f}", "F1": "{:.3f}"}, na_rep="-")
    st.dataframe(table, hide_index=True, width=520)
