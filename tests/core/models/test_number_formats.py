import copy

import pytest
import torch

from core.models import number_formats as precision
from core.models.clipseg import PromptSegmenter


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
def test_a_smaller_segmenter_answers_as_the_whole_one(tiny_segmenter, name):
    segmenter = PromptSegmenter(copy.deepcopy(tiny_segmenter.clipseg), tiny_segmenter.processor)
    small = precision.in_format(segmenter, name)
    assert (small.number_format, segmenter.number_format) == (name, "fp32")
    assert small.dtype == (torch.bfloat16 if name == "bf16" else torch.float32)
    assert segmenter.dtype == torch.float32
    assert precision.in_format(small, name) is small
    photos, prompts = torch.rand(2, 3, 100, 80), ["segment crack", "segment joint tape"]
    with torch.inference_mode():
        expected, found = segmenter(photos, prompts), small(photos, prompts)
    assert 0 < (found - expected).pow(2).mean().sqrt() < precision.MAX_ERROR


def test_int8_is_the_rounding_of_weights_to_127_steps_a_channel_and_of_inputs_to_128():
    torch.manual_seed(0)
    linear = torch.nn.Linear(32, 8)
    tokens = torch.randn(5, 32)
    with torch.inference_mode():
        expected = linear(tokens)
        found = precision.quantized(torch.nn.Sequential(copy.deepcopy(linear)))(tokens)
    step = tokens.abs().max() / 64 * linear.weight.abs().sum(1) + linear.weight.abs().max() / 127 * tokens.abs().sum(1)[:, None]
    assert ((found - expected).abs() <= step).all()
    assert not torch.equal(found, expected)


def test_measuring_draws_nothing_from_the_runs_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    precision.product_seconds.__wrapped__("cpu")
    assert torch.equal(torch.rand(4), expected)


def test_the_fastest_is_named_and_fp32_where_nothing_pays(measured):
    measured(fp32=1.0, bf16=0.5, int8=0.2)
    assert precision.fastest() == "int8"
    measured(fp32=1.0, bf16=2.0, int8=0.2)
    assert precision.fastest() == "int8"
    measured(fp32=1.0, bf16=0.5)
    assert precision.fastest() == "bf16"
    measured(fp32=1.0, bf16=0.9)
    assert precision.fastest() == "fp32"


def test_a_decided_format_is_taken_whatever_the_timing_says_today(tiny_segmenter, measured, monkeypatch, caplog):
    measured(fp32=1.0, bf16=9.0)
    assert precision.in_format(tiny_segmenter, "bf16").dtype == torch.bfloat16
    assert precision.in_format(tiny_segmenter, "fp32") is tiny_segmenter
    assert not caplog.records


def test_a_format_that_is_not_there_or_changes_answers_is_fp32_and_that_is_said(tiny_segmenter, monkeypatch, caplog):
    assert precision.in_format(tiny_segmenter, "fp4") is tiny_segmenter
    assert "does not have the number format fp4" in caplog.text
    monkeypatch.setattr(precision, "MAX_ERROR", 0.0)
    assert precision.in_format(tiny_segmenter, "bf16") is tiny_segmenter
    assert "changes what this checkpoint answers" in caplog.text
