from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold
from torch.nn import functional as F

from core.errors import RequestError
from core.models.clipseg import PromptSegmenter
from core.models.predictor import Predictor, tile_spans, without_doubtful
from core.prompts import class_of_prompt, slug
from core.settings import InferenceSettings
from training.runs.scratch import untrained_segmenter

PROMPT = "segment crack"


def random_photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 255, (height, width, 3), np.uint8)


def probs(segmenter: PromptSegmenter, photo: np.ndarray, **inference) -> np.ndarray:
    return Predictor(segmenter, InferenceSettings(**inference)).predict(photo, [PROMPT])[0].probs


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


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(64, 800), st.floats(0, 0.75))
def test_tiles_cover_the_photo_and_overlap_as_asked(length, side, overlap):
    spans = tile_spans(length, side, overlap)
    assert spans[0].start == 0
    assert spans[-1].stop == length
    assert {span.stop - span.start for span in spans} == {min(side, length)}
    shared = [before.stop - after.start for before, after in pairwise(spans)]
    assert all(pixels >= side * overlap - 1 for pixels in shared)  # half a pixel of rounding at either end
    if len(spans) > 2:  # one fewer would lie too far apart
        assert (length - side) / (len(spans) - 2) > int(side * (1 - overlap))


@pytest.fixture(scope="module")
def calm_segmenter() -> PromptSegmenter:
    """Random weights whose logits stay within a few units, so that probabilities say something."""
    segmenter = untrained_segmenter([PROMPT], seed=4, hidden=32, layers=3)
    with torch.no_grad():
        segmenter.clipseg.decoder.transposed_convolution[-1].weight.normal_(std=0.005)
    return segmenter


@pytest.mark.parametrize("size_hw", [(90, 90), (110, 170), (65, 220)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_a_model_that_always_says_the_same_shows_no_seams(size_hw, overlap):
    constant = untrained_segmenter([PROMPT], seed=2, hidden=32, layers=3)
    last = constant.clipseg.decoder.transposed_convolution[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 0.7)
    found = probs(constant, random_photo(*size_hw), tiles=64, overlap=overlap, flips=True)
    assert np.abs(found - torch.tensor(0.7).sigmoid().item()).max() < 1e-6


@pytest.mark.parametrize("tiles", [120, 121, 4000])
def test_one_tile_is_the_whole_photo(tiny_segmenter, tiles):
    photo = random_photo(80, 120)
    assert np.array_equal(probs(tiny_segmenter, photo, tiles=tiles), probs(tiny_segmenter, photo))


def test_inside_a_tile_that_no_other_touches_stands_what_that_tile_alone_says(calm_segmenter):
    photo = random_photo(64, 112)  # tiles at 0..64 and 48..112
    both, alone = probs(calm_segmenter, photo, tiles=64), probs(calm_segmenter, np.ascontiguousarray(photo[:, :64]))
    assert np.abs(both[:, :48] - alone[:, :48]).max() < 1e-6
    assert np.abs(both[:, 48:64] - alone[:, 48:64]).max() > 1e-4


def test_blended_tiles_are_the_weighted_mean_of_their_logits(calm_segmenter):
    photo = random_photo(64, 96)
    left, right = (np.ascontiguousarray(photo[:, span]) for span in (np.s_[:64], np.s_[32:]))
    logits = [torch.logit(torch.from_numpy(probs(calm_segmenter, part))) for part in (left, right)]
    hann = torch.from_numpy(np.hanning(66)[1:-1]).float()
    a, b = hann[32:], hann[:32]  # the rows' weights are the same in both tiles
    expected = ((logits[0][:, 32:] * a + logits[1][:, :32] * b) / (a + b)).sigmoid().numpy()
    assert np.abs(probs(calm_segmenter, photo, tiles=64, overlap=0.5)[:, 32:64] - expected).max() < 1e-5


@pytest.mark.parametrize("tiles", [0, 64])
def test_flips_of_a_symmetric_photo_are_symmetric_and_of_any_photo_turn_with_it(calm_segmenter, tiles):
    half = random_photo(70, 45)
    symmetric = np.concatenate([half, half[:, ::-1]], axis=1)
    found = probs(calm_segmenter, symmetric, flips=True, tiles=tiles)
    assert np.abs(found - found[:, ::-1]).max() < 1e-6
    assert np.abs(probs(calm_segmenter, symmetric, tiles=tiles) - found).max() > 1e-4
    turned = probs(calm_segmenter, np.ascontiguousarray(half[::-1]), flips=True, tiles=tiles)
    assert np.abs(turned[::-1] - probs(calm_segmenter, half, flips=True, tiles=tiles)).max() < 1e-6


def test_side_704_is_the_reference_with_interpolated_positions(calm_segmenter):
    plain = calm_segmenter
    photo = random_photo(704, 704)
    pixels = plain.pixel_values(torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255, 704)
    tokens = plain.processor.tokenizer([PROMPT], return_tensors="pt")
    with torch.inference_mode():
        reference = plain.clipseg(**tokens, pixel_values=pixels, interpolate_pos_encoding=True).logits
        ours = plain.decode(plain.encode_image(pixels), plain.embed([PROMPT]))
    assert ours.shape == (1, 704, 704)
    assert torch.equal(ours, reference)
    assert np.array_equal(probs(plain, photo, side_px=704), reference[0].sigmoid().numpy())
    small = F.interpolate(torch.from_numpy(probs(plain, photo))[None, None], (704, 704))[0, 0].numpy()
    assert np.abs(small - probs(plain, photo, side_px=704)).max() > 1e-4


@pytest.mark.parametrize(
    ("inference", "words"), [({"tiles": 20}, "less than 64 pixels"), ({"overlap": 0.9}, "0.75"), ({"side_px": 700}, "16")]
)
def test_settings_are_checked(inference, words):
    with pytest.raises(ValidationError, match=words):
        InferenceSettings(**inference)


@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.96]))
def test_a_part_that_is_sure_nowhere_is_none(seed, sure):
    """Cut at the level that tells parts, what is left is hysteresis of the two thresholds; elsewhere nothing changes."""
    random = np.random.default_rng(seed)
    probs = ndimage.gaussian_filter(random.random((40, 50)), 1.5)
    probs = (np.clip((probs - 0.45) * 6, 0, 1)).astype(np.float32)
    left = without_doubtful(probs, sure)
    assert left.dtype == np.float32
    expected = apply_hysteresis_threshold(np.pad(probs, 1), 0.05, np.nextafter(np.float32(sure), 0, dtype=np.float32))[1:-1, 1:-1]
    faint = probs < 0.05
    if not _touch_at_corners_alone(probs >= 0.05):  # scikit-image takes touching at a corner for apart
        np.testing.assert_array_equal(left[~faint] > 0, expected[~faint])
    np.testing.assert_array_equal(left[(left > 0) | faint], probs[(left > 0) | faint])
    np.testing.assert_array_equal(without_doubtful(probs, 0), probs)


def _touch_at_corners_alone(mask):
    return ndimage.label(mask)[1] != ndimage.label(mask, np.ones((3, 3)))[1]


def test_how_sure_a_part_must_be_is_the_checkpoints_unless_somebody_says(tiny_segmenter):
    own = tiny_segmenter.branch.config
    assert Predictor(tiny_segmenter).sure == 0
    try:
        tiny_segmenter.branch.config = own.changed(sure=0.999)
        photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        assert not Predictor(tiny_segmenter).predict(photo, ["crack"])[0].mask(0.06).any()
        seen = Predictor(tiny_segmenter, InferenceSettings(sure=0)).predict(photo, ["crack"])[0]
        assert seen.mask(0.06).any()
    finally:
        tiny_segmenter.branch.config = own
