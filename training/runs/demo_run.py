"""A first run for the demo workspace: the shipped checkpoint as it is, scored, so that every page has something to show."""

from core.progress import Progress
from data.workspace import Workspace
from training.config import load_config
from training.scoring.checkpoint import score


def ensure_demo_run(workspace: Workspace, on_progress: Progress) -> None:
    """Score the shipped checkpoint on the test split as a run of its own, unless the workspace has runs."""
    if not workspace.store.runs():
        score(workspace, load_config("quick").changed(name="shipped checkpoint"), "test", on_progress)
