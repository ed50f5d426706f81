"""Failures: a run's samples by IoU or another metric, as pictures, a table with sizes or a map; pick some, open one."""

from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from core.metrics.ceiling import ceiling_sentence
from core.metrics.ladder import tolerance_ladder
from core.metrics.table import HEADLINE, TITLES, all_metrics
from core.sizes.picture import paint_size
from dashboard.charts import cause_bars, likeness_map
from dashboard.gallery import agreement_tile, legend, photo_of, photo_png, probs_of, short_name, truth_of
from dashboard.picks import OF_LIKE, OF_TAG, PICKED, pick_box, picked, picks_bar, show_like, show_picked, views_menu
from dashboard.score_views import score_numbers, show_ladder, thin_shift_badge
from dashboard.sizes import label_size, prediction_size, show_size_table, sizes_of
from dashboard.state import (
    forget_place,
    go_to,
    in_place,
    open_workspace,
    pick,
    pick_number,
    pick_range,
    pick_run,
    place_in_order,
    plain,
    reviewer,
    sentences,
    show_said,
    turn_pages,
)
from data.store.scores import ScoreFilter
from training.runs.opened import OpenedRun
from training.scoring.causes import CAUSE_BY_KEY, FINE, NAMES
from training.scoring.figures import paint_agreement, paint_heat
from training.scoring.likeness import map_of, nearest
from training.scoring.scores import counted, headline, mean
from training.scoring.stored_probs import mask_at

PER_PAGE = [12, 24, 48]
TABLE_METRICS = ("iou", "tolerant_f1_2px", "cldice", "boundary_iou")
ALL = "all"
WHY = {ALL: "all", FINE: "did not fail", **NAMES}

COLOURS = {"iou": "IoU", "class_name": "class", "why": "why", "review_state": "review"}

workspace = open_workspace()
store = workspace.store
name = reviewer()
st.title("Failures")
show_said()
scored = store.scored_runs()
if not scored:
    st.info("No run was scored yet. Launch one on the Train page; it scores the test split when it ends.")
    st.stop()

bar = st.columns([3, 2, 2, 3])
run_id = pick_run((run for run in store.runs() if run.id in scored), where=bar[0])
slots = store.slots(run_id)
split = pick("Split", sorted(slots["split"].unique(), key=["test", "val", "train"].index), "split", where=bar[1])
slots = slots[slots["split"] == split]
class_name = pick("Class", [ALL, *sorted(slots["class_name"].unique())], "class", where=bar[2])
there = [cause for cause in WHY if cause in set(slots["cause"])]
cause = pick("Why", [ALL, *there], "cause", where=bar[3], format_func=WHY.get)
bar = st.columns([3, 2, 3, 3])
by = pick("By", list(HEADLINE), "by", where=bar[0], format_func=TITLES.get)
order = pick("Order", ["worst first", "best first"], "order", where=bar[1])
sources = [ALL, *(f"{OF_TAG}{tag}" for tag in store.tags())]
sources += [PICKED] if picked() or st.query_params.get("of") == PICKED else []
sources += [of] if (of := st.query_params.get("of", "")).startswith(OF_LIKE) else []
OF = {ALL: "all samples", PICKED: f"{len(picked())} picked"}
of = pick("Of", sources, "of", where=bar[2], format_func=lambda key: OF.get(key, key))
low, high = pick_range("IoU", "iou", where=bar[3])
wanted = ScoreFilter(run_id, split, None if class_name == ALL else class_name, None if cause == ALL else cause, low, high)
filters = (wanted, by, order, of)
if st.session_state.setdefault("failures_filters", filters) != filters:  # another choice begins at its first page
    st.session_state["failures_filters"] = filters
    forget_place()


def look_at(sample_id: int) -> None:
    """One sample large, at any threshold."""
    found = store.scores(run_id, ids=[sample_id])
    if found.empty:
        st.warning(f"Run {run_id} has no score of sample {sample_id}; choose another run or sample.")
        return
    score = found.iloc[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{plain(score.file_name)}", width="stretch")
        if st.button("Fix this mask", type="primary", icon=":material/brush:"):
            go_to("fix_masks", sample=sample_id, run=run_id)
        if st.button("Like this", icon=":material/join_inner:", help="The photos that look most like it to the model"):
            show_like(sample_id)
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
    rows = list(scores.itertuples())
    for start in range(0, len(rows), 4):
        for place, score in zip(st.columns(4), rows[start : start + 4], strict=False):
            with place.container(border=True), in_place():
                tile = agreement_tile(
                    run_id, score.split, score.sample_id, score.current_revision, score.threshold, score.image_path
                )
                st.image(tile, width="stretch")
                st.markdown(f":small[**{headline(score)}**]")
                st.caption(f"{score.class_name} · {plain(short_name(score.file_name, 17))}")
                with st.container(horizontal=True, vertical_alignment="center"):
                    if st.button("Open", key=f"open_{score.sample_id}", help=plain(score.file_name)):
                        st.query_params["sample"] = str(score.sample_id)
                        st.rerun()
                    pick_box(score.sample_id)


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
        key=f"table_{filters}_{place_in_order()}",
    )
    st.caption("Predicted: at the run's threshold. Choose a line to open its sample.")
    if chosen.selection.rows:
        st.query_params["sample"] = str(scores["sample_id"].iloc[chosen.selection.rows[0]])
        st.rerun()


@st.fragment
def gallery(scores: pd.DataFrame) -> None:
    """Picking runs this alone."""
    picks_bar(workspace, name, scores["sample_id"].tolist(), show_picked)
    (as_pictures if view == "Pictures" else as_table)(scores)


def of_list() -> pd.DataFrame:
    """The samples of a tag, those picked, or those like one, as the filters leave them, in their order."""
    if of.startswith(OF_LIKE):
        with sentences():
            alike = nearest(OpenedRun(workspace, run_id), split, int(of.removeprefix(OF_LIKE)))
        ids = alike["sample_id"].tolist()
    else:
        ids = store.tagged(of.removeprefix(OF_TAG)) if of.startswith(OF_TAG) else list(picked())
    found = store.scores(run_id, split, ids=ids)
    kept = found[found["iou"].between(low, high, inclusive="left" if high < 1 else "both")]
    for column, value in (("class_name", wanted.class_name), ("cause", wanted.cause)):
        kept = kept[(kept[column] == value) | (value is None)]
    if of.startswith(OF_LIKE):
        return (
            kept.set_index("sample_id", drop=False)
            .reindex([i for i in ids if i in set(kept["sample_id"])])
            .reset_index(drop=True)
        )
    return kept.sort_values([by, "sample_id"], ascending=order == "worst first", ignore_index=True)


def show_map() -> None:
    """All of the split where the model sees them; a lasso picks."""
    with sentences():
        places = map_of(OpenedRun(workspace, run_id), split)
    table = places.merge(store.scores(run_id, split), on="sample_id")
    table["why"] = table["cause"].map(WHY)
    colour = pick("Colour", list(COLOURS), "colour", format_func=COLOURS.get, width=200)
    chosen = st.plotly_chart(
        likeness_map(table, colour), on_select="rerun", selection_mode=["lasso", "box"], key=f"map_{run_id}_{split}_{colour}"
    )
    st.caption("Near each other: photos that look alike to the model, their features in two dimensions (PCA). A lasso picks.")
    if chosen.selection.points:
        found = [int(point["customdata"][0]) for point in chosen.selection.points]
        st.write(f"{len(found)} in the lasso")
        if st.button("Show them", type="primary", icon=":material/visibility:"):
            picked().clear()
            picked().update(dict.fromkeys(found))
            st.query_params.update({"of": PICKED, "as": "Pictures"})
            st.rerun()


failed = int(slots[slots["cause"].isin(NAMES)]["samples"].sum())
if failed:
    with st.expander(f"Why {failed} of {int(slots['samples'].sum())} failed", icon=":material/bar_chart:"):
        bars = st.plotly_chart(cause_bars(slots, NAMES), on_select="rerun", selection_mode="points", key=f"bars_{wanted}")
        st.caption("By rules over label and prediction, the first that holds; a bar opens its samples.")
        if cause in NAMES:
            st.markdown(f"**{NAMES[cause]}**: {CAUSE_BY_KEY[cause].why} {CAUSE_BY_KEY[cause].remedy}")
    if bars.selection.points:
        chosen_cause, chosen_class = bars.selection.points[0]["customdata"][:2]
        st.query_params.update({"cause": chosen_cause, "class": chosen_class})
        st.rerun()

listed = None if of == ALL else of_list()
if listed is None:
    total, means = counted(slots, wanted)
else:
    total, means = len(listed), {key: mean(listed[key]) if len(listed) else None for key in HEADLINE}
with st.container(horizontal=True, vertical_alignment="center"):
    if total:
        also = "" if by == "iou" or means[by] is None else f", {TITLES[by]} {means[by]:.3f}"
        st.write(f"{total} samples, mean IoU {means['iou']:.3f}{also}")
    else:
        st.write("No sample lies in that range.")
    legend()
    view = pick("As", ["Pictures", "Table", "Map"], "as", width=140, label_visibility="collapsed")
    per_page = pick("A page", PER_PAGE, "n", width=90, label_visibility="collapsed")
    views_menu(workspace, "failures", name)
if view == "Map":
    show_map()
elif listed is not None:
    number = pick_number("Page", "at", -(-total // per_page)) if total > per_page else 1
    if total:
        gallery(listed.iloc[(number - 1) * per_page : number * per_page].reset_index(drop=True))
else:
    after, backwards, first = place_in_order()
    asked = {"count": per_page, "after": after, "backwards": backwards}
    of_page = store.page_of_scores(wanted, by, worst_first=order == "worst first", **asked)
    if of_page.empty and after:  # what stood here was scored anew
        forget_place()
        st.rerun()
    if len(of_page):
        turn_pages(of_page, by, first, total)
        gallery(of_page)
