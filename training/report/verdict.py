"""The verdict: what the numbers mean, in sentences made from them."""

import pandas as pd

from training.report.facts import Facts
from training.scoring.causes import FAILED_BELOW_IOU
from training.scoring.intervals import mean_interval

_GRADES = (
    (0.7, "The masks can be used with spot checks."),
    (0.5, "The masks are good drafts: a person should look at each and correct it before it is used."),
    (0.3, "The masks show where to look, not what to measure: sort photos by them, take no lengths or areas from them."),
    (0.0, "The masks are not ready for use: on average they overlap less than a third with the labels."),
)
_FEW_SAMPLES = 30
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}


def verdict(facts: Facts) -> list[str]:
    """Paragraphs, the most important first."""
    return [" ".join(part) for part in (_overall(facts), _failures(facts), _reservations(facts)) if part]


def interval(scores: pd.DataFrame) -> tuple[float, float] | None:
    """95% interval of the mean IoU (`training.scoring.intervals`); None where all samples are of one source photo."""
    found = mean_interval(scores["iou"].to_numpy(float), scores["source"].to_numpy())
    return None if found.low is None or found.high is None else (found.low, found.high)


def _overall(facts: Facts) -> list[str]:
    overall, classes = facts.summary["overall"], facts.summary["classes"]
    text = [
        f"On {count(overall['samples'], f'{SPLIT_NAMES[facts.split]} sample')} the run reaches a mean IoU of {overall['miou']:.4f} "
        f"and a mean Dice of {overall['dice']:.4f}.",
        next(sentence for least, sentence in _GRADES if overall["miou"] >= least),
    ]
    if len(classes) > 1:
        ranked = sorted(classes, key=lambda name: classes[name]["miou"])
        weak, strong = classes[ranked[0]], classes[ranked[-1]]
        text.append(
            f"The weaker class is {ranked[0]} (mIoU {weak['miou']:.4f}), the stronger {ranked[-1]} ({strong['miou']:.4f})."
        )
    tolerant = overall.get("tolerant_f1_2px")
    if tolerant is not None and tolerant - overall["miou"] > 0.2:
        text.append(f"Allowing two pixels, F1 is {tolerant:.4f}: structures are found far more often than their exact outline.")
    return text


def _failures(facts: Facts) -> list[str]:
    total, failed = len(facts.scores), len(facts.causes)
    if not failed:
        return [f"No sample has an IoU below {FAILED_BELOW_IOU:g}."]
    names = pd.Series([cause.name for cause in facts.causes.values()]).value_counts()
    first = min(names[names == names.max()].index)
    return [
        f"{failed} of {total} samples ({failed / total:.0%}) have an IoU below {FAILED_BELOW_IOU:g}.",
        f"The most frequent cause is “{first.lower()}” ({names[first]} of {failed}); "
        "section 7 shows an example of each cause and its remedy.",
    ]


def _reservations(facts: Facts) -> list[str]:
    text = []
    if len(facts.scores) < _FEW_SAMPLES and (bounds := interval(facts.scores)):
        text.append(
            f"With only {count(len(facts.scores), 'sample')} the mean is uncertain: its 95% interval runs from "
            f"{bounds[0]:.2f} to {bounds[1]:.2f}."
        )
    boxes = int(facts.scores["is_box"].sum())
    if boxes:
        text.append(
            f"Of the labels, {boxes} {'is a box' if boxes == 1 else 'are boxes'} only: IoU understates a right mask there."
        )
    leaks = facts.provenance.get("data", {}).get("leaks")
    if leaks:
        text.append(f"{count(leaks, 'group')} of copies crossed splits when the run began, so the figures flatter it.")
    if facts.split != "test":
        seen = "chose the kept epoch" if facts.split == "val" else "trained the model"
        text.append(f"The {SPLIT_NAMES[facts.split]} split {seen}; figures on unseen photos are usually lower.")
    if facts.epochs and facts.run.best_epoch == facts.epochs[-1]["epoch"]:
        text.append("The kept epoch is the last one, so longer training may still help.")
    return text


def count(number: int, noun: str, plural: str = "") -> str:
    """`no labels`, `1 label`, `2,000 labels`."""
    many = plural or f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}" if number else f"no {many}"
