"""The history of a sample's label: every revision as a picture, restored by a click; the difference of any two."""

import streamlit as st

from core.errors import DrywallError
from data.records import Sample
from data.store import Store


def show_history(store: Store, sample: Sample, name: str) -> None:
    with st.expander("History"):
        for revision in store.revisions(sample.id):
            when = revision.created_at.strftime("%d %b %H:%M")
            st.markdown(
                f"**{revision.number}** · {revision.tool} by {revision.author} · {when} · {revision.area_px:,} px {revision.comment}"
            )
