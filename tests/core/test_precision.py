import copy

import pytest
import torch
from torch import nn

from core import precision
from core.model import PromptSegmenter
from core.packed_linear import PackedLinear, pack_linears


def test_bf16_is_chosen_by_measurement(monkeypatch):
    seconds = {0: 5.0, 1: 1.0}
    state = {"now": 0.0, "calls": 0}

    def tick():
        state["calls"] += 1
        pair, end = divmod(state["calls"] - 1, 2)
        if end:
            state["now"] += seconds[pair % 2]
        return state["now"]

    monkeypatch.setattr(precision.time, "perf_counter", tick)
    assert precision.bf16_pays.__wrapped__("cpu")
    seconds.update({0: 1.0, 1: 1.0})
    assert not precision.bf16_pays.__wrapped__("cpu")


def test_it_answers_on_this_machine():
    assert precision.bf16_pays("cpu") in (True, False)


def test_packed_linears_compute_what_the_linears_did():
    module = nn.Sequential(nn.Linear(48, 96), nn.ReLU(), nn.Sequential(nn.Linear(96, 8, bias=False)))
    inputs = torch.randn(2, 5, 48)
    expected = module(inputs)
    packed = copy.deepcopy(module)
    pack_linears(packed, tokens=5)
    if not any(isinstance(part, PackedLinear) for part in packed.modules()):
        pytest.skip("oneDNN cannot pack here")
    assert not any(isinstance(part, nn.Linear) for part in packed.modules())
    torch.testing.assert_close(packed(inputs), expected)
    torch.testing.assert_close(packed(inputs[0, :3]), expected[0, :3])  # another number of rows than packed for


def test_the_smaller_segmenter_answers_as_the_whole_one(tiny_segmenter, monkeypatch):
    monkeypatch.setattr(precision, "bf16_pays", lambda device: True)
    segmenter = PromptSegmenter(copy.deepcopy(tiny_segmenter.clipseg), tiny_segmenter.processor)
    small = precision.in_fastest_dtype(segmenter)
    assert small.dtype == torch.bfloat16
    assert segmenter.dtype == torch.float32
    assert precision.in_fastest_dtype(small) is small
    photos, prompts = torch.rand(2, 3, 100, 80), ["segment crack", "segment joint tape"]
    with torch.inference_mode():
        difference = (small(photos, prompts).sigmoid() - segmenter(photos, prompts).sigmoid()).abs()
    assert difference.mean() < 0.01
    assert difference.max() < 0.1
