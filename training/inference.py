"""Predicting with a run's or a named checkpoint: what the command line, the evaluation and the pages share."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from core.errors import RequestError
from core.masks import write_mask_png
from core.model import PromptSegmenter
from core.model_names import COMPACT, GROUNDED_SAM, SAM3
from core.predictor import Prediction, Predictor, TextToMask
from core.prompts import slug
from data.store import Store
from data.workspace import Workspace
from training.runs import run_folder


@lru_cache(maxsize=3)
def _predictor(source: str, written: float) -> TextToMask:
    if source.startswith(GROUNDED_SAM):
        from core.grounded_sam import GroundedSam  # half a second of imports that CLIPSeg does without

        dino, plus, sam = source.removeprefix(GROUNDED_SAM).rpartition("+")
        if not (dino and plus and sam):
            raise RequestError(f"checkpoint {source} needs the form {GROUNDED_SAM}DINO+SAM, each a folder or a hub id")
        return GroundedSam.load(dino, sam)
    if source.startswith(SAM3):
        from core.sam3 import Sam3

        return Sam3.load(source.removeprefix(SAM3))
    return Predictor(PromptSegmenter.load(source))


def load_predictor(
    workspace: Workspace, store: Store, run_id: str | None = None, checkpoint: str = COMPACT
) -> TextToMask:
    """The run's best checkpoint, or a named one: compact, a CLIPSeg folder or hub id, grounded-sam:DINO+SAM, sam3:ID.

    A run made by `training.scoring` has no checkpoint of its own and predicts with the one it names.
    The last three stay in memory; a rewritten one is read again.

    Raises RequestError for a run that has no checkpoint yet, CheckpointError for a name that cannot be loaded.
    """
    if run_id is None:
        return _predictor(checkpoint, 0.0)
    run = store.run(run_id)
    config = run_folder(workspace, run_id).best_checkpoint / "config.json"
    if not config.is_file() and run.status == "finished" and run.best_epoch is None:
        return _predictor(run.checkpoint, 0.0)  # scored as it is, never trained
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
