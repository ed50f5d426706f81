"""The whole loop once on the real photos, with a review by two made-up people: `python -m docs.example_workspace RAW FOLDER`.

What the pictures in `docs/images` show (`make screenshots WORKSPACE=FOLDER`). RAW: `../shared/data`. Trains twice with the
recipe `quick`; a few minutes on 2 cores. Ann takes over the seams found in box labels, Bob draws cracks again as they
are in the pack's pixel truth; both then look at honeypots.
"""

import sys
from pathlib import Path

from scipy import ndimage

from core.masks.mask import decode_rle, read_mask_png
from data.intake.preparation import prepare
from data.store.store import Store
from data.workspace import Workspace
from training.config import load_config
from training.review.proposals import seam_proposals
from training.review.reviewers import plant_honeypots
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.scoring.evaluation import evaluate

REDRAWN, HONEYPOTS = 24, 0.3
PX_PER_MM = 1.6


def main(raw: Path, folder: Path) -> None:
    workspace = Workspace.open(folder)
    store = workspace.store
    prepare(raw, workspace, **load_config("quick").split.model_dump())
    train(workspace, "first look")
    review(workspace, raw / "cracks" / "pixel_truth")
    store.freeze_labels("seams and cracks fixed")
    train(workspace, "after the review", "seams and cracks fixed")
    meet_honeypots(store)


def train(workspace: Workspace, name: str, label_set: str | None = None) -> None:
    config = load_config("quick").changed(name=name, label_set=label_set)
    run = create_run(workspace, config)
    execute(OpenedRun(workspace, run.id), lambda event: print(event, flush=True) if event["event"] == "epoch" else None)
    for split in ("val", "train"):
        evaluate(OpenedRun(workspace, run.id), split)


def review(workspace: Workspace, truths: Path) -> None:
    for number, proposal in enumerate(seam_proposals(workspace)):
        sample = proposal.sample
        workspace.store.take(sample.id, "Ann")
        workspace.store.save_label(
            sample.id,
            proposal.rle,
            based_on=sample.revision,
            author="Ann",
            tool="seam",
            provenance="edited proposal",
            comment="the joint, not its box",
        )
        if number % 2:
            workspace.store.add_review(sample.id, "accepted", "Ann")
        else:
            workspace.store.release(sample.id, "Ann")
    cracks = workspace.store.samples(class_name="cracks")
    for sample in cracks[:REDRAWN]:
        truth = read_mask_png(truths / f"{Path(sample.file_name).stem}.png")
        workspace.store.take(sample.id, "Bob")
        workspace.store.save_label(sample.id, truth, based_on=sample.revision, author="Bob", tool="brush", comment="to the pixel")
        workspace.store.add_review(sample.id, "accepted", "Bob")
    workspace.store.set_scale(cracks[0].image_hash, PX_PER_MM, "Bob")
    workspace.store.add_review(cracks[REDRAWN].id, "skipped", "Bob", "too blurred to tell")


def meet_honeypots(store: Store) -> None:
    """Ann mends what she is shown; Bob paints a little too wide."""
    for sample_id in plant_honeypots(store, HONEYPOTS, "Lead"):
        truth = decode_rle(store.label(sample_id, store.honeypots()[sample_id].truth_revision).rle)
        for name, drawn in (("Ann", truth), ("Bob", ndimage.binary_dilation(truth))):
            store.take(sample_id, name)
            store.save_label(sample_id, drawn, based_on=store.sample(sample_id).revision, author=name, tool="brush")
            store.add_review(sample_id, "accepted", name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
