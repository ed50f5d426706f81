"""Predicting with a run's or a named checkpoint: what the command line, the evaluation and the pages share."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from core.errors import RequestError
from core.models.clipseg import PromptSegmenter
from core.models.names import COMPACT, GROUNDED_SAM, REMOTE, SAM3
from core.models.number_formats import in_format
from core.models.predictor import WHOLE_PHOTO, Predictor, TextToMask
from core.settings import InferenceSettings
from training.config import make_config


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
    if source.startswith(REMOTE):
        from core.models.remote import RemoteModel

        return RemoteModel.load(source)
    return Predictor(_segmenter(source, written), inference)


def named_predictor(checkpoint: str = COMPACT, inference: Mapping[str, Any] | None = None) -> TextToMask:
    """A checkpoint by name: compact, a CLIPSeg folder or hub id, grounded-sam:DINO+SAM, sam3:ID, a model server's address; it
    looks at the whole photo unless `inference` says otherwise. Raises CheckpointError for one that cannot be loaded, ConfigError
    for a setting."""
    return predictor_of(checkpoint, WHOLE_PHOTO, inference)


def predictor_of(
    checkpoint: str, settings: InferenceSettings, inference: Mapping[str, Any] | None = None, *, written: float = 0.0
) -> TextToMask:
    """As `named_predictor`, with settings of a run's own. The last three stay in memory; one written at another time is read
    again."""
    changed = make_config({"inference": settings.model_dump() | {**(inference or {})}}, "the request").inference
    return _predictor(checkpoint, written, changed)


_smaller = lru_cache(maxsize=2)(in_format)


def in_number_format(predictor: TextToMask, name: str) -> TextToMask:
    """The same predictor in a number format that was decided on; in fp32 where this machine or checkpoint cannot have it."""
    if not isinstance(predictor, Predictor):
        return predictor
    return Predictor(_smaller(predictor.segmenter, name), predictor.inference)
