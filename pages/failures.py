"""Failures: a run's samples by IoU or another metric, as pictures or as a table with sizes; open one, mend its label."""

from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from core.metrics.ceiling import ceiling_sentence
from core.metrics.ladder import tolerance_ladder
from core.metrics.table import HEADLINE, TITLES, all_metrics
from core.sizes.picture import paint_size
from dashboard.gallery import agreement_tile, legend, photo_of, photo_png, probs_of, truth_of
from dashboard.score_views import score_numbers, show_ladder, thin_shift_badge
from dashboard.sizes import label_size, prediction_size, show_size_table, sizes_of
from dashboard.state import go_to, open_workspace, pick, pick_number, pick_range, pick_run, sentences
from training.scoring.figures import paint_agreement, paint_heat
from training.scoring.scores import headline, ranked
from training.scoring.stored_probs import mask_at

PER_PAGE = {"Pictures": 12, "Table": 40}
TABLE_METRICS = ("iou", "tolerant_f1_2px", "cldice", "boundary_iou")

workspace = open_workspace()
store = workspace.store
st.title("Failures")
scores = store.scores()
if scores.empty:
    st.info("No run was scored yet. Launch one on the Train page; it scores the test split when it ends.")
    st.stop()

bar = st.columns([3, 2, 2, 3, 3, 3])
run_id = pick_run((run for run in store.runs() if run.id in set(scores["run_id"])), where=bar[0])
of_run = scores[scores["run_id"] == run_id]
split = pick("Split", sorted(of_run["split"].unique(), key=["test", "val", "train"].index), "split", where=bar[1])
class_name = pick("Class", ["all", *sorted(of_run["class_name"].unique())], "class", where=bar[2])
by = pick("By", list(HEADLINE), "by", where=bar[3], format_func=TITLES.get)
order = pick("Order", ["worst first", "best first"], "order", where=bar[4])
low, high = pick_range("IoU", "iou", where=bar[5])
filters = (run_id, split, class_name, by, order, low, high)
if st.session_state.setdefault("failures_filters", filters) != filters:  # another choice begins at its first page
    st.session_state["failures_filters"] = filters
    st.query_params.pop("page", None)
shown = ranked(of_run[of_run["split"] == split], class_name, by, order == "worst first", low, high)


def look_at(sample_id: int) -> None:
    """One sample large, at any threshold."""
    found = of_run[of_run["sample_id"] == sample_id]
    if found.empty:
        st.warning(f"Run {run_id} has no score of sample {sample_id}; choose another run or sample.")
        return
    score = found.iloc[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{score.file_name}", width="stretch")
        if st.button("Fix this mask", type="primary", icon=":material/brush:"):
            go_to("fix_masks", sample=sample_id, run=run_id)
        if st.button("Back to the gallery", icon=":material/grid_view:"):
            del st.query_params["sample"]
            st.rerun()
    threshold = st.slider("Threshold", 0.05, 0.95, float(score.threshold), 0.01, key=f"threshold_{sample_id}")
    with sentences():
        probs = probs_of(run_id, score.split, sample_id)
    photo, truth = photo_of(score.image_path), truth_of(sample_id, int(score.current_revision))
    prediction = mask_at(probs, threshold)
    grid_hw = truth.shape if score.isna()["grid_height"] else (int(score.grid_height), int(score.grid_width))
    ladder = tolerance_ladder(prediction, truth)
    thin_shift_badge(ladder)
    score_numbers(all_metrics(prediction, truth, grid_hw))
    st.caption(f"When scored, at threshold {score.threshold:g}: {headline(score)}.")
    if held_down := ceiling_sentence(truth, grid_hw):
        st.info(held_down, icon=":material/grid_on:")
    if score.isna()["ceiling"]:
        st.caption("The run was scored before the model's grid was noted; evaluate it again for its ceiling.")
    if score.revision != score.current_revision:
        st.caption(f"Scored against label revision {score.revision}; shown against revision {score.current_revision}.")
    sample, size = store.sample(sample_id), prediction_size(run_id, score.split, sample_id, threshold)
    picture = paint_agreement(photo, truth, prediction)
    if st.toggle("Sizes in the picture", key="sizes_in_picture", help="The widest place of the prediction, a scale bar"):
        picture = paint_size(picture, size, sample.px_per_mm)
    left, right = st.columns(2)
    left.image(picture, caption="truth and prediction", width="stretch")
    right.image(paint_heat(photo, probs / 255), caption="probability", width="stretch")
    with st.container(horizontal=True, vertical_alignment="center"):
        legend()
        st.download_button(
            "Picture",
            partial(photo_png, picture),
            f"{Path(score.file_name).stem}_{run_id}.png",
            "image/png",
            icon=":material/download:",
            on_click="ignore",
        )
    below, beside = st.columns(2)
    with below:
        show_ladder(ladder)
    with beside:
        st.markdown("**Sizes**" if sample.px_per_mm else "**Sizes**, in pixels: the photo has no scale yet")
        masks = {"truth": label_size(sample_id, int(score.current_revision)), "prediction": size}
        show_size_table(masks, sample.px_per_mm, sample.class_name)


opened = st.query_params.get("sample", "")
if opened.isdigit():
    look_at(int(opened))
    st.stop()


def as_pictures(scores: pd.DataFrame) -> None:
    columns = st.columns(4)
    for place, score in enumerate(scores.itertuples()):
        with columns[place % 4].container(border=True), sentences():
            tile = agreement_tile(run_id, score.split, score.sample_id, score.current_revision, score.threshold, score.image_path)
            st.image(tile, width="stretch")
            st.markdown(f"**{headline(score)}**")
            st.caption(f"{score.class_name} · {score.file_name[:26]}")
            if st.button("Open", key=f"open_{score.sample_id}"):
                st.query_params["sample"] = str(score.sample_id)
                st.rerun()


def as_table(scores: pd.DataFrame) -> None:
    """Numbers beside each other; a chosen line opens the sample."""
    columns = {"file_name": "file", "class_name": "class", **{key: TITLES[key] for key in TABLE_METRICS}}
    with sentences():
        sizes = sizes_of(scores, {sample.id: sample for sample in store.samples(ids=scores["sample_id"].tolist())})
    table = pd.concat([scores[list(columns)].rename(columns=columns), sizes], axis=1).reset_index(drop=True)
    numbers = {**dict.fromkeys(table.columns[2:], "{:.3f}"), **dict.fromkeys(sizes, "{:.4g}")}
    chosen = st.dataframe(
        table.style.format(numbers, na_rep="-"),
        hide_index=True,
        width="stretch",
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        key=f"table_{'_'.join(map(str, filters))}_{number}",
    )
    st.caption("Predicted: at the run's threshold. Choose a line to open its sample.")
    if chosen.selection.rows:
        st.query_params["sample"] = str(scores["sample_id"].iloc[chosen.selection.rows[0]])
        st.rerun()


with st.container(horizontal=True, vertical_alignment="center"):
    if len(shown):
        also = "" if by == "iou" else f", {TITLES[by]} {shown[by].mean():.3f}"
        st.write(f"{len(shown)} samples, mean IoU {shown['iou'].mean():.3f}{also}")
    else:
        st.write("No sample lies in that range.")
    legend()
    view = pick("As", list(PER_PAGE), "as", width=140, label_visibility="collapsed")
pages = max(1, -(-len(shown) // PER_PAGE[view]))
number = pick_number("Page", "page", pages) if pages > 1 else 1
of_page = shown.iloc[(number - 1) * PER_PAGE[view] : number * PER_PAGE[view]]
if len(of_page):
    (as_pictures if view == "Pictures" else as_table)(of_page)
