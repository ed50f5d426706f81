"""A first run for the demo workspace: the shipped checkpoint as it is, scored, so that every page has something to show."""

from core.progress import Progress
from data.store.store import Store
from data.workspace import Workspace
from training.config import load_config
from training.scoring.checkpoint import score


def ensure_demo_run(workspace: Workspace, store: Store, on_progress: Progress) -> None:
    """Score the shipped checkpoint on the test split as a run of its own, unless the workspace has runs."""
    if not store.runs():
        score(workspace, store, load_config("quick").changed(name="shipped checkpoint"), "test", on_progress)
