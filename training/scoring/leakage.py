"""The honest number beside the leaky one: one recipe tested on photos whose copies it was trained on, and on photos it never saw.

The published figures come from a random split of data in which most photos are augmented copies of another; a model that
remembers a photo is right on its copy.
"""

import json
from dataclasses import dataclass
from typing import Any

from data.store.records import Run
from training.runs.opened import OpenedRun
from training.scoring.scores import means


@dataclass(frozen=True)
class Tested:
    """A run on its test samples. copied: those of which a photo of the same source was trained on. means: of `scores.means`,
    by class, and over all under "all"."""

    run_id: str
    samples: int
    copied: int
    means: dict[str, dict[str, Any]]

    @property
    def miou(self) -> float:
        return float(self.means["all"]["miou"])


def on_test(run: OpenedRun) -> Tested | None:
    """None for a run that was not scored on the test split."""
    table = run.store.scores(run.id, "test")
    if table.empty:
        return None
    copied = int(table["sample_id"].isin(_copied(run)).sum())
    by_class = {str(name): means(of_class) for name, of_class in table.groupby("class_name")}
    return Tested(run.id, len(table), copied, {**by_class, "all": means(table)})


def without_copies(run: OpenedRun) -> Tested | None:
    """The same run on those of its test samples alone that have no copy among what it was trained on; None where that is none."""
    table = run.store.scores(run.id, "test")
    kept = table[~table["sample_id"].isin(_copied(run))]
    if kept.empty:
        return None
    by_class = {str(name): means(of_class) for name, of_class in kept.groupby("class_name")}
    return Tested(run.id, len(kept), 0, {**by_class, "all": means(kept)})


def _copied(run: OpenedRun) -> set[int]:
    """The test samples with a copy among the photos trained on, as it was when the run was scored; for runs from before that was
    noted, as it is now."""
    if run.folder.copied.is_file():
        return set(json.loads(run.folder.copied.read_text("utf-8")))
    trained = {sample.group for sample in run.samples("train") if sample.group}
    return {sample.id for sample in run.store.samples() if sample.group in trained}


def own_sentence(whole: Tested, kept: Tested | None) -> str:
    """The run's number on all of its test samples, and on those without a copy in train."""
    if not whole.copied:
        return f"None of the {whole.samples} test samples has a copy among the photos the run was trained on."
    start = f"{whole.copied} of the {whole.samples} test samples have a copy among the photos the run was trained on"
    rest = f"{kept.miou:.3f} on the {kept.samples} without one" if kept else "none is without one"
    return f"{start}: mIoU {whole.miou:.3f} on all, {rest}."


def leaky_and_honest(run: OpenedRun) -> tuple[Tested, Tested] | None:
    """The run and the newest finished one of the same recipe and budget whose samples were divided the other way, the one with
    copies first; None where there is no such pair."""
    own = _recipe(run.record)
    for record in run.store.runs():
        if record.id == run.id or record.status != "finished" or _recipe(record) != own:
            continue
        other = OpenedRun(run.workspace, record.id)
        pair = sorted((found for found in (on_test(run), on_test(other)) if found), key=lambda found: -found.copied)
        if len(pair) == 2 and pair[0].copied and not pair[1].copied:
            return pair[0], pair[1]
    return None


def sentence(pair: tuple[Tested, Tested]) -> str:
    """`leaky 0.61, honest 0.43`, and what makes the difference."""
    leaky, honest = pair
    return (
        f"leaky {leaky.miou:.2f}, honest {honest.miou:.2f}: mIoU of one recipe. Of the {leaky.samples} test photos of run "
        f"{leaky.run_id}, {leaky.copied} have a copy among the photos it was trained on; of the {honest.samples} of run "
        f"{honest.run_id}, none has."
    )


def _recipe(record: Run) -> dict[str, Any]:
    """What two runs must share to be one recipe: all but their names, their label sets and how they divide. As the store has it,
    so that a run of another version, whose configuration this one cannot read, is no partner and no error."""
    config = {key: value for key, value in record.config.items() if key not in ("name", "label_set")}
    return config | {"split": {**config.get("split", {}), "by_group": None}}
