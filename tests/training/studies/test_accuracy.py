"""What a checkpoint sees at first sight: a model that says what we want it to say, and the figures that must follow."""

import json

import numpy as np
import pytest

from core.masks.mask import decode_rle
from core.metrics.overlap import count_pixels, iou
from core.models.predictor import Prediction
from core.photos import read_photo
from training.studies import accuracy
from training.studies.accuracy import MeasureSize, as_markdown, clean_corner, measure

SIZE = MeasureSize(real=6, val=4, synonyms=2, clean=4, generated=2, piece_px=32)


class Oracle:
    """Answers with the label where the class is asked for by its first prompt, and else with a corner of 10 x 10 pixels."""

    def __init__(self, workspace, says_nothing=False):
        store = workspace.store
        self.says_nothing, self.truths = says_nothing, {}
        for sample in store.samples():
            key = read_photo(workspace.photo_path(sample.image_path)).tobytes()
            self.truths[key, sample.class_name] = decode_rle(store.label(sample.id).rle)

    def grid_hw(self, photo_hw):
        return photo_hw

    def predict(self, photo, prompts):
        found = []
        for prompt in prompts:
            probs = np.zeros(photo.shape[:2], np.float32)
            if not self.says_nothing:
                class_name = "cracks" if "crack" in prompt else "taping"
                truth = self.truths.get((photo.tobytes(), class_name))
                probs[:10, :10] = 1
                probs = probs if truth is None else truth.astype(np.float32)
            found.append(Prediction(prompt, probs, False))
        return found


@pytest.fixture
def asked(workspace, monkeypatch):
    def ask(**options):
        monkeypatch.setattr(accuracy.PromptSegmenter, "load", lambda checkpoint: None)
        monkeypatch.setattr(accuracy, "Predictor", lambda segmenter: Oracle(workspace, **options))
        return measure("any", workspace, size=SIZE)

    return ask


def test_who_knows_every_label_is_right_everywhere_but_on_the_other_class(asked, workspace):
    figures = asked()
    for row in figures["real"].values():
        assert row["iou"] == row["tolerant_f1_2px"] == row["box_iou"] == 1
        assert row["share_of_other"] > 0
    assert all(row["mean_iou"] > 0 for row in figures["synonyms"].values())
    assert all(row["left_empty"] == 0 for row in figures["clean"].values())
    text = as_markdown(figures)
    assert "| cracks |" in text
    assert "| taping |" in text


def test_who_says_nothing_leaves_clean_walls_clean(asked):
    figures = asked(says_nothing=True)
    assert all(row["left_empty"] == row["pieces"] for row in figures["clean"].values())
    assert figures["clean"]["generated"]["pieces"] == 2
    assert all(row["iou"] < 0.5 and row["share_of_other"] == 0 for row in figures["real"].values())
    assert all(row["mean_iou"] == 1 for row in figures["synonyms"].values())


def test_drawn_bands_are_compared_with_where_there_are_any(workspace, store, tmp_path, monkeypatch):
    sample = next(s for s in store.samples(split="test") if s.class_name == "taping")
    band = {"points_xy": [[5, 5], [60, 40]], "width_px": 9}
    drawn = tmp_path / "bands.json"
    drawn.write_text(json.dumps([{"file_name": sample.file_name, "bands": [band]}, {"file_name": "x", "bands": []}]))
    monkeypatch.setattr(accuracy.PromptSegmenter, "load", lambda checkpoint: None)
    monkeypatch.setattr(accuracy, "Predictor", lambda segmenter: Oracle(workspace))
    row = measure("any", workspace, size=SIZE, drawn=drawn)["real"]["taping"]
    truth, band_mask = decode_rle(store.label(sample.id).rle), accuracy._drawn([band], sample.size_hw)
    assert row["photos_with_drawn_bands"] == 1
    assert row["iou_with_drawn_bands"] == pytest.approx(iou(count_pixels(truth, band_mask)))


def test_a_clean_piece_stays_away_from_every_label():
    random = np.random.default_rng(0)
    truth = np.zeros((200, 300), bool)
    truth[90:110, 140:160] = True
    for _ in range(20):
        row, column = clean_corner(truth, 60, random)
        assert 0 <= row <= 140
        assert 0 <= column <= 240
        around = truth[max(row - 15, 0) : row + 75, max(column - 15, 0) : column + 75]
        assert not around.any()
    assert clean_corner(np.ones((200, 300), bool), 60, random) is None
    assert clean_corner(np.zeros((50, 300), bool), 60, random) is None
