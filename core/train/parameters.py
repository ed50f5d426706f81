"""What trains, and at which rate: the decoder and the branch at `lr`, what came trained at a share of it."""

from typing import Any

from core.models.clipseg import PromptSegmenter
from core.settings import TrainSettings


def parameter_groups(segmenter: PromptSegmenter, config: TrainSettings) -> list[dict[str, Any]]:
    """Groups as torch optimizers take them: the head first, then the CLIP towers, as far as they are not frozen, with the
    encoder of the branch that knows photos already."""
    encoder = getattr(segmenter.branch, "encoder", None)
    came_trained = [*segmenter.clipseg.clip.parameters(), *(encoder.parameters() if encoder is not None else ())]
    slow = [parameter for parameter in came_trained if parameter.requires_grad]
    slow_ids = {id(parameter) for parameter in slow}
    head = [p for p in segmenter.parameters() if p.requires_grad and id(p) not in slow_ids]
    groups = [{"params": head, "lr": config.lr}, {"params": slow, "lr": config.lr * config.backbone_lr_factor}]
    return [group for group in groups if group["params"]]
