"""Findings on a workspace whose faults were put there."""

import numpy as np
import pandas as pd
import pytest

from core.masks.mask import decode_rle
from data.quality.findings import balance, findings, suspicion
from data.quality.measuring import measure_quality
from data.store.records import LabelDoubt, NewSample, Score


def found_in(store):
    return {finding.key: finding for finding in findings(store.quality(), store.overlaps())}


def test_everything_is_measured_once_and_what_changed_again(workspace, store):
    photos = {sample.image_hash for sample in store.samples()}
    assert measure_quality(workspace) == len(photos)
    assert measure_quality(workspace) == 0
    quality = store.quality()
    assert quality[["brightness", "area", "width_px"]].notna().all(axis=None)
    sample = store.samples(class_name="cracks")[0]
    store.save_label(sample.id, np.eye(*sample.size_hw, dtype=bool), based_on=1, author="ann", tool="brush")
    assert measure_quality(workspace) == 1
    row = store.quality().set_index("sample_id").loc[sample.id]
    assert row["area"] == pytest.approx(np.eye(*sample.size_hw).mean())
    counts = balance(store.quality()).set_index("class")
    assert counts["photos"].to_dict() == quality["class_name"].value_counts().to_dict()


def test_planted_faults_are_found(workspace, store):
    measure_quality(workspace)
    boxes = [s.id for s in store.samples() if s.is_box]
    assert set(found_in(store).get("boxes").ids) == set(boxes)
    one, other, *_ = store.samples(class_name="cracks")
    store.set_groups_and_splits({one.id: "g", other.id: "g"}, {one.id: "train", other.id: "test"})
    assert set(found_in(store)["leaks"].ids) == {one.id, other.id}
    # a label of the other class on the same pixels
    rle = store.label(one.id).rle
    store.add_samples([NewSample(one.image_hash, "taping", one.file_name, "train", False, rle)])
    both = {one.id, max(s.id for s in store.samples())}
    assert set(found_in(store)["overlap"].ids) == both
    # an empty label of which the model is sure of something
    store.create_run("r", name="r", checkpoint="c", label_set=store.current_label_set().name, config={})
    empty = store.save_label(other.id, np.zeros(other.size_hw, bool), based_on=1, author="ann", tool="eraser")
    measure_quality(workspace)
    metrics = dict.fromkeys(("iou", "dice", "precision", "recall"), 0.0)
    store.save_scores([Score("r", other.id, "test", empty.number, 0.5, 0, 9, 0, 9, metrics)])
    store.save_doubts([LabelDoubt("r", other.id, empty.number, 0.97, 0.9, 0.0)])
    assert found_in(store)["empty but seen"].ids == (other.id,)
    # specks beside a crack
    mask = decode_rle(store.label(one.id).rle)
    mask[0, 0] = mask[-1, 0] = True
    store.save_label(one.id, mask, based_on=1, author="ann", tool="brush")
    measure_quality(workspace)
    assert one.id in found_in(store)["islands"].ids


def test_nothing_is_found_in_nothing(empty_store):
    assert findings(empty_store.quality(), empty_store.overlaps()) == []


def test_the_most_suspect_stand_first():
    table = pd.DataFrame(
        {
            "sample_id": [1, 2, 3, 4, 5, 6],
            "class_name": "cracks",
            "noise": [0.9, 0.95, 0.9, 0.9, 0.9, 0.9],
            "missed": [0.1, 0.9, 0.1, 0.1, 0.1, 0.1],
            "unsupported": [0.1, 0.1, 0.1, 0.1, 0.1, 0.2],
            "area": [0.05, 0.05, 0.051, 0.049, 0.9, 0.05],
            "width_px": [5.0, 5.1, 5.2, 4.9, 5.0, 5.1],
        }
    )
    assert list(suspicion(table).index[:2]) == [2, 5]
