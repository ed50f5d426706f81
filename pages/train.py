"""Train: choose labels, checkpoint and settings, launch, watch the curves and the masks grow; compare, name, clone, delete runs."""

import streamlit as st

from core.errors import RequestError
from core.models.names import ALLOWED_VARIABLE
from core.settings import Settings
from dashboard.charts import load_curves, loss_curves, miou_curves, rate_curves, runs_curves
from dashboard.forms import settings_form
from dashboard.gallery import legend
from dashboard.state import allowed_checkpoints, go_to, open_workspace, pick_run, plain, say_after_rerun, sentences, show_said
from data.store.records import Run
from training.config import load_config, make_config, shipped_configs
from training.runs.folder import RunFolder
from training.runs.opened import OpenedRun
from training.runs.runs import ACTIVE, current_run, current_runs, delete, history, launch, progress_of, relaunch, stop

workspace = open_workspace()
store = workspace.store
st.title("Train")
show_said()
if store.counts().empty:
    st.info("There is nothing to train on yet. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")


@st.dialog("Delete this run?")
def ask_delete(run: Run) -> None:
    st.write(f"**{plain(run.name)}** `{run.id}`: its checkpoint, curves, scores and pictures are gone for good. Labels stay.")
    if st.button("Delete it", type="primary", icon=":material/delete:"):
        with sentences():
            delete(OpenedRun(workspace, run.id))
        del st.query_params["run"]
        say_after_rerun(f"{run.name} is deleted.")


def actions(run: Run) -> None:
    active, folder = run.status in ACTIVE, OpenedRun(workspace, run.id).folder
    if active and st.button("Stop", icon=":material/stop:", help="After the step it is in; the best checkpoint stays"):
        with sentences():
            stop(store, run.id)
    can_go_on = run.status in ("failed", "stopped") and folder.last_state.is_file()
    if can_go_on and st.button("Resume", icon=":material/play_arrow:", help="Go on after the last whole epoch"):
        with sentences():
            relaunch(OpenedRun(workspace, run.id))
            st.rerun()
    if run.best_epoch and not active and st.button("Browse failures", icon=":material/image_search:"):
        go_to("failures", run=run.id)
    if st.button("Clone", icon=":material/content_copy:", help="A new run from these settings"):
        go_to("train", run=run.id, clone=run.id)
    with st.popover("Name", icon=":material/edit:"):
        name = st.text_input("Name", run.name, max_chars=60, key=f"rename_{run.id}")
        note = st.text_area("Note", run.note, max_chars=2000, key=f"note_{run.id}")
        if st.button("Keep", key=f"keep_{run.id}") and name.strip():
            store.update_run(run.id, name=name.strip(), note=note)
            st.rerun(scope="app")
    if not active and st.button("Delete", icon=":material/delete:"):
        ask_delete(run)


@st.fragment(run_every=2.0)
def watch(run_id: str) -> None:
    """Everything about one run; looks again every two seconds while the run is active."""
    run = current_run(store, run_id)
    folder = OpenedRun(workspace, run_id).folder
    progress = progress_of(folder.read_events())
    st.markdown(f"**{plain(run.name)}** `{run.id}` · {run.status} · labels {plain(run.label_set)} · from {plain(run.checkpoint)}")
    if run.note:
        st.caption(plain(run.note))
    with st.container(horizontal=True):
        actions(run)
    if run.status == "failed":
        st.error(plain(run.reason), icon=":material/error:")
        if words := folder.last_words():
            with st.expander("Its last words", icon=":material/terminal:"):
                st.code(words, language=None)
    elif run.status == "queued" and run.reason:
        st.info(f"{plain(run.reason[0].upper() + run.reason[1:])}.", icon=":material/hourglass:")
    if run.status in ACTIVE:
        left = f", about {progress.seconds_left / 60:.0f} min left" if progress.seconds_left is not None else ""
        st.progress(progress.share, text=f"{progress.what}{left}")
    if run.status not in ACTIVE and not progress.epochs:
        st.caption("No epoch was trained in this run, so there are no curves.")
        return
    left_column, right_column = st.columns(2)
    left_column.plotly_chart(loss_curves(progress.epochs, progress.steps), key=f"loss_{run_id}")
    right_column.plotly_chart(miou_curves(progress.epochs), key=f"miou_{run_id}")
    if progress.epochs:
        masks_by_epoch(folder)
        with st.expander("Learning rate, speed and load", icon=":material/speed:"):
            left_column, right_column = st.columns(2)
            left_column.plotly_chart(rate_curves(progress.epochs), key=f"rate_{run_id}")
            right_column.plotly_chart(load_curves(progress.epochs), key=f"load_{run_id}")
    if run.status not in ACTIVE and st.session_state.get("watched_active") == run_id:
        del st.session_state["watched_active"]
        st.rerun()  # the history below changes once, when the run ends
    if run.status in ACTIVE:
        st.session_state["watched_active"] = run_id


def masks_by_epoch(folder: RunFolder) -> None:
    """A few validation photos as the model saw them after each epoch."""
    epochs = folder.watched_epochs()
    if not epochs:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        following = st.toggle("Newest", True, key=f"newest_{folder.root.name}", help="The last epoch, as it comes")
        if following or len(epochs) < 2:
            epoch = epochs[-1]
        else:
            epoch = st.select_slider("Epoch", epochs, epochs[-1], key=f"epoch_{folder.root.name}", width=420)
        st.caption(f"after epoch {epoch}", width="content")
        legend()
    pictures = sorted(folder.watched(epoch).glob("*.webp"), key=lambda path: int(path.stem))
    for place, picture in zip(st.columns(6), pictures, strict=False):
        place.image(str(picture), caption=f"sample {picture.stem}", width="stretch")


runs = current_runs(store)
cloned = next((run for run in runs if run.id == st.query_params.get("clone")), None)
with st.expander("New run", expanded=not runs or cloned is not None, icon=":material/add:"):
    first, second, third = st.columns(3)
    names = shipped_configs()
    if cloned is not None:
        with sentences():
            recipe = OpenedRun(workspace, cloned.id).config
        base = f"as run {cloned.id}"
        first.text_input("Recipe", base, disabled=True, help="Where the settings below start from")
    else:
        base = first.selectbox("Recipe", names, index=names.index("quick"), help="Where the settings below start from")
        recipe = load_config(base)
    current = "the labels as they are now (frozen under a new name)"
    label_set = second.selectbox("Label set", [current, *(s.name for s in store.label_sets())], help="What the run learns from")
    known = [*allowed_checkpoints(), *(f"run {run.id}" for run in runs if run.best_epoch)]
    if recipe.checkpoint not in known:
        known.append(recipe.checkpoint)
    start = third.selectbox(
        "Checkpoint",
        known,
        index=known.index(recipe.checkpoint),
        key=f"checkpoint_{base}",
        help=f"The weights to start from; {ALLOWED_VARIABLE} adds others",
    )
    name = st.text_input("Name", recipe.name, key=f"name_{base}", max_chars=60)
    values = {}
    for section, defaults in recipe:
        if isinstance(defaults, Settings) and section != "split":  # that one is `prepare`'s
            with st.expander(type(recipe).model_fields[section].description or section, expanded=section == "train"):
                values[section] = settings_form(defaults, f"{section}_{base}")
    if st.button(
        "Launch", type="primary", icon=":material/rocket_launch:", help="At once, or when the runs before it have ended"
    ):
        with sentences():
            checkpoint = str(start)
            if checkpoint.startswith("run "):
                checkpoint = str(OpenedRun(workspace, checkpoint.removeprefix("run ")).folder.best_checkpoint)
            asked = {"name": name, "checkpoint": checkpoint, "label_set": None if label_set == current else label_set}
            config = make_config({**recipe.model_dump(), **asked, **values}, "the form")
            sam = config.labels.sam
            if sam is not None and sam != recipe.labels.sam and sam not in allowed_checkpoints():
                raise RequestError(f"labels.sam {sam} is not allowed here; name it in {ALLOWED_VARIABLE}")
            launched = launch(workspace, config)
            go_to("train", run=launched.id)

if runs:
    watch(pick_run(runs))
    trained = {run.id: run for run in runs if run.best_epoch or run.status in ACTIVE}
    if len(trained) > 1:
        st.subheader("Runs side by side")
        chosen = st.multiselect(
            "Runs", list(trained), list(trained)[:3], format_func=lambda key: f"{trained[key].name} ({key})", max_selections=12
        )
        if chosen:
            curves = {
                f"{trained[key].name} ({key[-4:]})": progress_of(OpenedRun(workspace, key).folder.read_events()).epochs
                for key in chosen
            }
            st.plotly_chart(runs_curves(curves))
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
