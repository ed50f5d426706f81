"""Data: what the import found, what in photos and labels wants a look, copies as pictures, and every repaired or refused item."""

from typing import Any

import pandas as pd
import streamlit as st

from core.progress import Progress
from dashboard.gallery import label_tile, short_name
from dashboard.picks import pick_box, picks_bar
from dashboard.state import (
    go_to,
    in_place,
    open_workspace,
    pick,
    pick_number,
    plain,
    reviewer,
    say_after_rerun,
    sentences,
    show_said,
)
from data.intake.duplicates import by_source, find_leaks
from data.intake.preparation import regroup_and_split
from data.quality.findings import Finding, balance, findings
from data.quality.measuring import measure_quality
from data.store.records import Sample
from training.config import SplitSettings

PER_PAGE = 20

workspace = open_workspace()
store = workspace.store
name = reviewer()
st.title("Data")
show_said()
report = store.last_import()
if report is None:
    st.info("Nothing was imported yet: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"{report.raw_dir}, imported {report.created_at:%d %b %Y %H:%M} UTC", width="stretch")
    if st.button("Labels from and for other tools", icon=":material/swap_horiz:"):
        go_to("exchange")
st.dataframe(pd.DataFrame(report.rows), hide_index=True, width="stretch")


def tell_in(place: Any) -> Progress:
    def tell(what: str, done: int, total: int) -> None:
        place.progress(done / max(1, total), f"{what}, {done} of {total}")

    return tell


def divide_by_group() -> None:
    place = st.progress(0.0, "Dividing")
    with sentences():
        regroup_and_split(workspace, **(SplitSettings().model_dump() | {"by_group": True}), on_progress=tell_in(place))
    say_after_rerun("Divided anew: copies of one photo lie in one split. Runs trained before saw the old division.")


def tiles(chosen: list[Sample], key: str, per_row: int = 5, picking: bool = False) -> None:
    for start in range(0, len(chosen), per_row):
        for column, sample in zip(st.columns(per_row), chosen[start : start + per_row], strict=False):
            with column.container(border=True):
                with in_place():
                    st.image(label_tile(sample.id, sample.revision, sample.image_path), width="stretch")
                st.caption(f"{sample.class_name} · {sample.split} · {plain(short_name(sample.file_name, 15))}")
                if st.button("Open", key=f"open_{key}_{sample.id}", help=plain(sample.file_name)):
                    go_to("fix_masks", sample=sample.id)
                if picking:
                    pick_box(sample.id)


@st.fragment
def samples_of(finding: Finding) -> None:
    """Picking runs this alone."""
    st.caption(f"{finding.why} {len(finding.ids)} of {finding.of} looked at, the gravest first.")
    pages = -(-len(finding.ids) // PER_PAGE)
    number = pick_number("Page", "page", pages) if pages > 1 else 1
    ids = finding.ids[(number - 1) * PER_PAGE : number * PER_PAGE]
    by_id = {sample.id: sample for sample in store.samples(ids=ids)}
    picks_bar(workspace, name, list(ids))
    tiles([by_id[sample_id] for sample_id in ids], finding.key, picking=True)


def show_quality() -> None:
    waiting = len(store.unmeasured())
    if waiting:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.write(f"{waiting} photos were not measured yet, or their labels changed.")
            if st.button("Measure", type="primary", icon=":material/straighten:", help="About thirty photos a second, each once"):
                measure_quality(workspace, tell_in(st.progress(0.0, "Measuring")))
                st.rerun()
    quality = store.quality()
    st.dataframe(balance(quality).style.format(precision=1, na_rep="-"), hide_index=True, width="stretch")
    found = {finding.key: finding for finding in findings(quality, store.overlaps())}
    if not found:
        st.success("Nothing was found in what was measured.", icon=":material/check:")
        return
    chosen = pick(
        "What wants a look", list(found), "finding", format_func=lambda key: f"{found[key].title} ({len(found[key].ids)})"
    )
    if chosen == "leaks" and st.button("Divide by group", type="primary", icon=":material/call_split:"):
        divide_by_group()
    samples_of(found[chosen])


samples = store.samples()
copies = sorted((group for group in by_source(samples).values() if len(group) > 1), key=len, reverse=True)
leaks = find_leaks(samples)
VIEWS = ["Quality", "Splits", f"Copies ({len(copies)} groups)", f"Problems ({len(report.problems)})", "Labels"]
view = st.radio("View", VIEWS, horizontal=True, label_visibility="collapsed", key="data_view")
if view == VIEWS[0]:
    show_quality()
elif view == VIEWS[1]:
    counts = store.counts().pivot_table(index="class_name", columns="split", values="samples", aggfunc="sum", fill_value=0)
    st.dataframe(counts)
    if leaks:
        st.error(f"{len(leaks)} groups of copies cross splits, so test figures flatter the model.")
        if st.button("Divide by group", icon=":material/call_split:"):
            divide_by_group()
        st.dataframe(
            pd.DataFrame(
                {"group": leak.group, "splits": ", ".join(leak.splits), "samples": len(leak.sample_ids)} for leak in leaks
            ),
            hide_index=True,
        )
    else:
        st.success("No group of copies crosses a split.", icon=":material/check:")
elif view == VIEWS[2]:
    st.caption(
        "Copies by Roboflow's name mark or by a perceptual hash that holds under quarter turns and flips. A group stays in one split."
    )
    if not copies:
        st.write("No photo has a copy.")
    for group in copies[:10]:
        with st.container(border=True):
            tiles(group[:5], group[0].group)
elif view == VIEWS[3]:
    if report.problems:
        st.dataframe(pd.DataFrame([vars(problem) for problem in report.problems]), hide_index=True, width="stretch")
        named = {problem.file_name for problem in report.problems if problem.action == "repaired"}
        tiles([sample for sample in samples if sample.file_name in named][:10], "problems")
    else:
        st.success("Nothing had to be repaired or refused.", icon=":material/check:")
elif view == VIEWS[4]:
    class_name = st.selectbox("Class", sorted({sample.class_name for sample in samples}))
    boxes = st.toggle("Box-only labels")
    chosen = [s for s in samples if s.class_name == class_name and (not boxes or s.is_box)]
    number = st.number_input("Page", 1, max(1, -(-len(chosen) // 20)), width=140)
    tiles(chosen[(number - 1) * PER_PAGE : number * PER_PAGE], "labels")
