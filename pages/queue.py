"""Queue: what to review next and why; take the next sample, or accept many proposals at once and undo that as one."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.gallery import LABEL_COLOUR, label_tile, photo_of, shrink
from dashboard.state import (
    forget_place,
    go_to,
    in_place,
    open_workspace,
    pick,
    pick_run,
    plain,
    reviewer,
    say_after_rerun,
    sentences,
    show_said,
)
from data.store.queue import KINDS, QueueFilter, QueuePlace
from data.store.records import REVIEW_STATES
from training.review.doubts import measure_doubts, measure_prompts
from training.review.proposals import Proposal, model_proposals, seam_proposals
from training.review.queue import AUDIT_SHARE, review_queue, take_next
from training.runs.opened import OpenedRun
from training.scoring.figures import paint

PER_PAGE, PREVIEW, ALL = 12, 24, "all"
MODEL, SEAMS = "the masks of the run", "seams found in boxes"

workspace = open_workspace()
store = workspace.store
name = reviewer()
st.title("Queue")
show_said()
counts = store.counts()
if counts.empty:
    st.info("This workspace is empty. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()
scored = store.scored_runs()
runs = [run for run in store.runs() if run.id in scored]

numbers = counts.groupby("review_state")["samples"].sum()
for column, state in zip(st.columns(len(REVIEW_STATES)), REVIEW_STATES, strict=True):
    column.metric(state.capitalize(), int(numbers.get(state, 0)))
bar = st.columns([2, 3, 3])
class_name = pick("Class", [ALL, *sorted(counts["class_name"].unique())], "class", where=bar[0])
kind = pick("Reason", [ALL, *KINDS], "kind", where=bar[1], format_func=lambda key: KINDS.get(key, key))
share = bar[2].slider("Random audit share", 0.0, 0.5, AUDIT_SHARE, 0.05, help="Places given to samples drawn by lot")
asked: dict[str, Any] = {
    "class_name": None if class_name == ALL else class_name,
    "kind": None if kind == ALL else kind,
    "audit_share": share,
}
if st.session_state.setdefault("queue_asked", asked) != asked:  # another choice begins at its first page
    st.session_state["queue_asked"] = asked
    forget_place()
total = store.waiting_count(QueueFilter(asked["class_name"], asked["kind"], share))

with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{total} samples wait**", width="stretch")
    if st.button("Take the next", type="primary", icon=":material/play_arrow:", disabled=not total and kind != "audit"):
        with sentences():
            entry = take_next(store, name, **asked)
        if entry is None:
            st.warning("All of these are with other reviewers; widen the filter.")
        else:
            go_to("fix_masks", sample=entry.sample_id, place=entry.place)


def waiting_tiles() -> None:
    after = QueuePlace.from_text(st.query_params.get("after", ""))
    shown = review_queue(store, reviewer=name, **asked, count=PER_PAGE, after=after)
    samples = {sample.id: sample for sample in store.samples(ids=[entry.sample_id for entry in shown])}
    with st.container(horizontal=True, vertical_alignment="center"):
        before = after.before if after else 0
        st.caption(f"{before + 1} to {before + len(shown)}" if shown else "Nothing waits here.", width="content")
        if st.button("First", icon=":material/first_page:", disabled=after is None):
            forget_place()
            st.rerun()
        if st.button("Next", icon=":material/chevron_right:", disabled=len(shown) < PER_PAGE):
            st.query_params["after"] = str(shown[-1].place)
            st.rerun()
    columns = st.columns(4)
    for number, entry in enumerate(shown):
        sample = samples[entry.sample_id]
        with columns[number % 4].container(border=True):
            with in_place():
                st.image(label_tile(sample.id, sample.revision, sample.image_path), width="stretch")
            st.markdown(f"**{plain(entry.reasons[0])}**")
            st.caption(plain(" · ".join([sample.class_name, sample.split, *entry.reasons[1:]])))
            if st.button("Take", key=f"take_{sample.id}", help=plain(sample.file_name)):
                with sentences():
                    store.take(sample.id, name)
                go_to("fix_masks", sample=sample.id, place=entry.place)


def measure_synonyms(run_id: str) -> None:
    """Behind a bar that shows only while something is measured."""
    place = st.empty()

    def tell(what: str, done: int, total: int) -> None:
        place.progress(done / max(1, total), what)

    with sentences():
        opened = OpenedRun(workspace, run_id)
        measure_doubts(opened, tell)
        count = measure_prompts(opened, tell)
    say_after_rerun(f"{count} samples asked.")


@st.cache_data(max_entries=4, show_spinner="Looking at the proposals")
def offered(source: str, run: str | None, wanted: str | None, edition: tuple[int, int]) -> list[Proposal]:
    """`edition`, of labels and decisions, is what makes an answer old."""
    if source == SEAMS:
        return seam_proposals(workspace, wanted)
    return model_proposals(OpenedRun(workspace, run), wanted) if run else []


def accept_many() -> None:
    left, middle, right = st.columns([2, 3, 3])
    source = left.selectbox("Proposals", [MODEL, SEAMS])
    run_id = pick_run(runs, where=middle) if runs and source == MODEL else None
    if run_id and middle.button("Ask every synonym", icon=":material/forum:", help="How far the run's prompts differ; once"):
        measure_synonyms(run_id)
    least = right.slider("Confidence at least", 0.0, 1.0, 0.9, 0.01, help="Mean probability inside the mask, or the seam's")
    found = offered(source, run_id, asked["class_name"], store.edition())
    sure = [proposal for proposal in found if proposal.confidence >= least]
    st.caption(
        f"{len(sure)} of {len(found)} proposals. Labels accepted from a machine flatter it: scores on human-made labels "
        "leave them out."
    )
    columns, chosen = st.columns(6), []
    for place, proposal in enumerate(sure[:PREVIEW]):
        sample = proposal.sample
        with columns[place % 6]:
            st.image(shrink(paint(photo_of(sample.image_path), proposal.mask, LABEL_COLOUR), 240), width="stretch")
            key = f"proposal_{source}_{run_id}_{sample.id}_{sample.revision}"
            if st.checkbox(f"{proposal.confidence:.2f} · {sample.class_name}", True, key=key, help=plain(sample.file_name)):
                chosen.append(proposal.as_label)
    if len(sure) > PREVIEW:
        st.caption(f"The {PREVIEW} surest are shown; what is not shown is not accepted. Accept these, then look at the next.")
    if st.button(f"Accept {len(chosen)} proposals", icon=":material/done_all:", disabled=not chosen):
        with sentences():
            tool = "model" if source == MODEL else "seam"
            batch = store.accept_proposals(chosen, author=name, tool=tool, comment=f"confidence {least:.2f} and more")
        say_after_rerun(f"{batch.samples} accepted. Under Bulk actions one click undoes all of it.")


def bulk_actions() -> None:
    for batch in store.batches():
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            undone = f" · undone by {plain(batch.undone_by)}" if batch.undone_by else ""
            when = f"{batch.created_at:%d %b %H:%M} UTC"
            what = f"**{batch.samples} proposals ({batch.tool}) accepted** by {plain(batch.author)}, {when}"
            st.markdown(f"{what} · {plain(batch.comment)}{undone}", width="stretch")
            if not batch.undone_by and st.button("Undo", key=f"undo_{batch.id}", icon=":material/undo:"):
                with sentences():
                    back, left = store.undo_batch(batch.id, name)
                kept = f"; {len(left)} were changed since and stay" if left else ""
                say_after_rerun(f"{len(back)} labels put back{kept}.")
    if not store.batches():
        st.write("None yet.")


def with_reviewers() -> None:
    leases = store.leases()
    held = [
        (sample.file_name, sample.class_name, leases[sample.id].reviewer, leases[sample.id].until)
        for sample in store.samples(ids=list(leases))
    ]
    if held:
        st.dataframe(pd.DataFrame(held, columns=["file", "class", "reviewer", "until (UTC)"]), hide_index=True)
    else:
        st.write("Nobody has a sample right now.")


VIEWS = {
    "Waiting": waiting_tiles,
    "Accept many at once": accept_many,
    "Bulk actions": bulk_actions,
    "With a reviewer": with_reviewers,
}
VIEWS[st.radio("View", list(VIEWS), horizontal=True, label_visibility="collapsed", key="view")]()
