"""A store of six samples of 20 x 30 pixels and the means to score them, without photos or a model."""

import numpy as np
import pytest

from core.masks.mask import encode_rle
from data.store.records import ImageRecord, NewSample, Score
from data.store.store import Store

LABEL = np.zeros((20, 30), bool)
LABEL[8:12, 5:25] = True


@pytest.fixture
def desk(tmp_path):
    """Samples 1..6; 1 is boxes only; 5 and 6 are in the test split."""
    store, rle = Store(tmp_path / "qa.db"), encode_rle(LABEL)
    splits = ["train", "train", "train", "val", "test", "test"]
    store.add_images([ImageRecord(f"h{i}", f"images/h{i}.jpg", 20, 30) for i in range(6)])
    store.add_samples([NewSample(f"h{i}", "cracks", f"{i}.jpg", split, i == 0, rle) for i, split in enumerate(splits)])
    yield store
    store.close()


@pytest.fixture
def add_run(desk):
    """add_run("r", {sample: iou}) makes a run on the labels as they are and scores it."""

    def add(run_id, ious):
        label_set = desk.current_label_set().name
        desk.create_run(run_id, name=run_id, checkpoint="compact", label_set=label_set, config={})
        samples = {sample.id: sample for sample in desk.samples()}
        desk.save_scores(
            Score(
                run_id,
                i,
                samples[i].split,
                samples[i].revision,
                0.5,
                1,
                1,
                1,
                1,
                dict.fromkeys(("iou", "dice", "precision", "recall"), v),
            )
            for i, v in ious.items()
        )

    return add
