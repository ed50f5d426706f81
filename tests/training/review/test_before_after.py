import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.errors import RequestError
from data.workspace import Workspace
from training.review.before_after import (
    CELLS,
    HELD_OUT,
    HOLD_OUT,
    TRAINED,
    fixed_samples,
    four_scores,
    gains,
    paired_samples,
    unscored_splits,
    what_fixes_bought,
)
from training.runs.opened import OpenedRun

OLD_LABEL = np.zeros((20, 30), bool)
OLD_LABEL[8:12, 5:25] = True
NEW_LABEL = OLD_LABEL & (np.arange(30) < 15)  # half of it was wrong
BOX, LINE = OLD_LABEL, NEW_LABEL


def test_four_scores_of_a_case_one_can_count():
    found = four_scores(old_prediction=BOX, new_prediction=LINE, old_label=BOX, new_label=LINE)
    assert found == dict(zip(CELLS, (1.0, 0.5, 0.5, 1.0), strict=True))


@pytest.fixture
def compared(desk, add_run, tmp_path):
    """Samples 1 (train) and 5 (test) were fixed; 6 (test) was not. The old model draws boxes, the new one lines."""
    workspace = Workspace.open(tmp_path)
    add_run("old", dict.fromkeys(range(1, 7), 0.5))
    for sample in (1, 5):
        desk.save_label(sample, NEW_LABEL, based_on=1, author="ann", tool="brush")
    add_run("new", {1: 0.5, 5: 0.5, 6: 0.5})
    for run, mask in (("old", BOX), ("new", LINE)):
        for score in desk.scores(run).itertuples():
            path = OpenedRun(workspace, run).folder.probs_path(score.split, score.sample_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(path)
    return workspace


def test_label_change_and_model_change_are_told_apart(desk, compared):
    table = paired_samples(compared, "old", "new").set_index("sample_id")
    assert table["part"].to_dict() == {1: TRAINED, 5: HELD_OUT, 6: HOLD_OUT}
    assert table.loc[5, list(CELLS)].to_list() == [1.0, 0.5, 0.5, 1.0]
    assert table.loc[6, list(CELLS)].to_list() == [1.0, 0.5, 1.0, 0.5]
    rows = gains(table.reset_index()).set_index(["part", "class_name"])
    fixed = rows.loc[(HELD_OUT, "all")]
    assert fixed[["gain", "model_change", "label_change"]].to_list() == [0.0, 0.5, -0.5]
    assert rows.loc[(HOLD_OUT, "cracks"), "gain"] == -0.5  # a hold-out that got worse is shown so
    assert rows.loc[(HOLD_OUT, "all"), "gain_low"] is None  # one sample has no interval
    each = what_fixes_bought(table.reset_index())
    assert set(each["sample_id"]) == {1, 5}
    assert (each["gain"] == each["model_change"] + each["label_change"]).all()


def test_a_copy_of_a_fixed_sample_is_no_untouched_hold_out(desk, compared):
    samples = desk.samples()
    groups = {s.id: ("copies" if s.id in (1, 6) else str(s.id)) for s in samples}
    desk.set_groups_and_splits(groups, {s.id: s.split for s in samples})
    assert 6 not in set(paired_samples(compared, "old", "new")["sample_id"])


def test_a_run_that_divided_for_itself_holds_out_only_what_it_has_no_copy_of(desk, compared):
    everything = {s.id: s.split for s in desk.samples()}
    folder = OpenedRun(compared, "new").folder
    folder.split.write_text(json.dumps(everything | {6: "train"}))
    table = paired_samples(compared, "old", "new").set_index("sample_id")
    assert table["part"].to_dict() == {1: TRAINED, 5: HELD_OUT}
    assert ("new", "train") not in unscored_splits(compared, "old", "new")  # scored where it fell
    folder.split.write_text(json.dumps(everything))
    desk.set_groups_and_splits({s.id: ("copies" if s.id in (2, 5) else str(s.id)) for s in desk.samples()}, everything)
    table = paired_samples(compared, "old", "new").set_index("sample_id")
    assert table["part"].to_dict() == {1: TRAINED, 5: TRAINED, 6: HOLD_OUT}  # of 5 they learnt a copy


def test_what_was_fixed_and_what_is_still_to_score(desk, compared, add_run):
    assert fixed_samples(desk, desk.run("old"), desk.run("new")) == {1, 5}
    assert unscored_splits(compared, "old", "new") == []
    desk.create_run("third", name="t", checkpoint="c", label_set=desk.run("new").label_set, config={})
    assert unscored_splits(compared, "old", "third") == [("third", "test"), ("third", "train")]


def test_one_run_on_both_sides_is_refused(desk, compared):
    with pytest.raises(RequestError, match="choose two runs"):
        paired_samples(compared, "old", "old")


def test_no_rows_no_parts():
    assert gains(pd.DataFrame(columns=["part", "class_name", *CELLS])).empty
