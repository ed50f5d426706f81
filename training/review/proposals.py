"""Proposals: masks a machine offers for samples nobody decided on, with the confidence by which they may be accepted at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.masks.mask import Mask, Rle, decode_rle, encode_rle
from core.progress import Progress, silent
from core.seams.seams import seam_mask
from data.store.records import NewLabel, Sample
from data.store.reviews import UNDECIDED
from data.store.store import Store
from data.workspace import Workspace
from training.review.tight_labels import SEAM_CLASS, find_seams, seams_of
from training.runs.opened import OpenedRun
from training.scoring.stored_probs import mask_at


@dataclass(frozen=True)
class Proposal:
    """confidence in [0, 1]; sample as it was when the proposal was made, so that a later change is noticed."""

    sample: Sample
    rle: Rle
    confidence: float

    @property
    def mask(self) -> Mask:
        """(H, W) bool."""
        return decode_rle(self.rle)

    @property
    def as_label(self) -> NewLabel:
        return NewLabel(self.sample.id, self.sample.revision, self.rle)


def model_proposals(run: OpenedRun, class_name: str | None = None) -> list[Proposal]:
    """The run's masks for samples that wait, are with nobody and are no honeypots; the surest first."""
    scores = run.store.scores(run.id).set_index("sample_id")

    def propose(sample: Sample) -> tuple[Rle, float] | None:
        if sample.id not in scores.index:
            return None
        split, threshold = scores.loc[sample.id, ["split", "threshold"]]
        probs = run.probs(split, sample.id)
        return encode_rle(mask_at(probs, float(threshold))), mask_confidence(probs, float(threshold))

    return proposals(run.store, propose, class_name)


def seam_proposals(workspace: Workspace, class_name: str | None = None, on_progress: Progress = silent) -> list[Proposal]:
    """The joints found inside the boxes of box-only labels that wait; a sample is as sure as its least sure seam."""
    find_seams(workspace, [s for s in _waiting(workspace.store, class_name) if _holds_seams(s)], on_progress)

    def propose(sample: Sample) -> tuple[Rle, float] | None:
        if not _holds_seams(sample):
            return None
        seams = [seam for of_box in seams_of(workspace, sample) for seam in of_box]
        return (encode_rle(seam_mask(seams, sample.size_hw)), min(seam.confidence for seam in seams)) if seams else None

    return proposals(workspace.store, propose, class_name)


def proposals(
    store: Store, propose: Callable[[Sample], tuple[Rle, float] | None], class_name: str | None = None
) -> list[Proposal]:
    """What `propose` offers for the samples that wait: (mask, confidence), or None where it has nothing to offer."""
    found = []
    for sample in _waiting(store, class_name):
        offered = propose(sample)
        if offered is not None:
            found.append(Proposal(sample, *offered))
    return sorted(found, key=lambda proposal: (-proposal.confidence, proposal.sample.id))


def _waiting(store: Store, class_name: str | None) -> list[Sample]:
    """Nobody decided on them, has them, or is tested by them."""
    taken, honeypots = store.leases(), store.honeypots()
    return [
        sample
        for sample in store.samples(class_name=class_name)
        if sample.review_state in UNDECIDED and sample.id not in taken and sample.id not in honeypots
    ]


def _holds_seams(sample: Sample) -> bool:
    return sample.is_box and sample.class_name == SEAM_CLASS


def mask_confidence(probs: NDArray[np.uint8], threshold: float) -> float:
    """Mean probability inside the mask; of an empty mask, the probability that its likeliest pixel is wall.

    probs: (H, W) uint8 in 256 equal steps of [0, 1].
    """
    mask = mask_at(probs, threshold)
    level = (probs[mask].mean() if mask.any() else 255 - float(probs.max())) + 0.5
    return float(level) / 256
