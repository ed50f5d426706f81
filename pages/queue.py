"""Queue: what to review next and why; take the next sample, or accept many proposals at once and undo that as one."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard.gallery import LABEL_COLOUR, label_tile, photo_of, shrink
from dashboard.state import go_to, open_workspace, pick, pick_number, pick_run, reviewer, say_after_rerun, sentences, show_said
from data.store.records import REVIEW_STATES
from training.review.doubts import measure_doubts, measure_prompts
from training.review.proposals import Proposal, model_proposals, seam_proposals
from training.review.queue import AUDIT_SHARE, review_queue, take_next
from training.runs.opened import OpenedRun
from training.scoring.figures import paint

PER_PAGE, PREVIEW = 12, 24
MODEL, SEAMS = "the masks of the run", "seams found in boxes"

workspace = open_workspace()
store = workspace.store
name = reviewer()
st.title("Queue")
show_said()
samples = {sample.id: sample for sample in store.samples()}
if not samples:
    st.info("This workspace is empty. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()
scored = store.scored_runs()
runs = [run for run in store.runs() if run.id in scored]


def measure(work: Callable[..., int], run: str) -> int:
    """Do the measuring behind a bar that shows only while something is measured."""
    place = st.empty()
    with sentences():
        count = work(OpenedRun(workspace, run), lambda what, done, total: place.progress(done / max(1, total), what))
    place.empty()
    return count


bar = st.columns([3, 2, 2, 2])
run_id = pick_run(runs, where=bar[0]) if runs else None
classes = ["all", *sorted({sample.class_name for sample in samples.values()})]
class_name = pick("Class", classes, "class", where=bar[1])
share = bar[2].slider("Random audit share", 0.0, 0.5, AUDIT_SHARE, 0.05, help="Places given to samples drawn by lot")
if run_id:
    measure(measure_doubts, run_id)
queue = review_queue(store, run_id, reviewer=name, audit_share=share)
words = bar[3].text_input("Reason contains", placeholder="boxes only, IoU, audit ...")
shown = [
    entry
    for entry in queue
    if class_name in ("all", samples[entry.sample_id].class_name) and words.lower() in entry.reason.lower()
]

numbers = store.counts().groupby("review_state")["samples"].sum()
for place, state in zip(st.columns(len(REVIEW_STATES)), REVIEW_STATES, strict=True):
    place.metric(state.capitalize(), int(numbers.get(state, 0)))

with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{len(shown)} samples wait**" + (f" of {len(queue)}" if len(shown) < len(queue) else ""), width="stretch")
    if run_id and st.button("Ask every synonym", icon=":material/forum:", help="How far the run's prompts differ; once"):
        say_after_rerun(f"{measure(measure_prompts, run_id)} samples asked.")
    if st.button("Take the next", type="primary", icon=":material/play_arrow:", disabled=not shown):
        with sentences():
            lease = take_next(store, shown, name)
        if lease is None:
            st.warning("All of these are with other reviewers; widen the filter.")
        else:
            go_to("fix_masks", sample=lease.sample_id, run=run_id)


def waiting_tiles() -> None:
    number = pick_number("Page", "page", -(-len(shown) // PER_PAGE)) if len(shown) > PER_PAGE else 1
    columns = st.columns(4)
    for place, entry in enumerate(shown[(number - 1) * PER_PAGE : number * PER_PAGE]):
        sample = samples[entry.sample_id]
        with columns[place % 4].container(border=True):
            st.image(label_tile(sample.id, sample.revision, sample.image_path), width="stretch")
            st.markdown(f"**{entry.reasons[0]}**")
            st.caption(" · ".join([sample.class_name, sample.split, *entry.reasons[1:]]))
            if st.button("Take", key=f"take_{sample.id}", help=sample.file_name):
                with sentences():
                    store.take(sample.id, name)
                go_to("fix_masks", sample=sample.id, run=run_id)


@st.cache_data(max_entries=4, show_spinner="Looking at the proposals")
def offered(source: str, run: str | None, of_class: str, waiting: tuple[tuple[int, int], ...]) -> list[Proposal]:
    """`waiting`, the samples and their revisions, is what makes an answer old."""
    wanted = None if of_class == "all" else of_class
    if source == SEAMS:
        return seam_proposals(workspace, wanted)
    return model_proposals(OpenedRun(workspace, run), wanted) if run else []


def accept_many() -> None:
    left, right = st.columns(2)
    source = left.selectbox("Proposals", [MODEL, SEAMS])
    least = right.slider("Confidence at least", 0.0, 1.0, 0.9, 0.01, help="Mean probability inside the mask, or the seam's")
    waiting = tuple(sorted((entry.sample_id, samples[entry.sample_id].revision) for entry in queue))
    found = offered(source, run_id, class_name, waiting)
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
            if st.checkbox(f"{proposal.confidence:.2f} · {sample.class_name}", True, key=key, help=sample.file_name):
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
            undone = f" · undone by {batch.undone_by}" if batch.undone_by else ""
            what = f"**{batch.samples} proposals ({batch.tool}) accepted** by {batch.author}, {batch.created_at:%d %b %H:%M} UTC"
            st.markdown(f"{what} · {batch.comment}{undone}", width="stretch")
            if not batch.undone_by and st.button("Undo", key=f"undo_{batch.id}", icon=":material/undo:"):
                with sentences():
                    back, left = store.undo_batch(batch.id, name)
                kept = f"; {len(left)} were changed since and stay" if left else ""
                say_after_rerun(f"{len(back)} labels put back{kept}.")
    if not store.batches():
        st.write("None yet.")


def with_reviewers() -> None:
    held = [
        (samples[lease.sample_id].file_name, samples[lease.sample_id].class_name, lease.reviewer, lease.until)
        for lease in store.leases().values()
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
