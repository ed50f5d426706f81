"""The dashboard's entry: `streamlit run dashboard/app.py -- --workspace DIR`."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from dashboard.state import page, sentences

TITLES = {
    "overview": ("Overview", ":material/home:"),
    "data_report": ("Data", ":material/dataset:"),
    "train": ("Train", ":material/model_training:"),
    "metrics": ("Metrics", ":material/monitoring:"),
    "failures": ("Failures", ":material/image_search:"),
    "fix_masks": ("Fix masks", ":material/brush:"),
    "prompt_lab": ("Prompt lab", ":material/science:"),
}

st.set_page_config(page_title="Drywall QA", page_icon=":material/wall_art:", layout="wide")
st.html("<style>[data-testid=stMainBlockContainer] {padding-top: 3rem; padding-bottom: 2rem}</style>")
pages = [
    st.Page(page(name), title=title, icon=icon, url_path=name, default=name == "overview")
    for name, (title, icon) in TITLES.items()
]
with sentences():
    st.navigation(pages).run()
