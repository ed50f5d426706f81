"""Fix masks: draw on a label, see what it becomes, save it as a new revision, decide, next."""

from collections.abc import Callable

import streamlit as st

from core.errors import DrywallError, StaleRevisionError
from dashboard.gallery import LABEL_COLOUR, photo_of, truth_of
from dashboard.mask_editor import Prediction, open_sample, reopen, save_draft, show_canvas
from dashboard.state import go_to, open_workspace, reviewer, sentences
from training.figures import paint
from training.review import next_in_queue, review_queue

workspace, store = open_workspace()
name = reviewer().strip()
st.html("<style>[data-testid=stMainBlockContainer] {padding: 2.6rem 1.2rem 1rem} h1 {font-size: 1.25rem !important; padding: 0 !important}</style>")
queue = review_queue(store, st.query_params.get("run"))
wanted = st.query_params.get("sample", "")
if not wanted.isdigit():
    st.title("Fix masks", anchor=False)
    if not queue:
        st.success("Every sample was reviewed.", icon=":material/done_all:")
        st.stop()
    st.query_params["sample"] = wanted = str(queue[0].sample_id)
with sentences():
    sample = store.sample(int(wanted))
    scores = store.scores()
    scored = scores[scores["sample_id"] == sample.id].sort_values("run_id").tail(1)
    prediction = None
    for score in scored.itertuples():
        prediction = Prediction(str(score.run_id), str(score.split), float(score.threshold))
    opening = open_sample(workspace, store, sample, name, prediction)
reason = next((entry.reason for entry in queue if entry.sample_id == sample.id), f"state: {sample.review_state}")


def next_sample() -> None:
    go_to("fix_masks", sample=next_in_queue(queue, sample.id), run=st.query_params.get("run"))


def act(action: Callable[[], None]) -> bool:
    """Do it; a refusal is shown as its sentence, a stale revision as the choice between two masks."""
    try:
        action()
    except StaleRevisionError:
        st.rerun()
    except DrywallError as error:
        st.error(str(error), icon=":material/error:")
        return False
    return True


@st.fragment
def desk() -> None:
    head, buttons = st.columns([5, 6], vertical_alignment="center")
    with head:
        st.title("Fix masks", anchor=False)
        st.caption(f"**{sample.file_name}** · {sample.class_name} · {sample.split} · {reason} · {len(queue)} wait")
    with buttons.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
        comment = st.text_input("Comment", key=f"comment_{sample.id}", placeholder="Comment", label_visibility="collapsed", width=150)
        save = st.button("Save", type="primary", shortcut="Ctrl+S")
        decisions = {
            "accepted": st.button("Accept", shortcut="A", help="Saves what you drew; the label is right"),
            "rejected": st.button("Reject", shortcut="J", help="The photo or label is not usable"),
            "skipped": st.button("Skip", shortcut="K", help="Somebody else shall look"),
        }
        following = st.button("Next", shortcut="N")
    if save and act(lambda: save_draft(store, opening, comment)):
        st.rerun()
    for state, pressed in decisions.items():
        if pressed and act(lambda state=state: decide(state, comment)):
            next_sample()
    if following:
        next_sample()
    show_canvas(store, opening, None if name else "Type your name in the side bar to draw.")


def decide(state: str, comment: str) -> None:
    if state == "accepted":
        save_draft(store, opening, comment)
    store.add_review(sample.id, state, name, comment)


if opening.revision != sample.revision:
    st.warning("conflict to come")
desk()
with st.expander("History"):
    for revision in store.revisions(sample.id):
        when = revision.created_at.strftime("%d %b %H:%M")
        st.markdown(
            f"**{revision.number}** · {revision.tool} by {revision.author} · {when} · {revision.area_px:,} px {revision.comment}"
        )
