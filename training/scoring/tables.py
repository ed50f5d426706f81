"""Figures as tables: what the terminal prints and the pages show of a run, and of two side by side."""

from typing import Any

import pandas as pd

from core.metrics.table import HEADLINE, MEAN_KEYS, MEAN_TITLES

POOLED = "IoU of all pixels"
PUBLISHED = {"cracks": 0.164, "taping": 0.192, "overall": 0.169}
"""mIoU of the published system: a random split, on which most test photos have a copy in training, and boxes for joints."""


def metric_rows(document: dict[str, Any]) -> pd.DataFrame:
    """Of a document of `training.scoring.evaluation.summary`: a row a class, one a kind of truth where a class has several, and
    one over all; a column a metric under the title of its mean, IoU of all pixels together, and the number of samples and of
    source photos; missing where a sample was scored without that metric."""
    rows = pd.DataFrame({**document["classes"], **document["by_truth"], "overall": document["overall"]}).T.astype(float)
    titles = {MEAN_KEYS[key]: title for key, title in MEAN_TITLES.items()} | {"pooled_iou": POOLED} | COUNTS
    return rows[list(titles)].rename(columns=titles)


COUNTS = {"samples": "samples", "source_photos": "source photos"}


def interval_rows(document: dict[str, Any]) -> pd.DataFrame:
    """As `metric_rows`, of the headline metrics, in words: `0.451 (0.43 to 0.47)`, the mean and its 95 % interval by source
    photo; and the published system's mIoU as a row to compare with, where it is of these classes."""
    parts = {**document["classes"], "overall": document["overall"]}
    keys = [MEAN_KEYS[key] for key in HEADLINE]
    rows = {
        name: {key: _with_interval(means[key], document["intervals"][name][key]) for key in keys}
        | {"pooled_iou": f"{means['pooled_iou']:.3f}"}
        | {key: str(means[key]) for key in COUNTS}
        for name, means in parts.items()
    }
    if set(document["classes"]) <= set(PUBLISHED):
        rows |= {f"published, {name}": {"miou": f"{PUBLISHED[name]:.3f}"} for name in parts}
    titles = {MEAN_KEYS[key]: MEAN_TITLES[key] for key in HEADLINE} | {"pooled_iou": POOLED} | COUNTS
    return pd.DataFrame(rows).T.reindex(columns=list(titles)).fillna("-").rename(columns=titles)


def _with_interval(mean: float | None, ends: list[float] | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.3f} ({ends[0]:.2f} to {ends[1]:.2f})" if ends else f"{mean:.3f}"


def comparison_rows(document: dict[str, Any]) -> pd.DataFrame:
    """Of a document of `training.scoring.evaluation.compare`: a row a class and metric with both runs' means, the gain, the ends
    of its 95 % interval, and whether it is more than chance: 0 lies outside."""
    rows = []
    for name, means in {**document["classes"], "overall": document["overall"]}.items():
        for key in HEADLINE:
            before, after = (float("nan") if mean is None else mean for mean in means[MEAN_KEYS[key]])
            low, high = means["intervals"].get(MEAN_KEYS[key], (float("nan"),) * 2)
            sure = "yes" if low > 0 or high < 0 else "no" if low <= 0 <= high else "-"
            rows.append((name, MEAN_TITLES[key], before, after, after - before, low, high, sure))
    columns = ["class", "mean over samples", *document["runs"], "gain", "from", "to", "more than chance"]
    return pd.DataFrame(rows, columns=columns)
