"""Two runs side by side, on scores one can count."""

import numpy as np
import pytest

from training.runs.opened import OpenedRun
from training.scoring.evaluation import compare, config_difference, flipped, paired_scores


def test_gains_come_with_intervals_and_samples_that_turned(desk, add_run):
    ids = range(1, 7)
    add_run("old", dict(zip(ids, (0.2, 0.3, 0.6, 0.7, 0.4, 0.9), strict=True)))
    add_run("new", dict(zip(ids, (0.6, 0.3, 0.4, 0.8, 0.7, 0.9), strict=True)))
    split = desk.scores("old")["split"].iloc[0]
    both = paired_scores(desk, "old", "new", split)
    turned = flipped(both)
    gains = turned["iou_other"] - turned["iou"]
    assert set(turned["sample_id"]) == set(both["sample_id"]) & {1, 3, 5}
    assert gains.abs().is_monotonic_decreasing
    found = compare(desk, "old", "new", split)["overall"]
    assert (found["mended"], found["broken"]) == ((gains > 0).sum(), (gains < 0).sum())
    low, high = found["intervals"]["miou"]
    difference = (both["iou_other"] - both["iou"]).to_numpy()
    assert low <= difference.mean() <= high
    assert low >= difference.min()
    same = compare(desk, "old", "old", split)["overall"]
    assert same["intervals"]["miou"] == [0.0, 0.0]
    assert (same["mended"], same["broken"]) == (0, 0)


def test_a_gain_on_every_photo_is_more_than_chance(desk, add_run):
    random = np.random.default_rng(0)
    old = {number: float(random.uniform(0.2, 0.6)) for number in range(1, 7)}
    add_run("old", old)
    add_run("new", {number: iou + 0.1 for number, iou in old.items()})
    split = desk.scores("old")["split"].iloc[0]
    assert compare(desk, "old", "new", split)["overall"]["intervals"]["miou"] == pytest.approx([0.1, 0.1])


def test_settings_that_differ_are_listed_and_others_are_not(workspace, store):
    label_set = store.current_label_set().name
    for name, epochs in (("a", 3), ("b", 5)):
        store.create_run(name, name=name, checkpoint="c", label_set=label_set, config={"train": {"epochs": epochs, "lr": 1}})
    found = config_difference(OpenedRun(workspace, "a"), OpenedRun(workspace, "b"))
    assert found.to_dict("records") == [{"setting": "train.epochs", "a": "3", "b": "5"}]
