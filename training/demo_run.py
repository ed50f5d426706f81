"""A first run for the demo workspace: the shipped checkpoint as it is, scored, so that every page has something to show."""

from datetime import UTC, datetime

from data.preparation import Progress
from data.store import Store
from data.workspace import Workspace
from training.config import load_config
from training.evaluation import evaluate
from training.execution import make_segmenter
from training.model_card import model_card
from training.provenance import record_provenance
from training.runs import create_run, run_folder


def ensure_demo_run(workspace: Workspace, store: Store, on_progress: Progress) -> None:
    """Score the shipped checkpoint on the test split as a run of its own, unless the workspace has runs."""
    if store.runs():
        return
    config = load_config("quick", ["name=shipped checkpoint"])
    run = create_run(workspace, store, config)
    folder = run_folder(workspace, run.id)
    record_provenance(store, folder.environment)
    folder.put_best(lambda place: make_segmenter(config).save_pretrained(place, model_card(config, run, 0, 0)))
    now = datetime.now(UTC)
    store.update_run(run.id, status="finished", started_at=now, finished_at=now, seconds=0.0)
    evaluate(workspace, store, run.id, "test", on_progress)
