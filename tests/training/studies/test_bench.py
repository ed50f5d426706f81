import pytest

from core.errors import RequestError
from training.studies.bench import NAMES, Bench, run_bench


def test_unknown_names_are_named():
    with pytest.raises(RequestError, match="benchmark fly is unknown; choose from latency_1x1_fp32"):
        run_bench(["fly"], 1)


def test_a_row_holds_a_ratio_and_fp32_logits_equal_the_reference():
    document = run_bench(["latency_1x1_fp32"], 1)  # raises where the logits differ
    row = document["ratios"]["latency_1x1_fp32"]
    assert row["ratio"] == pytest.approx(row["reference_ms"] / row["ours_ms"])
    assert row["ours_peak"] > 0
    assert row["ours_format"] == "fp32"
    assert document["machine"]["matmul_gflops"]["fp32"] > 0


def test_every_name_is_a_benchmark():
    assert all(callable(getattr(Bench, name)) for name in NAMES)
