"""The pages of the review desk, run by Streamlit's AppTest on a workspace with two scored runs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.masks.mask import decode_rle
from core.masks.strokes import patch_between
from core.metrics.overlap import count_pixels, dice, iou, precision, recall
from core.metrics.table import TITLES
from data.store.drafts import Stroke
from data.store.records import NewSample, Score
from training.config import load_config
from training.review.queue import review_queue
from training.runs.opened import OpenedRun
from training.scoring.stored_probs import mask_at

ROOT = Path(__file__).parents[2]


@pytest.fixture
def desk(workspace, store):
    """Runs `old` and `new` scored every sample; both are as sure as 0.95 of the label, moved by three pixels in `old`.
    Between them one test label was fixed. The masks are written by hand, so no model is asked."""
    fixed = store.samples(split="test")[0]
    for run_id, shift in (("old", 3), ("new", 0)):
        if run_id == "new":
            mask = decode_rle(store.label(fixed.id).rle)
            mask[:20, :20] = True
            store.save_label(fixed.id, mask, based_on=1, author="Ann", tool="polygon")
        config = load_config("quick").model_dump(mode="json")
        name = store.current_label_set().name
        store.create_run(run_id, name=run_id, checkpoint="compact", label_set=name, config=config)
        store.update_run(run_id, status="finished", best_epoch=1)
        scores = []
        for sample in store.samples():
            label = decode_rle(store.label(sample.id).rle)
            probs = np.where(np.roll(label, shift, axis=0), 243, 10).astype(np.uint8)
            path = OpenedRun(workspace, run_id).folder.probs_path(sample.split, sample.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(probs).save(path)
            counts = count_pixels(mask_at(probs, 0.5), label)
            ratios = {measure.__name__: measure(counts) for measure in (iou, dice, precision, recall)}
            row = (run_id, sample.id, sample.split, sample.revision, 0.5, counts.tp, counts.fp, counts.fn, counts.tn)
            scores.append(Score(*row, ratios))
        store.save_scores(scores)
    return store


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label.startswith(label)).click().run()


def test_taking_the_next_needs_a_name_and_leases_it(desk, show):
    app = show("queue", run="old")
    assert not app.exception
    press(app, "Take the next")
    assert "name is missing" in app.error[0].value
    assert not desk.leases()
    app = show("queue", run="old")
    app.text_input(key="reviewer").set_value("Ann").run()
    first = review_queue(desk, reviewer="Ann")[0].sample_id
    press(app, "Take the next")
    (lease,) = desk.leases().values()
    assert (lease.reviewer, lease.sample_id) == ("Ann", first)


def test_the_filter_by_reason(desk, show):
    app = show("queue", kind="box")
    boxes = [s for s in desk.samples() if s.box_only and s.review_state == "to review" and s.revision == 1]
    assert any(m.value.startswith(f"**{len(boxes)} samples wait**") for m in app.markdown)


def test_many_are_accepted_at_once_and_undone_as_one(desk, show):
    app = show("queue", run="new")
    app.text_input(key="reviewer").set_value("Ann").run()
    waiting = [s for s in desk.samples() if s.review_state == "to review"]
    app.radio(key="view").set_value("Accept many at once").run()
    assert not app.exception
    app.checkbox[0].uncheck().run()
    press(app, "Accept")
    (batch,) = desk.batches()
    assert batch.samples == min(24, len(waiting)) - 1
    assert desk.counts().set_index("review_state").loc["accepted", "samples"].sum() == batch.samples
    app.radio(key="view").set_value("Bulk actions").run()
    press(app, "Undo")
    assert desk.batches()[0].undone_by == "Ann"
    assert "accepted" not in set(desk.counts()["review_state"])


def test_honeypots_are_planted_and_lifted(desk, show):
    for sample in desk.samples()[:4]:
        desk.add_review(sample.id, "accepted", "Lead")
    app = show("reviewers")
    app.text_input(key="reviewer").set_value("Lead").run()
    app.slider[0].set_value(0.5).run()
    press(app, "Plant")
    assert len(desk.honeypots()) == 2
    sample_id = next(iter(desk.honeypots()))
    desk.take(sample_id, "Ann")
    desk.add_review(sample_id, "accepted", "Ann")
    app.run()
    assert any("answered 1 times" in m.value for m in app.markdown)
    press(app, "Lift all")
    assert not app.exception
    assert not desk.honeypots()


def test_the_page_of_reviewers_shows_two_who_differ(desk, show):
    sample = desk.sample(1)
    for name, mask in (("Ann", np.ones(sample.size_hw, bool)), ("Bob", np.arange(sample.size_hw[1]) < 64)):
        mask = np.broadcast_to(mask, sample.size_hw).copy()
        desk.save_label(1, mask, based_on=desk.sample(1).revision, author=name, tool="box")
    app = show("reviewers")
    assert not app.exception
    assert next(metric for metric in app.metric if metric.label == "Mean IoU").value == "0.500"


def test_before_and_after_says_what_the_fix_bought(desk, show):
    app = show("before_after", old="old", new="new")
    assert not app.exception
    assert not app.error
    parts = [metric.label for metric in app.metric]
    assert parts[0].startswith("untouched hold-out")
    assert parts[1] == "fixed, held out (1)"
    assert app.metric[0].value == "1.000"
    assert app.metric[0].delta.startswith("+")


def test_freezing_needs_a_name_that_is_free(desk, show):
    app = show("before_after")
    press(app, "Freeze")
    assert "needs a name" in app.error[0].value
    app = show("before_after")
    next(box for box in app.text_input if box.label == "Freeze under the name").set_value("mine").run()
    press(app, "Freeze")
    assert desk.label_set("mine").samples == len(desk.samples())


def test_the_history_restores_and_compares(desk):
    fixed = desk.samples(split="test")[0]

    def page():
        import streamlit as st

        from dashboard.gallery import photo_of
        from dashboard.history import show_history
        from dashboard.state import open_workspace

        store = open_workspace().store
        st.session_state.setdefault("reviewer", "Bob")
        sample = store.samples(split="test")[0]
        show_history(store, sample, photo_of(sample.image_path))

    app = AppTest.from_function(page, default_timeout=180).run()
    assert not app.exception
    assert any("polygon" in caption.value for caption in app.caption)
    decided = app.dataframe[0].value
    assert decided[["state", "reviewer", "revision"]].values.tolist() == [["fixed", "Ann", 2]]
    press(app, "Restore")
    newest = desk.revisions(fixed.id)[0]
    assert (newest.number, newest.provenance, newest.author) == (3, "restored", "Bob")
    assert "Revision 1 is revision 3 now" in app.success[0].value


def test_the_pages_show_a_sample_that_has_no_label_and_accepting_it_says_clean(desk, show):
    both = {sample.image_hash for sample in desk.samples(class_name="taping")}
    photo = next(sample for sample in desk.samples(class_name="cracks") if sample.image_hash not in both)
    desk.add_samples([NewSample(photo.image_hash, "taping", photo.file_name, "train", False, None)])
    (waiting,) = [sample for sample in desk.samples() if sample.revision == 0]
    for name in ("data_report", "queue", "reviewers", "exchange", "metrics", "failures"):
        assert not show(name).exception
    app = show("fix_masks", sample=str(waiting.id))
    assert not app.exception
    assert "no label yet" in app.title[0].value
    app.text_input(key="reviewer").set_value("Ann").run()
    next(button for button in app.button if button.label == "Accept").click().run()
    assert not app.exception
    label = desk.labels()[waiting.id]
    assert (label.number, label.area_px, label.author) == (1, 0, "Ann")


@pytest.mark.parametrize(
    ("address", "threshold"),
    [({"run": "old"}, 0.4), ({"run": "new"}, 0.6), ({}, 0.6), ({"run": "never scored"}, None)],
    ids=lambda value: value.get("run", "the-newest") if isinstance(value, dict) else "",
)
def test_the_editor_shows_the_prediction_of_the_run_in_the_address(desk, show, address, threshold):
    sample = desk.samples()[0]
    for run_id, at in (("old", 0.4), ("new", 0.6)):
        score = next(row for row in desk.scores(run_id).itertuples() if row.sample_id == sample.id)
        values = {key: getattr(score, key) for key in Score.__dataclass_fields__ if key != "metrics"}
        metrics = {key: getattr(score, key) for key in TITLES}
        desk.save_scores([Score(**values | {"threshold": at, "metrics": metrics})])
    app = show("fix_masks", sample=str(sample.id), **address)
    assert not app.exception
    (opening,) = app.session_state["openings"].values()
    assert opening.shown["threshold"] == threshold
    assert (opening.shown["probs"] is None) == (threshold is None)


@pytest.mark.parametrize(("back", "is_box"), [(True, True), (False, False)], ids=["restored", "fixed"])
def test_the_editor_takes_a_label_for_a_box_if_it_shows_one(desk, show, back, is_box):
    sample = next(sample for sample in desk.samples() if sample.is_box)
    desk.save_label(sample.id, np.zeros(sample.size_hw, bool), based_on=sample.revision, author="Ann", tool="editor")
    if back:
        desk.restore(sample.id, 1, based_on=desk.sample(sample.id).revision, author="Ann")
    app = show("fix_masks", sample=str(sample.id))
    assert not app.exception
    (opening,) = app.session_state["openings"].values()
    assert opening.shown["boxOnly"] == is_box


def test_a_browser_back_on_a_sample_is_given_what_was_drawn_meanwhile(desk, show):
    sample = desk.samples()[0]
    app = show("fix_masks", sample=str(sample.id), reviewer="Ann")
    (opening,) = app.session_state["openings"].values()
    assert opening.shown["draft"] is None
    label = decode_rle(desk.label(sample.id).rle)
    desk.add_strokes(sample.id, "Ann", sample.revision, [Stroke("brush", False, patch_between(label, ~label))])
    app.run()
    assert list(app.session_state["openings"]) == [opening.load]
    assert app.session_state["openings"][opening.load].shown["draft"] is not None
