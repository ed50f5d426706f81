"""Predicting with a run's or a named checkpoint: what the command line, the evaluation and the pages share."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from core.errors import RequestError
from core.masks import write_mask_png
from core.model import PromptSegmenter
from core.model_names import COMPACT
from core.predictor import Prediction, Predictor
from core.prompts import slug
from data.store import Store
from data.workspace import Workspace
from training.runs import run_folder


@lru_cache(maxsize=3)
def _predictor(source: str, written: float) -> Predictor:
    return Predictor(PromptSegmenter.load(source))


def load_predictor(
    workspace: Workspace, store: Store, run_id: str | None = None, checkpoint: str = COMPACT
) -> Predictor:
    """The run's best checkpoint, or a named one. The last three stay in memory; a rewritten one is read again.

    Raises RequestError for a run that has no checkpoint yet, CheckpointError for a name that cannot be loaded.
    """
    if run_id is None:
        return _predictor(checkpoint, 0.0)
    run = store.run(run_id)
    config = run_folder(workspace, run_id).best_checkpoint / "config.json"
    if not config.is_file():
        raise RequestError(f"run {run_id} ({run.status}) has no checkpoint; choose one that finished an epoch")
    return _predictor(str(config.parent), config.stat().st_mtime)


def mask_name(image_name: str, prompt: str) -> str:
    """`photo.jpg`, `segment wall crack` -> `photo__segment_wall_crack.png`."""
    return f"{Path(image_name).stem}__{slug(prompt)}.png"


def write_masks(image_name: str, predictions: Sequence[Prediction], threshold: float, folder: Path) -> list[Path]:
    """One PNG a prompt: one channel, {0, 255}, the photo's size."""
    paths = [folder / mask_name(image_name, prediction.prompt) for prediction in predictions]
    for path, prediction in zip(paths, predictions, strict=True):
        write_mask_png(prediction.mask(threshold), path)
    return paths
