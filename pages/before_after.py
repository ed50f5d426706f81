"""Before and after: freeze the labels, train again on them, and see what the fixes bought, beside an untouched hold-out."""

import pandas as pd
import streamlit as st

from dashboard.charts import gain_points
from dashboard.gallery import agreement_tile, legend
from dashboard.state import go_to, open_workspace, pick_run, plain, say_after_rerun, sentences, show_said
from training.config import load_config, shipped_configs
from training.review.before_after import gains, paired_samples, score_missing, unscored_splits, what_fixes_bought
from training.runs.opened import OpenedRun
from training.runs.runs import current_runs, launch

workspace = open_workspace()
store = workspace.store
st.title("Before and after")
show_said()
if not store.samples():
    st.info("This workspace is empty. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()
runs = {run.id: run for run in current_runs(store) if run.best_epoch}

with st.expander("Freeze the labels and train again", expanded=len(runs) < 2, icon=":material/ac_unit:"):
    first, second, third = st.columns(3)
    sets = [label_set.name for label_set in store.label_sets()]
    frozen = first.text_input("Freeze under the name", placeholder="for example seams-fixed")
    if first.button("Freeze the labels as they are now", icon=":material/ac_unit:"):
        with sentences():
            made = store.freeze_labels(frozen)
        say_after_rerun(f"{made.samples} labels frozen as {made.name}.")
    label_set = second.selectbox("Train on", sets, key=f"train_on_{len(sets)}", help="The newest stands first")
    as_before = {f"as {run.name} ({run.id})": run for run in runs.values()}
    recipe = third.selectbox(
        "Recipe", [*as_before, *shipped_configs()], help="The same recipe as before keeps the comparison fair"
    )
    if third.button("Train again", type="primary", icon=":material/rocket_launch:", disabled=not sets):
        with sentences():
            before = as_before.get(recipe)
            config = OpenedRun(workspace, before.id).config if before else load_config(recipe)
            launched = launch(workspace, config.changed(label_set=label_set, name=f"on {label_set}"[:60]))
        go_to("train", run=launched.id)

if len(runs) < 2:
    st.info("Two finished runs are needed: one from before the labels were fixed, one from after.")
    st.stop()
left, right = st.columns(2)
new_id = pick_run(runs.values(), "New run", "new", where=right)
old_id = pick_run((run for run in reversed(runs.values()) if run.id != new_id), "Old run", "old", where=left)
missing = unscored_splits(workspace, old_id, new_id)
if missing:
    words = ", ".join(f"{split} of {run}" for run, split in missing)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(f"Not scored yet: {words}.", width="stretch")
        if st.button("Score them", icon=":material/monitoring:"):
            bar = st.progress(0.0)

            def tell(what: str, done: int, total: int) -> None:
                bar.progress(done / total, what)

            with sentences():
                score_missing(workspace, old_id, new_id, tell)
            st.rerun()


@st.cache_data(max_entries=8, show_spinner="Comparing")
def compared(old: str, new: str, scored: int) -> pd.DataFrame:
    return paired_samples(workspace, old, new)


with sentences():
    table = compared(old_id, new_id, len(store.scores(old_id)) + len(store.scores(new_id)))
found = gains(table)
overall = found[found["class_name"] == "all"]
fixed = int((table["part"] != "untouched hold-out").sum())
st.caption(
    f"{fixed} labels differ between {runs[old_id].label_set} and {runs[new_id].label_set}. Gains on samples that entered "
    "training are biased; the untouched hold-out is the honest figure. Intervals: 95 %, paired bootstrap over groups of copies."
)
for place, row in zip(st.columns(3), overall.itertuples(), strict=False):
    interval = f"{row.gain_low:+.3f} to {row.gain_high:+.3f}" if row.gain_low is not None else "too few samples"
    place.metric(f"{row.part} ({row.samples})", f"{row.new_label_new_model:.3f}", f"{row.gain:+.3f}")
    place.caption(f"95 %: {interval}")
st.plotly_chart(gain_points(overall))

st.subheader("Labels by model")
for place, row in zip(st.columns(3), overall.itertuples(), strict=False):
    square = pd.DataFrame(
        {
            "old model": [row.old_label_old_model, row.new_label_old_model],
            "new model": [row.old_label_new_model, row.new_label_new_model],
        },
        index=["old labels", "new labels"],
    )
    place.markdown(f"**{row.part}**")
    place.dataframe(square.style.format(precision=3), width="stretch")
st.caption("Mean IoU. Down a column only the labels change; along a row only the model.")

st.subheader("By class")
st.dataframe(
    found[["part", "class_name", "samples", "gain", "gain_low", "gain_high", "model_change", "label_change"]].style.format(
        precision=3, na_rep="-"
    ),
    hide_index=True,
    width="stretch",
)
st.subheader("What each fix bought")
each = what_fixes_bought(table).reset_index(drop=True)
if each.empty:
    st.write("No label differs between the two sets.")
    st.stop()
columns = [
    "file_name",
    "class_name",
    "part",
    "fixes",
    "old_label_old_model",
    "new_label_new_model",
    "gain",
    "model_change",
    "label_change",
]
chosen = st.dataframe(
    each[columns].style.format(precision=3),
    hide_index=True,
    width="stretch",
    on_select="rerun",
    selection_mode="single-row",
    key=f"fixes_{old_id}_{new_id}",
)
row = each.iloc[chosen.selection.rows[0] if chosen.selection.rows else 0]
sample = store.sample(int(row.sample_id))
st.markdown(f"**{plain(sample.file_name)}** · {row['part']} · gain {row.gain:+.3f}")
legend()
pictures = st.columns(2)
for place, run_id, word in ((pictures[0], old_id, "old"), (pictures[1], new_id, "new")):
    revision = store.labels(runs[run_id].label_set)[sample.id].number
    score = store.scores(run_id).set_index("sample_id").loc[sample.id]
    tile = agreement_tile(run_id, score["split"], sample.id, revision, float(score["threshold"]), sample.image_path, 640)
    place.image(tile, caption=f"{word} model on {word} label", width="stretch")
