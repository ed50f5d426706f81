"""The review queue: which samples to look at next, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.store import Store
from training.scores import headline


@dataclass(frozen=True)
class QueueEntry:
    sample_id: int
    reason: str


def review_queue(store: Store, run_id: str | None = None) -> list[QueueEntry]:
    """Samples nobody decided on yet: box-only labels and low IoU first. run_id: take that run's scores, else the newest's."""
    scores = store.scores(run_id)
    if run_id is None and not scores.empty:
        newest = next(run.id for run in store.runs() if run.id in set(scores["run_id"]))
        scores = scores[scores["run_id"] == newest]
    scored = {score.sample_id: score for score in scores.itertuples()}
    ranked = []
    for sample in store.samples():
        if sample.review_state not in ("to review", "skipped"):
            continue
        score = scored.get(sample.id)
        if score is not None and score.iou < 0.5:
            ranked.append((score.iou, QueueEntry(sample.id, f"{headline(score)} with the prediction")))
        elif sample.box_only and sample.revision == 1:
            ranked.append((1.0, QueueEntry(sample.id, "the label is boxes only")))
        else:
            ranked.append((2.0 + (sample.review_state == "skipped"), QueueEntry(sample.id, sample.review_state)))
    return [entry for _, entry in sorted(ranked, key=lambda pair: (pair[0], pair[1].sample_id))]


def next_in_queue(queue: Sequence[QueueEntry], sample_id: int) -> int | None:
    """The sample after this one, from the top again at the end; None when nothing else waits."""
    ids = [entry.sample_id for entry in queue]
    others = [number for number in ids if number != sample_id]
    if not others:
        return None
    if sample_id not in ids:
        return others[0]
    return ids[(ids.index(sample_id) + 1) % len(ids)]
