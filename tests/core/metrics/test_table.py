import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from core.metrics.table import HEADLINE, MEAN_KEYS, MEAN_TITLES, METRICS, TITLES, all_metrics


def test_keys_are_unlike_and_every_metric_is_explained():
    assert len({metric.key for metric in METRICS}) == len(METRICS) == len(TITLES)
    assert all(metric.key.isidentifier() and metric.title and metric.meaning.endswith(".") for metric in METRICS)


def test_only_the_mean_of_iou_has_a_name_of_its_own():
    assert {key: (MEAN_KEYS[key], MEAN_TITLES[key]) for key in TITLES if MEAN_KEYS[key] != key} == {"iou": ("miou", "mIoU")}
    assert HEADLINE[:2] == ("iou", "dice")


def test_overlap_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    prediction, truth = random.random((2, 40, 60)) < 0.3
    found, sides = all_metrics(prediction, truth, (352, 352)), (truth.ravel(), prediction.ravel())
    for key, theirs in (("iou", jaccard_score), ("dice", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert found[key] == pytest.approx(theirs(*sides))


def test_a_line_beside_its_label_is_found_within_the_tolerance_and_a_clean_wall_agrees():
    truth = np.zeros((640, 640), bool)
    truth[100:102, 50:600] = True
    found = all_metrics(np.roll(truth, 2, axis=0), truth, (640, 640))
    assert found["iou"] == 0
    assert found["tolerant_f1_2px"] == found["tolerant_f1_5px"] == 1
    assert set(all_metrics(np.zeros_like(truth), np.zeros_like(truth), (352, 352)).values()) == {1.0}
