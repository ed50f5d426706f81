"""The benchmark of the metrics, run once on few pairs; it raises where torchmetrics counts otherwise."""

from training.studies.metrics_bench import GRIDS, run_metrics_bench
from training.terminal import metrics_bench_table


def test_it_times_every_grid_and_agrees_with_torchmetrics_at_every_threshold():
    document = run_metrics_bench(1, count=2)
    assert set(document["all_metrics_ms"]) == set(GRIDS)
    row = document["all_thresholds"]
    assert row["thresholds"] == 19
    assert row["ratio"] > 0
    assert metrics_bench_table(document).row_count == 3
