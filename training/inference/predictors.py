"""Predicting with a run's or a named checkpoint: what the command line, the evaluation and the pages share."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from core.errors import RequestError
from core.masks.mask import write_mask_png
from core.models.clipseg import PromptSegmenter
from core.models.names import COMPACT, GROUNDED_SAM, SAM3
from core.models.number_formats import in_format
from core.models.predictor import DEFAULT_THRESHOLD, WHOLE_PHOTO, Prediction, Predictor, TextToMask
from core.prompts import class_of_prompt, slug
from core.settings import InferenceSettings
from data.store.store import Store
from data.workspace import Workspace
from training.config import make_config
from training.runs.runs import run_folder

_LONGEST_NAME_BYTES = 230
"""File systems take 255; a file that is being written is called a little longer."""


@lru_cache(maxsize=3)
def _segmenter(source: str, written: float) -> PromptSegmenter:
    return PromptSegmenter.load(source)


@lru_cache(maxsize=3)
def _predictor(source: str, written: float, inference: InferenceSettings) -> TextToMask:
    if source.startswith(GROUNDED_SAM):
        from core.models.grounded_sam import GroundedSam  # half a second of imports that CLIPSeg does without

        dino, plus, sam = source.removeprefix(GROUNDED_SAM).rpartition("+")
        if not (dino and plus and sam):
            raise RequestError(f"checkpoint {source} needs the form {GROUNDED_SAM}DINO+SAM, each a folder or a hub id")
        return GroundedSam.load(dino, sam)
    if source.startswith(SAM3):
        from core.models.sam3 import Sam3

        return Sam3.load(source.removeprefix(SAM3))
    return Predictor(_segmenter(source, written), inference)


def named_predictor(checkpoint: str = COMPACT, inference: Mapping[str, Any] | None = None) -> TextToMask:
    """A checkpoint by name: compact, a CLIPSeg folder or hub id, grounded-sam:DINO+SAM, sam3:ID. Raises as `load_predictor`."""
    return _predictor(checkpoint, 0.0, _changed(WHOLE_PHOTO, inference))


def load_predictor(
    workspace: Workspace,
    store: Store,
    run_id: str | None = None,
    checkpoint: str = COMPACT,
    inference: Mapping[str, Any] | None = None,
) -> TextToMask:
    """The run's best checkpoint, or a named one as `named_predictor` takes it.

    A run made by `training.scoring.checkpoint` has no checkpoint of its own and predicts with the one it names. The last three stay in
    memory; a rewritten one is read again. inference: settings that replace the run's own. Raises RequestError for a run that
    has no checkpoint yet, CheckpointError for a name that cannot be loaded, ConfigError for a setting out of range.
    """
    if run_id is None:
        return named_predictor(checkpoint, inference)
    run, settings = store.run(run_id), _changed(inference_settings(store, run_id), inference)
    config = run_folder(workspace, run_id).best_checkpoint / "config.json"
    if not config.is_file() and run.status == "finished" and run.best_epoch is None:
        return _predictor(run.checkpoint, 0.0, settings)  # scored as it is, never trained
    if not config.is_file():
        raise RequestError(f"run {run_id} ({run.status}) has no checkpoint; choose one that finished an epoch")
    return _predictor(str(config.parent), config.stat().st_mtime, settings)


_smaller = lru_cache(maxsize=2)(in_format)


def in_number_format(predictor: TextToMask, name: str) -> TextToMask:
    """The same predictor in a number format that was decided on; in fp32 where this machine or checkpoint cannot have it."""
    if not isinstance(predictor, Predictor):
        return predictor
    return Predictor(_smaller(predictor.segmenter, name), predictor.inference)


def _changed(settings: InferenceSettings, inference: Mapping[str, Any] | None) -> InferenceSettings:
    return make_config({"inference": settings.model_dump() | {**(inference or {})}}, "the request").inference


def inference_settings(store: Store, run_id: str | None) -> InferenceSettings:
    """How a run looks at photos; without a run, one look at the whole photo."""
    return WHOLE_PHOTO if run_id is None else make_config(store.run(run_id).config, f"run {run_id}").inference


def thresholds_by_class(workspace: Workspace, store: Store, run_id: str) -> dict[str, float]:
    """The probability from which a run's pixels count: chosen on validation (`training.scoring.thresholds`), else train.threshold."""
    config = make_config(store.run(run_id).config, f"run {run_id}")
    path = run_folder(workspace, run_id).thresholds
    chosen = json.loads(path.read_text("utf-8")) if config.train.threshold_per_class and path.is_file() else {}
    return {name: chosen.get(name, config.train.threshold) for name in config.synonyms}


def threshold_of(workspace: Workspace, store: Store, run_id: str | None, prompt: str) -> float:
    """The threshold for a prompt of a run, by the class it is a synonym of; 0.5 without a run.

    A sentence that belongs to no class is taken at the run's train.threshold.
    """
    if run_id is None:
        return DEFAULT_THRESHOLD
    config = make_config(store.run(run_id).config, f"run {run_id}")
    name = class_of_prompt(prompt, config.synonyms)
    return thresholds_by_class(workspace, store, run_id)[name] if name else config.train.threshold


def mask_name(image_name: str, prompt: str) -> str:
    """`photo.jpg`, `segment wall crack` -> `photo__segment_wall_crack.png`."""
    return f"{Path(image_name).stem}__{slug(prompt)}.png"


def mask_names(image_names: Sequence[str], prompts: Sequence[str]) -> dict[tuple[str, str], str]:
    """`mask_name` of each photo and prompt. A name that an earlier one has, or that file systems which know neither case nor
    Unicode's two spellings would take for it, gets 8 characters of a hash; so does one too long for a file."""
    names: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for image_name, prompt in product(image_names, prompts):
        name = mask_name(image_name, prompt)
        if _on_disk(name) in taken or len(name.encode()) > _LONGEST_NAME_BYTES:
            digest = hashlib.sha256(f"{image_name}\0{prompt}".encode()).hexdigest()[:8]
            start = name.removesuffix(".png").encode()[: _LONGEST_NAME_BYTES - len(f"_{digest}.png")]
            name = f"{start.decode(errors='ignore')}_{digest}.png"
        taken.add(_on_disk(name))
        names[image_name, prompt] = name
    return names


def _on_disk(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def write_masks(predictions: Sequence[Prediction], thresholds: Sequence[float], paths: Sequence[Path]) -> list[Path]:
    """One PNG a prediction: one channel, {0, 255}, the photo's size, its number format as text. Returns the paths."""
    for path, prediction, threshold in zip(paths, predictions, thresholds, strict=True):
        write_mask_png(prediction.mask(threshold), path, prediction.number_format)
    return list(paths)
