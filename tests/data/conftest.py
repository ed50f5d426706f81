"""A store with three samples of 4 x 6 pixels; MASK is the label each came with."""

import numpy as np
import pytest

from core.masks.mask import encode_rle
from data.store.records import ImageRecord, NewSample
from data.store.store import Store

MASK = np.eye(4, 6, dtype=bool)


@pytest.fixture
def filled(tmp_path):
    store, rle = Store(tmp_path / "qa.db"), encode_rle(MASK)
    images = [ImageRecord(f"h{i}", f"images/h{i}.jpg", 4, 6) for i in range(3)]
    store.add_images(images)
    store.add_samples([NewSample(f"h{i}", "cracks", f"{i}.jpg", "train", i == 0, rle) for i in range(3)])
    yield store
    store.close()
