"""The dashboard's entry: `streamlit run dashboard/app.py -- --workspace DIR`."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from dashboard.state import page, sentences, show_who

HOME = "overview"
SECTIONS = {
    "": {
        "overview": ("Overview", ":material/home:"),
        "prompt_lab": ("Prompt lab", ":material/science:"),
        "site_report": ("Site report", ":material/summarize:"),
    },
    "Data": {"data_report": ("Data", ":material/dataset:"), "exchange": ("Import and export", ":material/swap_horiz:")},
    "Train": {
        "train": ("Train", ":material/model_training:"),
        "metrics": ("Metrics", ":material/monitoring:"),
        "failures": ("Failures", ":material/image_search:"),
        "before_after": ("Before and after", ":material/compare:"),
    },
    "Review": {
        "queue": ("Queue", ":material/checklist:"),
        "fix_masks": ("Fix masks", ":material/brush:"),
        "reviewers": ("Reviewers", ":material/group:"),
        "people": ("People", ":material/badge:"),
    },
}

st.set_page_config(page_title="Drywall QA", page_icon=":material/wall_art:", layout="wide")
STYLE = """<style>
[data-testid=stMainBlockContainer] {padding: 3rem 3rem 2rem}
[data-testid=stMetricLabel] p {white-space: normal; overflow: visible; line-height: 1.25}
</style>"""
st.html(STYLE)
pages = {
    section: [
        st.Page(page(name), title=title, icon=icon, url_path="home" if name == HOME else name, default=name == HOME)
        for name, (title, icon) in entries.items()
    ]
    for section, entries in SECTIONS.items()
}
# The default page answers at / alone, so the address that its name promises is a page of its own.
pages[""].append(st.Page(page(HOME), title=SECTIONS[""][HOME][0], url_path=HOME, visibility="hidden"))
with sentences():
    show_who()
    st.navigation(pages, expanded=True).run()
