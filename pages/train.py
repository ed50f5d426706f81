"""Train: choose labels, checkpoint and settings, launch, and watch the curves grow."""

import streamlit as st

from core.models.names import COMPACT, PUBLISHED
from core.settings import Settings
from dashboard.charts import loss_curves, miou_curves
from dashboard.forms import settings_form
from dashboard.state import go_to, open_workspace, pick_run, sentences
from training.config import load_config, make_config, shipped_configs
from training.runs.opened import OpenedRun
from training.runs.runs import ACTIVE, current_run, current_runs, history, launch, progress_of, relaunch, stop

workspace = open_workspace()
store = workspace.store
st.title("Train")
if store.counts().empty:
    st.info("There is nothing to train on yet. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")


@st.fragment(run_every=2.0)
def watch(run_id: str) -> None:
    """Everything about one run; looks again every two seconds while the run is active."""
    run = current_run(store, run_id)
    events = OpenedRun(workspace, run_id).folder.read_events()
    progress = progress_of(events)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{run.name}** `{run.id}` · {run.status} · labels {run.label_set} · from {run.checkpoint}", width="stretch")
        if run.status in ACTIVE and st.button(
            "Stop", icon=":material/stop:", help="After the step it is in; the best checkpoint stays"
        ):
            with sentences():
                stop(store, run_id)
        can_go_on = run.status in ("failed", "stopped") and OpenedRun(workspace, run_id).folder.last_state.is_file()
        if can_go_on and st.button("Resume", icon=":material/play_arrow:", help="Go on after the last whole epoch"):
            with sentences():
                relaunch(OpenedRun(workspace, run_id))
                st.rerun()
        if run.best_epoch and run.status not in ACTIVE and st.button("Browse failures", icon=":material/image_search:"):
            go_to("failures", run=run_id)
    if run.status == "failed":
        st.error(run.reason, icon=":material/error:")
    if run.status in ACTIVE:
        left = f", about {progress.seconds_left / 60:.0f} min left" if progress.seconds_left is not None else ""
        st.progress(progress.share, text=f"{progress.what}{left}")
    if run.status not in ACTIVE and not progress.epochs:
        st.caption("No epoch was trained in this run, so there are no curves.")
        return
    left_column, right_column = st.columns(2)
    left_column.plotly_chart(loss_curves(progress.epochs, progress.steps), key=f"loss_{run_id}")
    right_column.plotly_chart(miou_curves(progress.epochs), key=f"miou_{run_id}")
    if run.status not in ACTIVE and st.session_state.get("watched_active") == run_id:
        del st.session_state["watched_active"]
        st.rerun()  # the history below changes once, when the run ends
    if run.status in ACTIVE:
        st.session_state["watched_active"] = run_id


runs = current_runs(store)
with st.expander("New run", expanded=not runs, icon=":material/add:"):
    first, second, third = st.columns(3)
    names = shipped_configs()
    base = first.selectbox("Recipe", names, index=names.index("quick"), help="Where the settings below start from")
    recipe = load_config(base)
    current = "the labels as they are now (frozen under a new name)"
    label_set = second.selectbox("Label set", [current, *(s.name for s in store.label_sets())], help="What the run learns from")
    known = [COMPACT, PUBLISHED, *(f"run {run.id}" for run in runs if run.best_epoch)]
    if recipe.checkpoint not in known:
        known.append(recipe.checkpoint)
    start = third.selectbox(
        "Checkpoint",
        known,
        index=known.index(recipe.checkpoint),
        key=f"checkpoint_{base}",
        accept_new_options=True,
        help="The weights to start from; type a CLIPSeg folder or hub id to add one",
    )
    name = st.text_input("Name", recipe.name, key=f"name_{base}", max_chars=60)
    values = {}
    for section, defaults in recipe:
        if isinstance(defaults, Settings) and section != "split":  # that one is `prepare`'s
            with st.expander(type(recipe).model_fields[section].description or section, expanded=section == "train"):
                values[section] = settings_form(defaults, f"{section}_{base}")
    if st.button("Launch", type="primary", icon=":material/rocket_launch:"):
        with sentences():
            checkpoint = str(start)
            if checkpoint.startswith("run "):
                checkpoint = str(OpenedRun(workspace, checkpoint.removeprefix("run ")).folder.best_checkpoint)
            asked = {"name": name, "checkpoint": checkpoint, "label_set": None if label_set == current else label_set}
            config = make_config({**recipe.model_dump(), **asked, **values}, "the form")
            launched = launch(workspace, config)
            go_to("train", run=launched.id)

if runs:
    watch(pick_run(runs))
    st.subheader("History")
    st.dataframe(
        history(runs),
        hide_index=True,
        width="stretch",
        column_config={
            "validation mIoU": st.column_config.NumberColumn(format="%.3f"),
            "minutes": st.column_config.NumberColumn(format="%.1f"),
            "started": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        },
    )
