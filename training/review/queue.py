"""The review queue in words: which samples to look at next, ordered by what a minute of review is worth, and why.

Every reason has a severity (`data.store.queue`); a sample's worth is their sum. A share of the places, at even distances, goes to
samples drawn by lot: they say what the other places cannot, how good the labels are that nothing points at. Honeypots stand
among those.
"""

from dataclasses import dataclass

from core.errors import LeaseError
from data.store.queue import KINDS, QueueFilter, QueuePlace, Standing
from data.store.records import LabelDoubt
from data.store.store import Store
from training.review.reviewers import answered_honeypots

AUDIT_SHARE = 0.1
AUDIT = KINDS["audit"]


@dataclass(frozen=True)
class QueueEntry:
    """reasons: the gravest first. worth: the sum of their severities. place: the one after it."""

    sample_id: int
    reasons: tuple[str, ...]
    worth: float
    place: QueuePlace

    @property
    def reason(self) -> str:
        return "; ".join(self.reasons)


def review_queue(
    store: Store,
    *,
    reviewer: str = "",
    class_name: str | None = None,
    kind: str | None = None,
    audit_share: float = AUDIT_SHARE,
    count: int | None = None,
    after: QueuePlace | None = None,
) -> list[QueueEntry]:
    """Samples nobody decided on, the most worth first; skipped ones last. What other reviewers have taken is left out.

    kind: the gravest reason, one of `data.store.queue.KINDS`. count: at most so many. after: from this place on. Predictions
    are those of each sample's newest run.
    """
    wanted = QueueFilter(class_name, kind, audit_share, _left_out(store, reviewer))
    found = store.waiting(wanted, count, after)
    standings = store.standings([sample_id for sample_id, _ in found])
    return [
        QueueEntry(sample_id, reasons_of(standings[sample_id], audit_share), standings[sample_id].worth, place)
        for sample_id, place in found
        if sample_id in standings
    ]


def take_next(
    store: Store,
    reviewer: str,
    *,
    class_name: str | None = None,
    kind: str | None = None,
    audit_share: float = AUDIT_SHARE,
    after: QueuePlace | None = None,
    but: int | None = None,
) -> QueueEntry | None:
    """Take the first sample of the queue after a place that nobody else has, from the top again at the end; None when there is none.

    but: the sample that one comes from, which is not offered again. Two reviewers who ask at the same moment get two samples.
    Raises RequestError without a name.
    """
    asked = {"reviewer": reviewer, "class_name": class_name, "kind": kind, "audit_share": audit_share}
    for start in dict.fromkeys((after, None)):
        place = start
        while entries := review_queue(store, **asked, count=4, after=place):  # type: ignore[arg-type]
            for entry in entries:
                if entry.sample_id == but:
                    continue
                try:
                    store.take(entry.sample_id, reviewer)
                except LeaseError:
                    continue
                return entry
            place = entries[-1].place
    return None


def reasons_of(standing: Standing, audit_share: float = AUDIT_SHARE) -> tuple[str, ...]:
    """In words, the gravest first. A honeypot looks like any sample drawn by lot."""
    if standing.honeypot:
        return (AUDIT,)
    reasons = [_sentence(standing, kind) for _, kind in standing.severities]
    if standing.review_state == "skipped":
        return (*reasons, "skipped before")
    if standing.waits and standing.lot < audit_share:
        return (AUDIT, *reasons)
    return tuple(reasons) or (KINDS["new"] if standing.waits else standing.review_state,)


def _sentence(standing: Standing, kind: str) -> str:
    doubt = standing.doubt
    if kind == "sent":
        return f"sent by {standing.sender}"
    if kind == "low IoU":
        near = "" if standing.tolerant_f1 is None else f" · tolerant F1 {standing.tolerant_f1:.3f}"
        return f"IoU {standing.iou:.3f}{near} with the prediction"
    if kind == "doubt" and doubt is not None:
        return _doubts(doubt)
    if kind == "runs" and doubt is not None:
        return f"two runs differ by {doubt.runs_differ:.0%}"
    if kind == "prompts" and doubt is not None:
        return f"synonyms differ by {doubt.prompts_differ:.0%}"
    return KINDS[kind]


def _doubts(measured: LabelDoubt) -> str:
    if measured.missed >= measured.unsupported:
        return f"the model is sure of more: {measured.missed:.0%} of what it sees is not labelled"
    return f"the model does not see {measured.unsupported:.0%} of the label"


def _left_out(store: Store, reviewer: str) -> frozenset[int]:
    """What is with others, and the honeypots that this reviewer has answered."""
    held = {lease.sample_id for lease in store.leases().values() if lease.reviewer != reviewer.strip()}
    return frozenset(held | (answered_honeypots(store, reviewer) if store.honeypots() else set()))
