"""What trains, and at which rate: the decoder and the branch at `lr`, released parts of the CLIP towers at a share of it."""

from typing import Any

from core.models.clipseg import PromptSegmenter
from core.settings import TrainSettings


def parameter_groups(segmenter: PromptSegmenter, config: TrainSettings) -> list[dict[str, Any]]:
    """Groups as torch optimizers take them: the head first, then the towers if something in them is not frozen."""
    towers = [parameter for parameter in segmenter.clipseg.clip.parameters() if parameter.requires_grad]
    inside = {id(parameter) for parameter in towers}
    head = [p for p in segmenter.parameters() if p.requires_grad and id(p) not in inside]
    groups = [{"params": head, "lr": config.lr}, {"params": towers, "lr": config.lr * config.backbone_lr_factor}]
    return [group for group in groups if group["params"]]
