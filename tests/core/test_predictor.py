import numpy as np
import pytest

from core.errors import RequestError
from core.predictor import Predictor
from core.prompts import class_of_prompt, slug


@pytest.mark.parametrize("size_hw", [(1, 1), (37, 300), (352, 352), (500, 90)])
def test_masks_have_the_photos_size(tiny_segmenter, size_hw):
    photo = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), np.uint8)
    first, second = Predictor(tiny_segmenter).predict(photo, ["segment crack", "segment joint tape"])
    assert first.probs.shape == second.probs.shape == size_hw
    assert 0 <= first.probs.min() <= first.probs.max() <= 1
    assert first.mask(0.01).sum() >= first.mask(0.99).sum()


def test_prompts_together_equal_prompts_alone(tiny_segmenter):
    photo = np.random.default_rng(1).integers(0, 255, (80, 60, 3), np.uint8)
    prompts = ["segment crack", "segment drywall seam"]
    together = Predictor(tiny_segmenter).predict(photo, prompts)
    for prompt, prediction in zip(prompts, together, strict=True):
        assert np.array_equal(Predictor(tiny_segmenter).predict(photo, [prompt])[0].probs, prediction.probs)


def test_threshold_and_prompt_are_checked(tiny_segmenter):
    photo = np.zeros((8, 8, 3), np.uint8)
    prediction = Predictor(tiny_segmenter).predict(photo, ["segment crack"])[0]
    with pytest.raises(ValueError, match=r"lie in \(0, 1\), got 1.5"):
        prediction.mask(1.5)
    with pytest.raises(RequestError, match="prompt is empty"):
        Predictor(tiny_segmenter).predict(photo, [" "])
    assert Predictor(tiny_segmenter).predict(photo, ["crack " * 99])[0].cut


def test_slug_and_class():
    assert slug("segment wall crack") == "segment_wall_crack"
    assert slug("  Riß / Fuge?  ") == "Riß_Fuge"
    assert class_of_prompt("Segment  Joint Tape") == "taping"
    assert class_of_prompt("segment door") is None
