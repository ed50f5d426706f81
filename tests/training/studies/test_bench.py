"""Every benchmark, run once on a CLIPSeg so small that its speed means nothing."""

from functools import partial

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from core.errors import RequestError
from core.models.number_formats import product_seconds
from training.studies.bench import _COUNTED, EPOCHS, NAMES, TRAIN_SAMPLES, VAL_SAMPLES, Size, run_bench

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 3}
TINY = Size(
    {
        "vision_config": {**TOWER, "patch_size": 16, "image_size": 224},
        "text_config": {**TOWER, "num_hidden_layers": 1},
        "projection_dim": 32,
        "reduce_dim": 16,
        "decoder_intermediate_size": 32,
        "extract_layers": [0, 1, 2],
    },
    photos=2,
    batch=2,
    product_side=64,
    crop=64,
)


@pytest.fixture(scope="module")
def document():
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # traced, but no C++ compiler is asked for
        made = run_bench([], 1, lambda *step: told.append(step), TINY)  # raises where the logits differ from the reference's
    assert told == [(name, place, len(NAMES)) for place, name in enumerate(NAMES)]
    return made


def test_unknown_names_are_named():
    with pytest.raises(RequestError, match="benchmark fly is unknown; choose from latency_1x1_fp32"):
        run_bench(["fly"], 1)


def test_there_is_a_row_for_every_name(document):
    assert tuple(document["ratios"]) == NAMES
    assert len(NAMES) == 11


@pytest.mark.parametrize("name", NAMES)
def test_a_row_holds_times_and_their_ratio(document, name):
    row = document["ratios"][name]
    assert row["ours_ms"] > 0
    assert row["ratio"] == pytest.approx(row["reference_ms"] / row["ours_ms"])
    if name == "published_schedule":  # reckoned from the other training rows
        assert (row["ours_peak"], row["ours_format"]) == (None, None)
    else:
        assert row["reference_peak"] > 0
        assert row["ours_peak"] > 0
        assert row["ours_format"] in ("fp32", name.rpartition("_")[2], "bf16", "int8")


def test_the_first_row_is_in_fp32_on_both_sides(document):
    assert document["ratios"]["latency_1x1_fp32"]["ours_format"] == "fp32"


def test_the_schedule_is_more_than_its_training_steps(document):
    step, schedule = document["ratios"]["train_epoch_cached"], document["ratios"]["published_schedule"]
    batches = TRAIN_SAMPLES / TINY.batch
    assert schedule["ours_ms"] > EPOCHS * batches * step["ours_ms"]
    assert schedule["reference_ms"] > EPOCHS * batches * step["reference_ms"]
    assert VAL_SAMPLES < TRAIN_SAMPLES


def test_the_machine_is_described(document):
    machine = document["machine"]
    assert machine["matmul_gflops"].keys() == product_seconds().keys()
    assert min(machine["matmul_gflops"].values()) > 0
    assert machine["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("groups", [1, 32])
def test_a_convolution_and_its_gradients_cost_three_times_the_forward_pass(groups):
    convolution, photos = torch.nn.Conv2d(32, 32, 3, padding=1, groups=groups), torch.rand(2, 32, 10, 10, requires_grad=True)
    with FlopCounterMode(display=False, custom_mapping=_COUNTED) as counter:
        convolution(photos).sum().backward()
    assert counter.get_total_flops() == 3 * 2 * (2 * 32 * 10 * 10) * (32 // groups) * 9
