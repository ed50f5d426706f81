"""Prompt lab: a photo and sentences in, masks and heat maps side by side out."""

from pathlib import Path

import streamlit as st

from core.masks.mask import mask_png
from core.models.predictor import DEFAULT_THRESHOLD, WHOLE_PHOTO
from core.photos import PHOTO_SUFFIXES, read_photo
from core.prompts import PUBLISHED_SYNONYMS
from dashboard.forms import settings_form
from dashboard.gallery import photo_of
from dashboard.limits import look_slot
from dashboard.state import allowed_checkpoints, open_workspace, plain, sentences
from training.inference.folder import predict_alone
from training.inference.formats import prediction_format
from training.inference.mask_files import mask_name
from training.inference.predictors import in_number_format, named_predictor
from training.runs.opened import OpenedRun
from training.scoring.figures import FALSE_POSITIVE, paint, paint_heat

MOST_PROMPTS = 20

workspace = open_workspace()
store = workspace.store
st.title("Prompt lab")
with_checkpoint = [run.id for run in store.runs() if run.best_epoch]
left, middle, right = st.columns([3, 3, 2])
uploaded = left.file_uploader("Photo", type=list(PHOTO_SUFFIXES))
samples = {sample.file_name: sample for sample in store.samples()}
chosen = left.selectbox("or one of the workspace", list(samples), disabled=uploaded is not None)
typed = middle.text_area(
    "Prompts, one a line",
    "segment wall crack\nsegment joint tape",
    height=130,
    help="Known ones: " + "; ".join(prompt for prompts in PUBLISHED_SYNONYMS.values() for prompt in prompts),
)
source = right.selectbox("Model", [*(f"run {run}" for run in with_checkpoint), *allowed_checkpoints()])
run = OpenedRun(workspace, source.removeprefix("run ")) if source.startswith("run ") else None
prompts = [line for line in typed.splitlines() if line.strip()]

with sentences():
    if uploaded is not None:
        which, name, photo = uploaded.file_id, uploaded.name, read_photo(uploaded.getvalue(), uploaded.name)
    elif chosen:
        which, name, photo = samples[chosen].image_hash, samples[chosen].file_name, photo_of(samples[chosen].image_path)
    else:
        st.info("Upload a photo to begin.")
        st.stop()
    if len(prompts) > MOST_PROMPTS:
        st.warning(f"{len(prompts)} prompts at once are too many; ask {MOST_PROMPTS} at most.")
        st.stop()
    if not prompts:
        st.warning('Type what to segment, for example "segment wall crack".')
        st.stop()
    with right.expander("Whole, in tiles, larger, mirrored"):
        usual = run.config.inference if run else WHOLE_PHOTO
        inference = settings_form(usual, f"inference_{source}", columns=1)
    asked = (source, inference, prompts, which)
    if right.button("Segment", type="primary", icon=":material/image_search:"):
        with st.spinner("Looking"), look_slot():
            predictor = run.predictor(inference) if run else named_predictor(source, inference)
            number_format = prediction_format(run.folder if run else None)
            found = predict_alone(in_number_format(predictor, number_format), photo, prompts)
        st.session_state["looked"] = (asked, found)
    of, predictions = st.session_state.get("looked", (None, []))
    if of != asked:  # nothing is computed before it is asked for; a moved threshold needs no second look
        st.image(photo, caption=plain(name), width=480)
        st.stop()

for number, prediction in enumerate(predictions):
    usual_threshold = run.threshold_of(prediction.prompt) if run else DEFAULT_THRESHOLD
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(prediction.prompt, width="stretch")
        threshold = st.slider(
            "Threshold", 0.01, 0.99, usual_threshold, 0.01, width=220, key=f"threshold_{source}_{prediction.prompt}_{number}"
        )
        mask = prediction.mask(threshold)
        st.download_button(
            "Mask",
            mask_png(mask, prediction.number_format),
            mask_name(name, prediction.prompt),
            "image/png",
            key=f"download_{number}",
            icon=":material/download:",
        )
    if prediction.cut:
        st.warning("This prompt is longer than the model reads (77 tokens); its end was cut.")
    columns = st.columns(3)
    columns[0].image(
        paint(photo, mask, FALSE_POSITIVE, 0.6), caption=f"mask: {100 * mask.mean():.2f} % of the photo", width="stretch"
    )
    columns[1].image(
        paint_heat(photo, prediction.probs),
        caption=f"probability, highest {prediction.probs.max():.2f}, computed in {prediction.number_format}",
        width="stretch",
    )
    columns[2].image(photo, caption=f"{plain(Path(name).name[:40])} ({photo.shape[1]} x {photo.shape[0]})", width="stretch")
