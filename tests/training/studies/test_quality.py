"""The study of planted label faults, on a tiny scored run."""

import numpy as np

from core.masks.mask import draw_band
from data.workspace import Workspace
from training.runs.opened import OpenedRun
from training.studies.quality import FAULTS, compare, planted, precision_at, spoil


def test_each_fault_changes_the_label():
    label = draw_band(np.array([[10.0, 20], [110, 80]]), 6, (96, 128))
    other = draw_band(np.array([[110.0, 20], [10, 80]]), 6, (96, 128))
    for fault in FAULTS:
        spoilt = spoil(label, fault, other, np.random.default_rng(0))
        assert spoilt.shape == label.shape
        assert not np.array_equal(spoilt, label)
    wide = spoil(label, "thrice as wide", other, np.random.default_rng(0))
    assert 2 < wide.sum() / label.sum() < 4.5
    assert spoil(label, "half is gone", other, np.random.default_rng(0)).sum() < 0.6 * label.sum()


def test_planted_faults_are_told_by_name_and_counted(trained_once):
    run = OpenedRun(Workspace(trained_once[0]), trained_once[1])
    table, labels, probs = planted(run, "test", 2)
    assert (table["fault"] != "").sum() == 2
    assert labels.shape[0] == probs.shape[0] == len(table)
    assert set(compare(run, "test", 2)["ours"]) == {"precision at 2", *FAULTS}
    assert precision_at([3, 1, 2], {1, 3}, 2) == 1.0
    run.store.close()
