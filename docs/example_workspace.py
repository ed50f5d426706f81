"""The whole loop once on the real exports, with a review by two made-up people: `python -m docs.example_workspace EXPORTS FOLDER`.

What the pictures in `docs/images` show (`make screenshots WORKSPACE=FOLDER`). EXPORTS: `../shared/exports`, photos CC BY 4.0.
Scores the shipped checkpoint, lets Ann take over the surest seams found in box labels and Bob narrow labels of cracks to what
the model sees of them, trains some minutes on that, and has both look at honeypots.
"""

import sys
from pathlib import Path

from scipy import ndimage

from core.masks.mask import decode_rle
from data.intake.preparation import prepare
from data.store.store import Store
from data.workspace import Workspace
from training.config import load_config
from training.review.proposals import seam_proposals
from training.review.reviewers import plant_honeypots
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.scoring.checkpoint import score
from training.scoring.evaluation import evaluate
from training.scoring.stored_probs import mask_at
from training.terminal import progress

TAKEN_OVER, NARROWED, HONEYPOTS = 120, 60, 0.2
MINUTES = 5
PX_PER_MM = 1.6


def main(raw: Path, folder: Path) -> None:
    workspace = Workspace.open(folder)
    prepare(raw, workspace)
    with progress() as on_progress:
        seen = score(workspace, load_config("quick").changed(name="as shipped"), "test", on_progress)
        review(OpenedRun(workspace, seen.id))
        workspace.store.freeze_labels("seams and cracks fixed")
        config = load_config("recommended").changed(
            name="after the review", label_set="seams and cracks fixed", train={"minutes": MINUTES}
        )
        trained = OpenedRun(workspace, create_run(workspace, config).id)
        execute(trained)
        evaluate(trained, "val", on_progress)
    meet_honeypots(workspace.store)


def review(seen: OpenedRun) -> None:
    workspace, store = seen.workspace, seen.store
    for number, proposal in enumerate(seam_proposals(workspace)[:TAKEN_OVER]):
        sample = proposal.sample
        store.take(sample.id, "Ann")
        store.save_label(
            sample.id,
            proposal.rle,
            based_on=sample.revision,
            author="Ann",
            tool="seam",
            provenance="edited proposal",
            comment="the joint, not its box",
        )
        if number % 2:
            store.add_review(sample.id, "accepted", "Ann")
        else:
            store.release(sample.id, "Ann")
    scores = store.scores(seen.id, "test")
    cracks = scores[scores["class_name"] == "cracks"].sort_values("recall", ascending=False)
    for row in cracks.head(NARROWED).itertuples():
        sample = store.sample(row.sample_id)
        narrow = decode_rle(store.label(sample.id).rle) & mask_at(seen.probs("test", sample.id), row.threshold)
        store.take(sample.id, "Bob")
        store.save_label(
            sample.id, narrow, based_on=sample.revision, author="Bob", tool="brush", comment="the crack, not its surroundings"
        )
        store.add_review(sample.id, "accepted", "Bob")
    last = store.sample(int(cracks.iloc[-1]["sample_id"]))
    store.set_scale(last.image_hash, PX_PER_MM, "Bob")
    store.add_review(last.id, "skipped", "Bob", "too blurred to tell")


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
