"""Fix masks: draw on a label, see what it becomes, save it as a new revision, decide, next."""

import streamlit as st

from core.errors import DrywallError
from dashboard.gallery import LABEL_COLOUR, photo_of, probs_of, truth_of
from dashboard.mask_editor import edit_mask
from dashboard.state import go_to, open_workspace, reviewer, sentences
from training.evaluation import mask_at
from training.figures import paint, paint_agreement
from training.review import next_in_queue, review_queue
from training.scores import all_scores

workspace, store = open_workspace()
name = reviewer()
st.title("Fix masks")
queue = review_queue(store, st.query_params.get("run"))
wanted = st.query_params.get("sample", "")
if not wanted.isdigit():
    if not queue:
        st.success("Every sample was reviewed.", icon=":material/done_all:")
        st.stop()
    st.query_params["sample"] = wanted = str(queue[0].sample_id)
with sentences():
    sample = store.sample(int(wanted))
reason = next((entry.reason for entry in queue if entry.sample_id == sample.id), f"state: {sample.review_state}")
st.markdown(f"**{sample.file_name}** · {sample.class_name} · {sample.split} · revision {sample.revision} · {reason}")
st.caption(f"{len(queue)} samples wait for review.")

photo, label = photo_of(sample.image_path), truth_of(sample.id, sample.revision)
key = f"{sample.id}_{sample.revision}"
left, right = st.columns([3, 2], gap="medium")
with left:
    mask, drawn = edit_mask(photo, label, key)

scores = store.scores()
scored = scores[scores["sample_id"] == sample.id].sort_values("run_id").tail(1)
with right:
    st.image(paint(photo, mask, LABEL_COLOUR), caption="after" if drawn else "the label as it is", width="stretch")
    numbers = st.columns(3)
    numbers[0].metric(
        "Area",
        f"{int(mask.sum()):,} px",
        f"{int(mask.sum()) - int(label.sum()):+,} px" if drawn else None,
        delta_color="off",
    )
    if len(scored):
        score = scored.iloc[0]
        with sentences():
            prediction = mask_at(probs_of(score.run_id, score.split, sample.id), float(score.threshold))
        before, after = (all_scores(prediction, truth, truth.shape) for truth in (label, mask))
        for place, key, title in ((1, "iou", "IoU with prediction"), (2, "tolerant_f1_2px", "Tolerant F1")):
            gain = f"{after[key] - before[key]:+.3f}" if drawn else None
            numbers[place].metric(title, f"{after[key]:.3f}", gain)
        if st.toggle("Show the prediction", key=f"prediction_{key}"):
            caption = f"run {score.run_id}: green agrees, orange only predicted, blue only labelled"
            st.image(paint_agreement(photo, mask, prediction), caption=caption, width="stretch")
    comment = st.text_input("Comment", key=f"comment_{key}", placeholder="optional")

    def next_sample() -> None:
        following = next_in_queue(queue, sample.id)
        go_to("fix_masks", sample=following, run=st.query_params.get("run"))

    def decide(state: str) -> None:
        with sentences():
            store.add_review(sample.id, state, name, comment)
        next_sample()

    if st.button("Save as new revision", type="primary", disabled=not drawn, icon=":material/save:", width="stretch"):
        try:
            saved = store.save_label(
                sample.id, mask, based_on=sample.revision, author=name, tool="drawn", comment=comment
            )
        except DrywallError as error:  # what was drawn stays on the canvas
            st.error(str(error), icon=":material/error:")
        else:
            st.session_state["saved"] = (sample.id, saved.number)
            st.rerun()
    if st.session_state.get("saved") == (
        sample.id,
        sample.revision,
    ):  # stays until the next save: the canvas reruns too
        st.success(f"Saved as revision {sample.revision} of sample {sample.id}.", icon=":material/check:")
    with st.container(horizontal=True):
        if st.button("Accept", icon=":material/thumb_up:", help="The label is right", disabled=drawn):
            decide("accepted")
        if st.button("Reject", icon=":material/thumb_down:", help="The photo or label is not usable", disabled=drawn):
            decide("rejected")
        if st.button("Skip", icon=":material/redo:", help="Somebody else shall look"):
            decide("skipped")
        if st.button("Next", icon=":material/arrow_forward:"):
            next_sample()
    with st.expander("History"):
        for revision in store.revisions(sample.id):
            when = revision.created_at.strftime("%d %b %H:%M")
            st.markdown(
                f"**{revision.number}** · {revision.tool} by {revision.author} · {when} · {revision.area_px:,} px {revision.comment}"
            )
