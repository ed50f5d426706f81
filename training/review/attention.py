"""What wants attention next: the few things a team should look at, each with the page that mends it."""

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from data.store.scores import ScoreFilter
from data.store.store import Store
from training.runs.runs import current_runs
from training.scoring.scores import counted

LOW_IOU = 0.3


@dataclass(frozen=True)
class Attention:
    """title and why are sentences; page and query say where to go, action is the button."""

    title: str
    why: str
    action: str
    page: str
    query: dict[str, Any] = field(default_factory=dict)


def attention(store: Store) -> list[Attention]:
    """Most urgent first; never empty."""
    runs, report = current_runs(store), store.last_import()
    found = []
    if runs and runs[0].status == "failed":
        found.append(Attention("The last run failed", runs[0].reason, "See the run", "train", {"run": runs[0].id}))
    if leaks := store.leaking_groups():
        why = "Copies of one photo lie in more than one split, so test figures flatter the model."
        found.append(Attention(f"{leaks} groups leak", why, "See the groups", "data_report"))
    refused = sum(problem.action == "refused" for problem in report.problems) if report else 0
    if refused:
        why = "They are not in the data set; the reasons are listed."
        found.append(Attention(f"{refused} items were refused on import", why, "See the list", "data_report"))
    boxes, first = store.boxes_to_review()
    if boxes:
        why = "A box around a diagonal joint is mostly bare wall. Draw the seam over it."
        found.append(Attention(f"{boxes} labels are boxes only", why, "Fix the first", "fix_masks", {"sample": first}))
    scored = ((run.id, slots) for run in runs if not (slots := store.slots(run.id, "test")).empty)
    for newest, slots in islice(scored, 1):
        low, _ = counted(slots, ScoreFilter(newest, "test", high=LOW_IOU))
        if low:
            why = f"Run {newest}: the label may be wrong, or the model has not learnt it."
            query = {"run": newest, "split": "test", "iou": f"0-{LOW_IOU:g}"}
            found.append(Attention(f"{low} test samples have an IoU below {LOW_IOU}", why, "Browse them", "failures", query))
    if not any(run.best_epoch for run in runs):
        found.append(Attention("Nothing was trained on these labels yet", "A first run takes minutes.", "Train", "train"))
    return found or [Attention("Nothing is waiting", "All labels are reviewed.", "Try a prompt", "prompt_lab")]
