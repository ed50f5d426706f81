"""Curves against scikit-learn, on all pixels of a class together."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, precision_recall_curve

from core.masks.mask import decode_rle
from training.runs.opened import OpenedRun
from training.scoring.curves import BINS, average_precision, calibration_error, curves_of


@pytest.fixture(scope="module")
def scored(trained_once):
    from data.workspace import Workspace

    run = OpenedRun(Workspace(trained_once[0]), trained_once[1])
    yield run
    run.store.close()


def pixels(run, class_name):
    """Probabilities and truth of every pixel of a class on test."""
    labels, probs, truth = run.store.labels(), [], []
    for score in run.store.scores(run.id, "test").itertuples():
        if score.class_name == class_name:
            probs.append(run.probs("test", score.sample_id).ravel())
            truth.append(decode_rle(labels[score.sample_id].rle).ravel())
    return np.concatenate(probs), np.concatenate(truth)


@pytest.mark.parametrize("class_name", ["cracks", "taping"])
def test_precision_recall_and_calibration_are_scikit_learns(scored, class_name):
    found = curves_of(scored, "test")
    levels, truth = pixels(scored, class_name)
    curve = found.precision_recall[found.precision_recall["class_name"] == class_name]
    precision, recall, thresholds = precision_recall_curve(truth, levels)
    ours = curve.set_index((curve["threshold"] * 256).astype(int))
    for value, right, found_share in zip(thresholds, precision, recall, strict=False):
        assert ours.loc[value, "precision"] == pytest.approx(right)
        assert ours.loc[value, "recall"] == pytest.approx(found_share)
    assert found.average_precision[class_name] == pytest.approx(average_precision_score(truth, levels), abs=1e-9)
    bins = found.calibration[found.calibration["class_name"] == class_name]
    probabilities = (levels + 0.5) / 256
    observed, predicted = calibration_curve(truth, probabilities, n_bins=BINS)
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    edges = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    by_hand = sum(abs(probabilities[edges == b].mean() - truth[edges == b].mean()) * (edges == b).sum() for b in set(edges))
    assert found.calibration_error[class_name] == pytest.approx(by_hand / len(levels))


def test_a_perfect_curve_by_hand():
    import pandas as pd

    assert average_precision(pd.DataFrame({"precision": [1.0, 0.5], "recall": [1.0, 1.0]})) == 1.0
    assert calibration_error(pd.DataFrame({"predicted": [0.9], "observed": [0.5], "pixels": [10]})) == pytest.approx(0.4)
    assert calibration_error(pd.DataFrame({"predicted": [], "observed": [], "pixels": []})) == 0
