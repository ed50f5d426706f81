"""Samples that have no label yet: what was drawn of them could not be used, and nobody has looked since."""

import numpy as np
import pytest

from core.errors import RequestError
from core.masks.mask import encode_rle
from data.store.records import ImageRecord, NewSample

MASK = np.eye(4, 5, dtype=bool)


@pytest.fixture
def waiting(empty_store):
    """Sample 1 has a label, sample 2 has none."""
    images = [ImageRecord(letter * 64, f"images/{letter}.jpg", 4, 5) for letter in "ab"]
    rles = (encode_rle(MASK), None)
    samples = [
        NewSample(image.hash, "cracks", f"{image.hash[0]}.jpg", "train", False, rle)
        for image, rle in zip(images, rles, strict=True)
    ]
    empty_store.add_images(images)
    assert empty_store.add_samples(samples) == 2
    return empty_store


def test_it_is_a_sample_but_no_label(waiting):
    assert [sample.revision for sample in waiting.samples()] == [1, 0]
    assert list(waiting.labels()) == [1]
    assert waiting.revisions(2) == []
    begin = waiting.label(2)
    assert (begin.number, begin.area_px, begin.rle["size"]) == (0, 0, [4, 5])


def test_label_sets_leave_it_out(waiting):
    frozen = waiting.freeze_labels("first")
    assert frozen.samples == 1
    assert list(waiting.labels("first")) == [1]
    assert waiting.current_label_set() == frozen


def test_a_drawn_label_is_its_first(waiting):
    saved = waiting.save_label(2, MASK, based_on=0, author="ann", tool="editor")
    assert (saved.number, saved.parent, saved.as_imported) == (1, None, False)
    assert [sample.as_imported for sample in waiting.samples()] == [True, False]
    assert len(waiting.labels()) == 2


def test_accepting_it_says_that_nothing_is_there(waiting):
    review = waiting.add_review(2, "accepted", "ann")
    label = waiting.labels()[2]
    assert (label.number, label.area_px, label.author, label.human_made, review.revision) == (1, 0, "ann", True, 1)


@pytest.mark.parametrize("state", ["rejected", "skipped"])
def test_other_decisions_leave_it_without(state, waiting):
    waiting.add_review(2, state, "ann")
    assert list(waiting.labels()) == [1]


def test_it_has_no_truth_to_check_reviewers_by(waiting):
    with pytest.raises(RequestError, match="sample 2 has no label yet"):
        waiting.plant_honeypot(2, MASK, "ann")
