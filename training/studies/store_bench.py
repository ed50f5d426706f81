"""How long the pages' queries take as a workspace grows: `drywall-qa bench store`, on SQLite, with generated scores."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.progress import Progress, silent
from data.store.generated import RUN, fill_store
from data.store.queue import QueuePlace
from data.store.records import Review
from data.store.scores import Place, ScoreFilter
from data.store.store import Store
from training.review.attention import attention
from training.review.queue import QueueEntry, review_queue, take_next
from training.scoring.causes import CAUSES, FINE
from training.scoring.scores import counted

SIZES = (10_000, 100_000, 1_000_000)
_HALF = Place(0.5, 0)
_TEST = ScoreFilter(RUN, "test")


def queries(store: Store, samples: int) -> dict[str, Callable[[], Any]]:
    """By the name of what a page asks for, one call of it."""
    page, cause = store.page_of_scores, CAUSES[0].key
    return {
        "failures: first page, worst IoU": lambda: page(_TEST),
        "failures: first page, best clDice": lambda: page(_TEST, "cldice", worst_first=False),
        "failures: 48 of a class": lambda: page(ScoreFilter(RUN, "test", "taping"), "dice", count=48),
        "failures: one cause, by tolerant F1": lambda: page(ScoreFilter(RUN, "test", None, cause), "tolerant_f1_2px"),
        "failures: IoU from 0.95, worst boundary IoU": lambda: page(ScoreFilter(RUN, "test", low=0.95), "boundary_iou"),
        "failures: a page in the middle": lambda: page(_TEST, after=_HALF),
        "failures: the page before that": lambda: page(_TEST, after=_HALF, backwards=True),
        "failures: counts, means and bars": lambda: counted(store.slots(RUN), _TEST),
        "failures: one sample": lambda: store.scores(RUN, ids=[samples // 2]),
        "fix masks: the newest prediction": lambda: store.newest_score(samples // 2),
        "fix masks: the sample": lambda: store.sample(samples // 2),
        "metrics, queue: which runs were scored": store.scored_runs,
        "queue: first page": lambda: review_queue(store, count=12),
        "queue: a page in the middle": lambda: review_queue(store, count=12, after=QueuePlace(12, 0.75, 0, 0.05, 0)),
        "queue: one class, one reason": lambda: review_queue(store, count=12, class_name="taping", kind="low IoU"),
        "queue: how many wait": store.waiting_count,
        "queue: the next sample is taken": lambda: _take_one(store),
        "fix masks: a decision": lambda: _decide(store, samples // 3),
        "overview: counts": store.counts,
        "overview: what wants attention": lambda: attention(store),
    }


def _take_one(store: Store) -> QueueEntry | None:
    entry = take_next(store, "bench")
    if entry is not None:
        store.release(entry.sample_id, "bench")
    return entry


def _decide(store: Store, sample_id: int) -> Review:
    store.add_review(sample_id, "accepted", "bench")
    return store.reopen(sample_id, "bench")


def run_store_bench(
    rounds: int, on_progress: Progress = silent, sizes: tuple[int, ...] = SIZES, folder: Path | None = None
) -> dict[str, Any]:
    """The document of `drywall-qa bench store`: by query, the median milliseconds at each size, and how many times as long it takes
    at the largest as at the smallest. folder: where the stores are made, and left; without it nothing stays."""
    causes = (FINE, *(cause.key for cause in CAUSES))
    times: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for samples in sizes:
            store = fill_store((folder or Path(temporary)) / f"{samples}.db", samples, causes, on_progress=on_progress)
            for name, query in queries(store, samples).items():
                query()
                seconds = []
                for _ in range(max(rounds, 3)):
                    began = time.perf_counter()
                    query()
                    seconds.append(time.perf_counter() - began)
                times.setdefault(name, {})[str(samples)] = 1000 * statistics.median(seconds)
            store.close()
    smallest, largest = str(min(sizes)), str(max(sizes))
    rows = {name: {"ms": ms, "growth": ms[largest] / ms[smallest]} for name, ms in times.items()}
    return {"store": rows, "sizes": list(sizes)}
