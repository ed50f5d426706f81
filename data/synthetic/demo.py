"""The demo workspace: generated photos, exported as Roboflow would and imported like any other."""

import tempfile
from pathlib import Path

from core.progress import Progress
from data.intake.preparation import prepare
from data.synthetic.export import write_roboflow_export
from data.workspace import Workspace

DEMO_SEED = 7_000


def ensure_demo(workspace: Workspace, on_progress: Progress, size_hw: tuple[int, int] = (480, 640)) -> None:
    """Fill an empty workspace with demo photos of that size; one that holds samples is left alone."""
    if workspace.store.samples():
        return
    on_progress("paint demo walls", 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        write_roboflow_export(Path(folder), DEMO_SEED, cracks=(36, 8), taping=(28, 6), size_hw=size_hw)
        prepare(Path(folder), workspace, on_progress=on_progress)
