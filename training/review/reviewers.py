"""How reviewers do: against known truth, against each other, and how fast.

Hand-made labels of one joint differ between careful people, so agreement is the scale on which a model's IoU is to be read.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from core.errors import RequestError
from core.masks.mask import Mask, decode_rle
from core.metrics.overlap import count_pixels, iou
from data.store.records import Honeypot, LabelRevision
from data.store.store import Store


def honeypot_scores(store: Store) -> pd.DataFrame:
    """One row a reviewer and honeypot she answered: reviewer, sample_id, file_name, class_name, revision, iou, bait_iou,
    created_at. bait_iou is what leaving the bait as it was would score."""
    rows, columns = ([], ["reviewer", "sample_id", "file_name", "class_name", "revision", "iou", "bait_iou", "created_at"])
    for sample_id, honeypot in store.honeypots().items():
        sample, truth = store.sample(sample_id), decode_rle(store.label(sample_id, honeypot.truth_revision).rle)
        bait = _overlap(decode_rle(honeypot.bait), truth)
        for reviewer, answer in _answers(store, honeypot).items():
            score = _overlap(decode_rle(answer.rle), truth)
            rows.append((reviewer, sample_id, sample.file_name, sample.class_name, answer.number, score, bait, answer.created_at))
    return pd.DataFrame(rows, columns=columns)


def answered_honeypots(store: Store, reviewer: str) -> set[int]:
    """The honeypots this reviewer saved a mask on or decided on since they were planted."""
    return {number for number, honeypot in store.honeypots().items() if reviewer.strip() in _answers(store, honeypot)}


def agreement(store: Store) -> pd.DataFrame:
    """One row a sample and pair of people who both drew on it: sample_id, file_name, class_name, reviewer, revision, other,
    other_revision, iou, blind. blind: a honeypot, where the second began at the bait; otherwise she saw the mask of the
    first."""
    columns = ["sample_id", "file_name", "class_name", "reviewer", "revision", "other", "other_revision", "iou", "blind"]
    rows: list[tuple] = []
    honeypots = store.honeypots()
    for sample in store.samples():
        if sample.revision < 3:
            continue
        honeypot = honeypots.get(sample.id)  # what was drawn before it was planted is its truth, no answer
        newest = _newest_by_author(store.revisions(sample.id), honeypot.truth_revision if honeypot else 0)
        for (one, mask), (other, other_mask) in combinations(sorted(newest.items()), 2):
            score = _overlap(decode_rle(mask.rle), decode_rle(other_mask.rle))
            row = (sample.id, sample.file_name, sample.class_name, one, mask.number, other, other_mask.number, score)
            rows.append((*row, honeypot is not None))
    return pd.DataFrame(rows, columns=columns)


def throughput(store: Store) -> pd.DataFrame:
    """One row a reviewer: reviewer, decisions, each state's number, samples, median_seconds from taking to deciding (None if
    nothing was taken) and per_hour, what that comes to (None below a second: nobody looked)."""
    log = pd.DataFrame(vars(review) for review in store.history()[1])
    if log.empty:
        return pd.DataFrame(columns=["reviewer", "decisions", "samples", "median_seconds", "per_hour"])
    table = log.pivot_table(index="reviewer", columns="state", values="sample_id", aggfunc="count", fill_value=0)
    by_reviewer = log.groupby("reviewer")
    table.insert(0, "decisions", by_reviewer.size())
    table["samples"] = by_reviewer["sample_id"].nunique()
    table["median_seconds"] = by_reviewer["seconds"].median()
    table["per_hour"] = 3600 / table["median_seconds"].where(table["median_seconds"] >= 1)
    return table.reset_index().rename_axis(columns=None).sort_values("decisions", ascending=False)


def plant_honeypots(store: Store, share: float, author: str, seed: int = 0) -> list[int]:
    """Make a share of the accepted, human-made labels honeypots; returns the sample ids.

    The bait is the newest older label that differs from the truth by a fifth or more; where there is none, half of the truth
    is missing. share in (0, 1]. Raises RequestError when nothing fits or the author is missing.
    """
    if not 0 < share <= 1:
        raise RequestError(f"the share of honeypots must lie in (0, 1], got {share}")
    labels, known = store.labels(), store.honeypots()
    fit = [
        sample.id
        for sample in store.samples()
        if sample.review_state == "accepted"
        and sample.id not in known
        and labels[sample.id].human_made
        and labels[sample.id].area_px
    ]
    if not fit:
        raise RequestError("no accepted, human-made label is left to make a honeypot of; accept some labels first")
    chosen = np.random.default_rng(seed).choice(fit, max(1, round(share * len(fit))), replace=False)
    for sample_id in sorted(int(number) for number in chosen):
        truth = decode_rle(labels[sample_id].rle)
        older = (decode_rle(r.rle) for r in store.revisions(sample_id) if r.number < labels[sample_id].number)
        bait = next((mask for mask in older if _overlap(mask, truth) <= 0.8), None)
        store.plant_honeypot(sample_id, _half(truth) if bait is None else bait, author)
    return sorted(int(number) for number in chosen)


def _half(truth: Mask) -> Mask:
    """The truth without the half of its pixels that lies towards the end of its longer side."""
    rows, columns = np.nonzero(truth)
    along = columns if np.ptp(columns) >= np.ptp(rows) else rows
    half, keep = np.zeros_like(truth), along < np.median(along)
    half[rows[keep], columns[keep]] = True
    return half


def _answers(store: Store, honeypot: Honeypot) -> dict[str, LabelRevision]:
    """By reviewer the mask she left: the newest she saved or accepted since the honeypot was planted."""
    newer = store.revisions(honeypot.sample_id)
    revisions = {r.number: r for r in newer if r.number > honeypot.truth_revision}
    numbers = [(r.author, r.number) for r in revisions.values() if r.tool != "import"]
    decided = store.reviews(honeypot.sample_id)
    numbers += [(r.reviewer, r.revision) for r in decided if r.state in ("accepted", "fixed") and r.revision in revisions]
    return {reviewer: revisions[number] for reviewer, number in sorted(numbers, key=lambda pair: pair[1])}


def _newest_by_author(revisions: list[LabelRevision], after: int) -> dict[str, LabelRevision]:
    hand_made = [r for r in revisions if r.provenance in ("drawn", "edited proposal") and r.number > after]
    return {revision.author: revision for revision in reversed(hand_made)}


def _overlap(a: Mask, b: Mask) -> float:
    return iou(count_pixels(a, b))
