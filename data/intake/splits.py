"""Train, validation and test: stratified by class, seeded, and by group so that no photo's copy crosses over."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.store.records import SPLITS, Sample


def assign_samples(samples: Iterable[Sample], **settings: Any) -> dict[int, str]:
    """`assign_splits` of a workspace's samples, in their groups."""
    return assign_splits([Candidate(s.id, s.class_name, s.group, s.source_split) for s in samples], **settings)


@dataclass(frozen=True)
class Candidate:
    """What the division needs to know of a sample."""

    sample_id: int
    class_name: str
    group: str
    source_split: str


def assign_splits(
    candidates: Sequence[Candidate], *, train: float, val: float, by_group: bool, keep_source: bool, seed: int
) -> dict[int, str]:
    """Split by sample id. The test set takes what train and val leave.

    keep_source: the export's own folders decide. by_group=False: the published random split; per class
    `floor(train * n)`, `floor(val * n)` and the rest. Otherwise whole groups are dealt out, each to the split its classes lack most.
    """
    if not (train > 0 and val > 0 and train + val < 1):
        raise ValueError(f"train and val must be positive and leave a rest for test, got {train} and {val}")
    if keep_source:
        return {candidate.sample_id: candidate.source_split for candidate in candidates}
    random = np.random.default_rng(seed)
    deal = _deal_groups if by_group else _deal_samples
    return deal(sorted(candidates, key=lambda c: c.sample_id), (train, val, 1 - train - val), random)


def _deal_samples(candidates: list[Candidate], shares: tuple[float, float, float], random: np.random.Generator) -> dict[int, str]:
    splits: dict[int, str] = {}
    for class_name in sorted({candidate.class_name for candidate in candidates}):
        ids = [candidate.sample_id for candidate in candidates if candidate.class_name == class_name]
        random.shuffle(ids)
        first = int(shares[0] * len(ids) + 1e-9)
        second = first + int(shares[1] * len(ids) + 1e-9)
        splits |= dict.fromkeys(ids[:first], "train") | dict.fromkeys(ids[first:second], "val")
        splits |= dict.fromkeys(ids[second:], "test")
    return splits


def _deal_groups(candidates: list[Candidate], shares: tuple[float, float, float], random: np.random.Generator) -> dict[int, str]:
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.group].append(candidate)
    totals: dict[str, int] = defaultdict(int)
    for candidate in candidates:
        totals[candidate.class_name] += 1
    order = sorted(groups)
    random.shuffle(order)
    order.sort(key=lambda name: -len(groups[name]))  # stable: large groups first, equal ones in random order
    filled = {split: defaultdict(int) for split in SPLITS}  # type: ignore[var-annotated]
    splits: dict[int, str] = {}
    for name in order:
        classes = [candidate.class_name for candidate in groups[name]]

        def lack(split: str, classes: list[str] = classes) -> float:
            """How far below its share the split is in the group's classes, as a part of that share."""
            share = shares[SPLITS.index(split)]
            return sum(1 - filled[split][c] / (share * totals[c]) for c in classes)

        best = max(SPLITS, key=lack)
        for candidate in groups[name]:
            filled[best][candidate.class_name] += 1
            splits[candidate.sample_id] = best
    return splits
