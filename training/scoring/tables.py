"""Figures as tables: what the terminal prints and the pages show of a run, and of two side by side."""

from typing import Any

import pandas as pd

from core.metrics.table import HEADLINE, MEAN_KEYS, MEAN_TITLES


def metric_rows(document: dict[str, Any]) -> pd.DataFrame:
    """Of a document of `training.scoring.evaluation.summary`: a row a class, one a kind of truth where a class has several, and
    one over all; a column a metric under the title of its mean, and the number of samples; missing where a sample was scored
    without that metric."""
    rows = pd.DataFrame({**document["classes"], **document["by_truth"], "overall": document["overall"]}).T.astype(float)
    titles = {MEAN_KEYS[key]: title for key, title in MEAN_TITLES.items()} | {"samples": "samples"}
    return rows[list(titles)].rename(columns=titles)


def comparison_rows(document: dict[str, Any]) -> pd.DataFrame:
    """Of a document of `training.scoring.evaluation.compare`: a row a class and metric with both runs' means and the gain."""
    rows = []
    for name, means in {**document["classes"], "overall": document["overall"]}.items():
        for key in HEADLINE:
            before, after = (float("nan") if mean is None else mean for mean in means[MEAN_KEYS[key]])
            rows.append((name, MEAN_TITLES[key], before, after, after - before))
    return pd.DataFrame(rows, columns=["class", "mean over samples", *document["runs"], "gain"])
