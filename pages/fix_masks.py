"""Fix masks: draw on a label, see what it becomes, save it as a new revision, decide, next."""

from collections.abc import Callable

import streamlit as st

from core.errors import DrywallError, LeaseError, StaleRevisionError
from dashboard.gallery import photo_of
from dashboard.history import show_history
from dashboard.mask_conflict import show_conflict
from dashboard.mask_editor import Prediction, make_ready, open_sample, save_draft, show_canvas
from dashboard.sizes import prediction_size, show_sizes
from dashboard.state import go_to, open_workspace, plain, reviewer, sentences
from data.store.actors import NotAllowedError
from data.store.queue import QueuePlace
from training.review.queue import QueueEntry, reasons_of, review_queue, take_next

COMPACT = """<style>
[data-testid=stMainBlockContainer] {padding: 4.2rem 1.2rem 1rem}
.st-key-which h1 {font-size: 0.9rem; line-height: 1.25; font-weight: 600; padding: 0; overflow: hidden}
.st-key-which h1 span {font-size: 0.8rem; font-weight: 400; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2}
.st-key-decisions button {min-height: 2.2rem; padding: 0 0.7rem}
.st-key-decisions [data-baseweb=input], .st-key-decisions [data-testid=stTextInputRootElement] {height: 2.2rem}
</style>"""
DECISIONS = {
    "accepted": ("Accept", "A", "The label is right; what you drew is saved first"),
    "rejected": ("Reject", "J", "The photo or the label is not usable"),
    "skipped": ("Skip", "K", "Somebody else shall look"),
}

workspace = open_workspace()
store = workspace.store
name = reviewer().strip()
st.html(COMPACT)
run_id = st.query_params.get("run")
place = QueuePlace.from_text(st.query_params.get("place", ""))
wanted = st.query_params.get("sample", "")
if not wanted.isdigit():
    first = review_queue(store, reviewer=name, count=1)
    if not first:
        st.title("Fix masks")
        if store.counts().empty:
            st.info("This workspace is empty. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
        else:
            st.success("Every sample was reviewed.", icon=":material/done_all:")
        st.stop()
    st.query_params["sample"] = wanted = str(first[0].sample_id)
    st.query_params["place"] = str(place := first[0].place)


def prediction_of(sample_id: int) -> Prediction | None:
    """Of the run that the address names, else of the newest that scored the sample."""
    score = store.newest_score(sample_id, run_id)
    return Prediction(score.run_id, score.split, score.threshold) if score else None


def locked_because() -> str | None:
    """Why nobody may draw here now, in one sentence; takes the sample for the reviewer if it is free."""
    if not name:
        return "Type your name in the side bar to draw."
    if sample.review_state == "accepted":
        return "The label is accepted and locked; reopen it to change it (U)."
    try:
        store.take(sample.id, name)
    except NotAllowedError as error:
        return str(error)
    except LeaseError as error:
        return f"{plain(error.reviewer)} has this sample now; you can look, or go on with the next one (N)."
    return None


with sentences():
    sample = store.sample(int(wanted))
    locked = locked_because()
    sample = store.sample(sample.id)  # taking it may have laid another label before this reviewer
    prediction = prediction_of(sample.id)
    opening = open_sample(workspace, sample, name, prediction)
standing = store.standings([sample.id])[sample.id]
reason = "; ".join(reasons_of(standing)) if standing.waits or standing.honeypot else sample.review_state


def following() -> QueueEntry | None:
    """What comes next in the queue, from the top again at its end; None when nothing else waits."""
    for start in dict.fromkeys((place, None)):
        for entry in review_queue(store, reviewer=name, count=2, after=start):
            if entry.sample_id != sample.id:
                return entry
    return None


def next_sample() -> None:
    if name:
        store.release(sample.id, name)
    entry = take_next(store, name, after=place, but=sample.id) if name else following()
    go_to("fix_masks", sample=entry and entry.sample_id, run=run_id, place=entry and entry.place)


def done(action: Callable[[], object]) -> bool:
    """Do it; a refusal is shown as its sentence, a newer revision as the choice between the two masks."""
    try:
        action()
    except StaleRevisionError:
        st.rerun()
    except DrywallError as error:
        st.error(plain(error), icon=":material/error:")
        return False
    return True


def decide(state: str, comment: str) -> None:
    if state == "accepted":
        save_draft(store, opening, comment)
    store.add_review(sample.id, state, name, comment)


@st.fragment
def desk() -> None:
    head, buttons = st.columns([4, 7], vertical_alignment="center")
    with head.container(key="which"):
        about = f"{reason} · {sample.class_name} · {store.waiting_count()} wait · {plain(sample.file_name)} · {sample.split}"
        st.title(f"Fix masks :gray[{plain(about)}]", anchor=False)
    with buttons.container(horizontal=True, horizontal_alignment="right", gap="small", key="decisions"):
        comment = st.text_input(
            "Comment", key=f"comment_{sample.id}", placeholder="Comment", label_visibility="collapsed", width=120
        )
        save = st.button("Save", type="primary", shortcut="Ctrl+S", disabled=bool(locked))
        accepted = sample.review_state == "accepted"
        reopen = accepted and st.button("Reopen", shortcut="U", disabled=not name)
        pressed = [
            state for state, (title, key, why) in DECISIONS.items() if not accepted and st.button(title, shortcut=key, help=why)
        ]
        go_on = st.button("Next", shortcut="N")
    if save and not opening.drawn:
        st.toast("Nothing was drawn since the last save.")
    elif save and done(lambda: save_draft(store, opening, comment)):
        st.rerun()
    if reopen and done(lambda: store.reopen(sample.id, name, comment)):
        st.rerun()
    if go_on or (pressed and done(lambda: decide(pressed[0], comment))):
        next_sample()
    show_canvas(workspace, opening, locked)


if opening.revision != sample.revision:
    show_conflict(store, opening, name)
else:
    desk()
below = st.segmented_control("Below", ["History", "Sizes"], label_visibility="collapsed", key="below")
if below == "History":
    show_history(store, sample, photo_of(sample.image_path))
elif below == "Sizes":
    found = None
    if prediction:
        found = prediction_size(prediction.run_id, prediction.split, sample.id, prediction.threshold)
    show_sizes(store, sample, name, found)
if (entry := following()) is not None:
    make_ready(workspace, store.sample(entry.sample_id), prediction_of(entry.sample_id))
