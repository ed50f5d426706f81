"""Tight labels from boxes: on generated walls, from a workspace, and as training takes them."""

from dataclasses import replace

import numpy as np
import torch

from core.masks.mask import decode_rle, fill_box, part_boxes
from core.prompts import PUBLISHED_SYNONYMS
from core.seams.seams import LEAST_CONFIDENCE
from core.settings import LabelSettings, LossSettings
from core.train.dataset import PromptedDataset, collate
from core.train.losses import SegmentationLoss
from training.review import tight_labels
from training.review.tight_labels import SEAM_CLASS, boxes_of, seams_of
from training.runs.execution import examples


def boxed_sample(store):
    return next(s for s in store.samples(class_name=SEAM_CLASS) if s.box_only)


def test_an_import_keeps_the_boxes_of_which_the_label_is_the_union(store):
    for sample in store.samples(class_name=SEAM_CLASS):
        union = np.zeros(sample.size_hw, bool)
        for box in sample.boxes:
            union |= fill_box(box, sample.size_hw)
        np.testing.assert_array_equal(union, decode_rle(store.label(sample.id).rle))


def test_seams_run_through_their_boxes_and_nothing_is_saved(workspace, store):
    sample = boxed_sample(store)
    by_box = seams_of(workspace, sample)
    assert len(by_box) == len(sample.boxes)
    assert any(by_box)
    for (x, y, width, height), seams in zip(sample.boxes, by_box, strict=True):
        for seam in seams:
            assert (seam.points_xy >= (x - 1, y - 1)).all()
            assert (seam.points_xy <= (x + width + 1, y + height + 1)).all()
            assert seam.confidence >= LEAST_CONFIDENCE
    assert store.sample(sample.id).revision == 1


def test_a_box_without_a_seam_is_not_looked_at(workspace, store, monkeypatch):
    sample = boxed_sample(store)
    monkeypatch.setattr(tight_labels, "seams_of", lambda workspace, sample: [[] for _ in sample.boxes])
    of_split = examples(workspace, workspace.store.samples(split=sample.split), None, LabelSettings(boxes="proposal"))
    example = next(example for example in of_split if example.sample_id == sample.id)
    assert not decode_rle(example.rle).any()
    np.testing.assert_array_equal(decode_rle(example.ignore), decode_rle(store.label(sample.id).rle))


def test_boxes_are_those_of_the_import_else_one_around_each_part(workspace, store):
    sample = boxed_sample(store)
    assert boxes_of(workspace, sample) == sample.boxes
    mask = np.zeros((90, 70), bool)
    mask[5:10, 20:60], mask[10, 60], mask[50:80, 3] = True, True, True  # the pixel touches the first part at its corner
    assert part_boxes(mask) == [[20, 5, 41, 6], [3, 50, 1, 30]]
    without = replace(sample, boxes=[])
    assert boxes_of(workspace, without) == part_boxes(decode_rle(store.label(sample.id).rle))


def test_box_labels_train_as_boxes_proposals_or_where_both_agree(workspace, store):
    sample = boxed_sample(store)
    found = {}
    for boxes in ("box", "proposal", "weak"):
        of_split = examples(workspace, workspace.store.samples(split=sample.split), None, LabelSettings(boxes=boxes))
        found[boxes] = next(example for example in of_split if example.sample_id == sample.id)
    box, tight = decode_rle(found["box"].rle), decode_rle(found["proposal"].rle)
    assert found["box"].ignore is None
    np.testing.assert_array_equal(decode_rle(found["weak"].rle), tight)
    np.testing.assert_array_equal(decode_rle(found["weak"].ignore), box & ~tight)
    items = PromptedDataset([found["weak"], found["box"]], PUBLISHED_SYNONYMS, 64, train=False)
    batch = collate([items[0], items[1]])
    assert batch.weights[1].min() == 1  # beside a weak label a sure one counts everywhere
    assert (box & ~tight).mean() > 0.05  # so that some of it is left of the photo at 64 px
    assert batch.weights[0].min() == 0
    assert batch.weights[0].max() == 1


def test_a_fixed_label_is_taken_as_it_is(workspace, store):
    sample = boxed_sample(store)
    drawn = np.zeros(sample.size_hw, bool)
    drawn[2:5, 2:30] = True
    store.save_label(sample.id, drawn, based_on=1, author="Ann", tool="brush")
    of_split = examples(workspace, workspace.store.samples(split=sample.split), None, LabelSettings(boxes="weak"))
    example = next(example for example in of_split if example.sample_id == sample.id)
    np.testing.assert_array_equal(decode_rle(example.rle), drawn)
    assert example.ignore is None


def test_an_ignored_pixel_moves_nothing():
    loss_of = SegmentationLoss(LossSettings())
    logits = torch.randn(1, 4, 4, requires_grad=True)
    target, weight = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    target[0, 1] = 1
    weight[0, 3] = 0
    loss_of(logits, target, weight).backward()
    assert not logits.grad[0, 3].any()
    assert logits.grad[0, 1].all()
