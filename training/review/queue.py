"""The review queue: which samples to look at next, ordered by what a minute of review is worth, and why.

Every reason has a severity in [0, 1]; a sample's worth is their sum. A share of the places, at even distances, goes to
samples drawn by lot: they say what the other places cannot, how good the labels are that nothing points at. Honeypots
stand among those.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import LeaseError
from data.store.records import LabelDoubt, Lease, Sample
from data.store.reviews import UNDECIDED
from data.store.store import Store
from training.review.reviewers import answered_honeypots
from training.scoring.scores import headline

AUDIT_SHARE = 0.1
LOW_IOU = 0.5
DIFFERS = 0.3  # runs or prompts whose masks differ by more are worth a look
DOUBTED = 0.5
BOX_ONLY = 0.8  # severity of a label that is boxes only: a box round a diagonal joint is mostly bare wall
NO_LABEL = 1.0
AUDIT = "random audit"


@dataclass(frozen=True)
class QueueEntry:
    """reasons: the gravest first. worth: the sum of their severities."""

    sample_id: int
    reasons: tuple[str, ...] = ()
    worth: float = 0.0

    @property
    def reason(self) -> str:
        return "; ".join(self.reasons)


def review_queue(
    store: Store, run_id: str | None = None, *, reviewer: str = "", audit_share: float = AUDIT_SHARE, seed: int = 0
) -> list[QueueEntry]:
    """Samples nobody decided on, the most worth first; skipped ones last. What other reviewers have taken is left out.

    run_id: whose predictions to hold against the labels; without it, of each sample its newest run's. The measurements
    come from `training.review.doubts.measure_doubts`, nothing is computed here.
    """
    leases, honeypots = store.leases(), set(store.honeypots())
    answered = answered_honeypots(store, reviewer) if honeypots else set()
    samples = store.samples()
    severities = _severities(store, run_id, {sample.id: sample.revision for sample in samples})
    ranked, skipped, lots = [], [], []
    draw = random.Random(seed)
    for sample in samples:
        lot = draw.random()  # one a sample, so that a decision elsewhere does not change who is drawn
        held = leases.get(sample.id)
        if held is not None and held.reviewer != reviewer.strip():
            continue
        if sample.id in honeypots:
            if sample.id not in answered:
                lots.append((lot, QueueEntry(sample.id, (AUDIT,))))
            continue
        if sample.review_state not in (*UNDECIDED, "in review"):
            continue
        found = sorted([*_of_label(sample), *severities.get(sample.id, [])], reverse=True)
        worth, reasons = sum(severity for severity, _ in found), tuple(reason for _, reason in found)
        if sample.review_state == "skipped":
            skipped.append(QueueEntry(sample.id, (*reasons, "skipped before"), worth))
        elif lot < audit_share:
            lots.append((lot, QueueEntry(sample.id, (AUDIT, *reasons), worth)))
        else:
            ranked.append(QueueEntry(sample.id, reasons or ("not reviewed yet",), worth))
    ranked.sort(key=lambda entry: (-entry.worth, entry.sample_id))
    skipped.sort(key=lambda entry: (-entry.worth, entry.sample_id))
    return [*_spread([entry for _, entry in sorted(lots, key=lambda pair: pair[0])], ranked), *skipped]


def next_in_queue(queue: Sequence[QueueEntry], sample_id: int) -> int | None:
    """The sample after this one, from the top again at the end; None when nothing else waits."""
    ids = [entry.sample_id for entry in queue]
    others = [number for number in ids if number != sample_id]
    if not others:
        return None
    if sample_id not in ids:
        return others[0]
    return ids[(ids.index(sample_id) + 1) % len(ids)]


def take_next(store: Store, queue: Sequence[QueueEntry], reviewer: str, after: int | None = None) -> Lease | None:
    """Take the first sample of the queue that nobody else has, or the first after `after`; None when there is none.

    Two reviewers who ask at the same moment get two samples. Raises RequestError without a name.
    """
    ids = [entry.sample_id for entry in queue]
    if after in ids:
        place = ids.index(after)
        ids = [*ids[place + 1 :], *ids[:place]]
    for sample_id in ids:
        if sample_id == after:
            continue
        try:
            return store.take(sample_id, reviewer)
        except LeaseError:
            continue
    return None


def _of_label(sample: Sample) -> list[tuple[float, str]]:
    if sample.revision == 0:
        return [(NO_LABEL, "no label yet")]
    return [(BOX_ONLY, "the label is boxes only")] if sample.is_box else []


def _severities(store: Store, run_id: str | None, revisions: Mapping[int, int]) -> dict[int, list[tuple[float, str]]]:
    """What a run's predictions say against the labels, by sample. revisions: the labels' numbers now, by sample."""
    scores = store.scores(run_id)
    order = {run.id: number for number, run in enumerate(store.runs())}  # the newest first
    scores = scores.assign(age=scores["run_id"].map(order)).sort_values("age").drop_duplicates("sample_id")
    doubts = {run: store.doubts(run) for run in scores["run_id"].unique()}
    found: dict[int, list[tuple[float, str]]] = {}
    for score in scores.itertuples():
        sample_id, reasons = int(score.sample_id), []
        if score.iou < LOW_IOU and score.revision == revisions[sample_id]:
            reasons.append((1 - score.iou, f"{headline(score)} with the prediction"))
        measured = doubts[score.run_id].get((sample_id, revisions[sample_id]))
        if measured is not None:
            if measured.noise > DOUBTED and max(measured.missed, measured.unsupported) > DIFFERS:
                reasons.append((measured.noise * max(measured.missed, measured.unsupported), _doubts(measured)))
            for differ, words in ((measured.runs_differ, "two runs"), (measured.prompts_differ, "synonyms")):
                if differ is not None and differ > DIFFERS:
                    reasons.append((0.5 * differ, f"{words} differ by {differ:.0%}"))
        found[sample_id] = reasons
    return found


def _doubts(measured: LabelDoubt) -> str:
    if measured.missed >= measured.unsupported:
        return f"the model is sure of more: {measured.missed:.0%} of what it sees is not labelled"
    return f"the model does not see {measured.unsupported:.0%} of the label"


def _spread(lots: list[QueueEntry], ranked: list[QueueEntry]) -> list[QueueEntry]:
    """Both in their own order, the lots at even distances, the first not before the first gap is full."""
    if not lots:
        return ranked
    gap, queue = max(1, len(ranked) // (len(lots) + 1)), []
    for number, lot in enumerate(lots):
        queue += [*ranked[number * gap : (number + 1) * gap], lot]
    return queue + ranked[len(lots) * gap :]
