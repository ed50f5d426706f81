import copy

import pytest
import torch

from core.models import number_formats as precision
from core.models.clipseg import PromptSegmenter
from core.models.fused_layers import FusedLayer


@pytest.fixture
def measured(monkeypatch):
    def state(**seconds):
        monkeypatch.setattr(precision, "product_seconds", lambda device="cpu": seconds)

    return state


def vision_layers(segmenter):
    return segmenter.clipseg.clip.vision_model.encoder.layers


def test_every_format_of_this_machine_is_timed():
    seconds = precision.product_seconds("cpu")
    assert {"fp32", "bf16"} <= set(seconds) <= {"fp32", "bf16", "int8"}
    assert min(seconds.values()) > 0


def test_a_format_pays_when_it_is_clearly_faster(measured):
    measured(fp32=1.0, bf16=0.5, int8=0.9)
    assert precision.pays("bf16")
    assert not precision.pays("int8")
    measured(fp32=1.0, bf16=2.0)
    assert not precision.pays("bf16")
    assert not precision.pays("int8")  # this CPU has none


@pytest.mark.parametrize("name", ["bf16", "int8"])
def test_a_smaller_segmenter_answers_as_the_whole_one(tiny_segmenter, measured, name):
    if name == "int8" and not torch.cpu._is_vnni_supported():
        pytest.skip("this CPU has no VNNI")
    measured(fp32=1.0, bf16=0.1, int8=0.1)
    segmenter = PromptSegmenter(copy.deepcopy(tiny_segmenter.clipseg), tiny_segmenter.processor)
    small = precision.in_fastest_format(segmenter, [name])
    assert small.dtype == torch.bfloat16
    assert all(isinstance(layer, FusedLayer) for layer in [*vision_layers(small), *small.clipseg.decoder.layers])
    assert segmenter.dtype == torch.float32
    assert not isinstance(vision_layers(segmenter)[0], FusedLayer)
    assert precision.in_fastest_format(small) is small
    photos, prompts = torch.rand(2, 3, 100, 80), ["segment crack", "segment joint tape"]
    with torch.inference_mode():
        expected, found = segmenter(photos, prompts), small(photos, prompts)
    assert 0 < (found - expected).pow(2).mean().sqrt() < precision.MAX_ERROR


def test_int8_does_without_bf16(tiny_segmenter, measured):
    if not torch.cpu._is_vnni_supported():
        pytest.skip("this CPU has no VNNI")
    measured(fp32=1.0, bf16=2.0, int8=0.1)
    small = precision.in_fastest_format(tiny_segmenter)
    assert small.dtype == torch.float32
    assert isinstance(vision_layers(small)[0], FusedLayer)
    assert precision.in_fastest_format(small) is small


def test_the_fastest_format_that_keeps_the_answers_is_chosen(tiny_segmenter, measured, monkeypatch):
    tried = []
    whole = precision._in_format

    def spoil(segmenter, name):
        tried.append(name)
        small = whole(segmenter, name)
        if name in spoiled:
            small.clipseg.decoder.transposed_convolution[-1].bias.data += 1
        return small

    monkeypatch.setattr(precision, "_in_format", spoil)
    monkeypatch.setattr(precision.torch.cpu, "_is_vnni_supported", lambda: True)
    measured(fp32=1.0, bf16=0.3, int8=0.2)
    spoiled = ["int8"]
    small = precision.in_fastest_format(tiny_segmenter)
    assert tried == ["int8", "bf16"]
    assert small is not tiny_segmenter
    spoiled = ["int8", "bf16"]
    assert precision.in_fastest_format(tiny_segmenter) is tiny_segmenter
    measured(fp32=1.0, bf16=0.9, int8=0.9)
    tried.clear()
    assert precision.in_fastest_format(tiny_segmenter) is tiny_segmenter
    assert tried == []


def test_measuring_draws_nothing_from_the_runs_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    precision.product_seconds.__wrapped__("cpu")
    assert torch.equal(torch.rand(4), expected)
