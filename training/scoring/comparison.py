"""More than two runs side by side: one row a run, on the samples that all of them were scored on."""

from typing import Any

import pandas as pd

from core.errors import RequestError
from core.metrics.table import HEADLINE, MEAN_KEYS
from data.store.store import Store
from training.scoring.scores import mean


def compare_all(store: Store, run_ids: list[str], split: str) -> dict[str, Any]:
    """{"split", "samples", "runs": [{"run", "name", "checkpoint", "classes": {CLASS: figures}, "overall": figures}]}.

    Figures: the means of HEADLINE over the shared samples, IoU's as "miou"; None where a run was scored before that metric
    was known. Raises RequestError when the runs share none.
    """
    runs = [store.run(run_id) for run_id in dict.fromkeys(run_ids)]
    tables = {run.id: store.scores(run.id, split).set_index("sample_id") for run in runs}
    shared = sorted(set.intersection(*(set(table.index) for table in tables.values())))
    if not shared:
        raise RequestError(f"runs {', '.join(run_ids)} share no scored samples of {split}; evaluate each first")

    def row(table: pd.DataFrame) -> dict[str, Any]:
        classes = {str(name): _figures(of_class) for name, of_class in table.groupby("class_name")}
        return {"classes": classes, "overall": _figures(table)}

    rows = [{"run": run.id, "name": run.name, "checkpoint": run.checkpoint, **row(tables[run.id].loc[shared])} for run in runs]
    return {"split": split, "samples": len(shared), "runs": rows}


def _figures(table: pd.DataFrame) -> dict[str, float | None]:
    return {MEAN_KEYS[key]: mean(table[key]) for key in HEADLINE}
