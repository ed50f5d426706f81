import numpy as np
import pandas as pd
import pytest

from training.scoring.slices import slices


def scores(ious, shares, sources, class_name="cracks", **columns):
    """A table of scores of photos of 1000 px."""
    true = (np.array(shares) * 1000).round().astype(int)
    table = {"class_name": class_name, "iou": ious, "source": sources, "tp": true, "fp": 0, "fn": 0, "tn": 1000 - true}
    return pd.DataFrame({**table, "is_box": False, "human_made": True, "ceiling": 1.0, **columns})


def test_small_labels_are_named_where_they_are_worse_than_the_class():
    random = np.random.default_rng(0)
    small, large = random.normal(0.2, 0.05, 20), random.normal(0.7, 0.05, 20)
    table = scores([*small, *large], [0.005] * 20 + [0.2] * 20, [str(n) for n in range(40)])
    found = slices(table).set_index("slice")
    assert found.index[0] == "label 0.1 to 1 %"
    assert found.loc["label 0.1 to 1 %", "miou"] == pytest.approx(small.mean())
    assert found["worse"].to_dict() == {"label 0.1 to 1 %": True, "label over 5 %": False}  # what holds all says nothing
    assert (found["low"] <= found["miou"]).all()
    assert (found["miou"] <= found["high"]).all()


def test_copies_are_one_photo_and_few_photos_no_slice():
    few = scores([0.1] * 12, [0.005] * 12, ["a", "b", "c", "d"] * 3)
    many = scores([0.8] * 8, [0.2] * 8, [str(n) for n in range(8)])
    found = slices(pd.concat([few, many], ignore_index=True))
    assert set(found["slice"]) == {"label over 5 %", "photo without copies"}
    assert found["samples"].tolist() == [8, 8]


def test_kinds_of_labels_and_classes_stand_apart():
    boxes = scores([0.2] * 6, [0.2] * 6, [f"b{n}" for n in range(6)], "taping", is_box=True)
    drawn = scores([0.6] * 6, [0.2] * 6, [f"d{n}" for n in range(6)], "taping")
    cracks = scores([0.9] * 6, [0.2] * 6, [f"c{n}" for n in range(6)])
    found = slices(pd.concat([boxes, drawn, cracks], ignore_index=True)).set_index(["class_name", "slice"])
    assert found["miou"].to_dict() == pytest.approx({("taping", "label is a box"): 0.2, ("taping", "label drawn"): 0.6})
    assert slices(cracks).empty
