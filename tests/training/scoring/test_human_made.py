"""Scores on human-made labels only."""

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import decode_rle
from data.store.records import NewLabel
from data.workspace import Workspace
from training.runs.opened import OpenedRun
from training.scoring.curves import curves_of
from training.scoring.evaluation import summary
from training.scoring.scores import by_truth


def test_labels_taken_from_a_proposal_can_be_left_out(desk, add_run):
    desk.accept_proposals([NewLabel(5, 1, desk.label(5).rle)], author="ann", tool="model")
    add_run("r", {5: 1.0, 6: 0.2})
    assert summary(desk, "r", "test")["overall"]["miou"] == pytest.approx(0.6)
    human = summary(desk, "r", "test", "human")
    assert (human["labels"], human["overall"]["miou"], human["overall"]["samples"]) == ("human", 0.2, 1)


def test_a_class_of_boxes_and_drawn_bands_is_told_apart(desk, add_run):
    add_run("r", {5: 1.0, 6: 0.2})
    one = {sample.id: sample for sample in desk.samples()}[5]
    assert summary(desk, "r", "test")["by_truth"] == {}  # one kind of truth: nothing to tell apart
    table = desk.scores("r", "test").assign(is_box=[True, False], human_made=True, class_name=one.class_name)
    found = by_truth(table)
    assert {name: (row["miou"], row["samples"]) for name, row in found.items()} == {
        f"{one.class_name}: boxes as delivered": (1.0, 1),
        f"{one.class_name}: drawn": (0.2, 1),
    }
    assert by_truth(table.assign(human_made=False))[f"{one.class_name}: accepted proposals"]["samples"] == 1


def test_no_human_made_label_is_a_sentence(desk, add_run):
    empty = np.zeros((20, 30), bool)
    for sample in (5, 6):
        desk.save_label(sample, empty, based_on=1, author="ann", tool="model", provenance="edited proposal")
    add_run("r", {5: 1.0, 6: 0.2})
    with pytest.raises(RequestError, match="no label of test that run r was scored on is human-made"):
        summary(desk, "r", "test", "human")
    with pytest.raises(RequestError, match="labels mine is unknown; use one of all, human"):
        summary(desk, "r", "test", "mine")


def test_the_threshold_curve_leaves_them_out_too(desk, add_run, tmp_path):
    workspace = Workspace.open(tmp_path)
    desk.accept_proposals([NewLabel(5, 1, desk.label(5).rle)], author="ann", tool="model")
    add_run("r", {5: 1.0, 6: 0.2})
    for sample, sure in ((5, 250), (6, 0)):  # right where it was accepted, blind elsewhere
        path = OpenedRun(workspace, "r").folder.probs_path("test", sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((decode_rle(desk.label(sample).rle) * sure).astype(np.uint8)).save(path)
    every, human = (curves_of(OpenedRun(workspace, "r"), "test", which).thresholds["miou"].unique() for which in ("all", "human"))
    assert human.tolist() == [0.0]
    assert every.tolist() == [0.5]
