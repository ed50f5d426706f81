"""Grounded SAM: boxes that answer to a sentence (Grounding DINO, Liu et al. 2023), masks inside them (SAM, Kirillov et al. 2023).

Beside CLIPSeg for comparison and as a label assistant; nothing here is trained.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoConfig, AutoProcessor, GroundingDinoForObjectDetection, SamModel

from core.errors import CheckpointError
from core.models.predictor import Prediction
from core.photos import Photo
from core.prompts import noun_phrase

BOX_THRESHOLD = 0.25
"""Boxes below this score are dropped; Grounding DINO's own default."""
MOST_BOXES = 50
"""The best so many boxes of a prompt are looked into, which bounds memory on a photo full of finds."""

_MASK_SIDE = 256


class GroundedSam:
    """`predict` as `core.models.predictor.Predictor` has it."""

    number_format = "fp32"

    def __init__(self, dino: Any, dino_processor: Any, sam: Any, sam_processor: Any) -> None:
        self.dino, self.dino_processor = dino.eval(), dino_processor
        self.sam, self.sam_processor = sam.eval(), sam_processor

    @classmethod
    def load(cls, dino: str, sam: str) -> "GroundedSam":
        """Folders or hub ids, fp32. Raises CheckpointError when one is not found or of another kind."""
        parts = []
        for source, kind, model in ((dino, "grounding-dino", GroundingDinoForObjectDetection), (sam, "sam", SamModel)):
            parts += load_pair(source, kind, model, AutoProcessor.from_pretrained)
        return cls(*parts)

    @torch.inference_mode()
    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. A pixel's probability is the largest, over boxes, of mask probability x box score.

        No box found is agreement on nothing: probabilities of 0. SAM sees the photo once for all prompts, and only if
        there is a box.
        """
        boxes_of = [self._boxes(photo, noun_phrase(prompt)) for prompt in prompts]
        embedding = None
        predictions = []
        for prompt, (boxes, scores) in zip(prompts, boxes_of, strict=True):
            probs: NDArray[np.float32] = np.zeros(photo.shape[:2], np.float32)
            if len(boxes):
                inputs = self.sam_processor(images=photo, input_boxes=[boxes.tolist()], return_tensors="pt")
                if embedding is None:
                    embedding = self.sam.get_image_embeddings(inputs["pixel_values"])
                output = self.sam(image_embeddings=embedding, input_boxes=inputs["input_boxes"].float(), multimask_output=False)
                (logits,) = self.sam_processor.image_processor.post_process_masks(
                    output.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=False
                )  # (boxes, 1, H, W)
                probs = union(logits[:, 0].sigmoid(), scores)
            predictions.append(Prediction(" ".join(prompt.split()), probs, cut=False))
        return predictions

    def grid_hw(self, photo_hw: tuple[int, int]) -> tuple[int, int]:
        """SAM's masks have 256 cells along the photo's longer side."""
        scale = min(1.0, _MASK_SIDE / max(photo_hw))
        return max(1, round(photo_hw[0] * scale)), max(1, round(photo_hw[1] * scale))

    def _boxes(self, photo: Photo, phrase: str) -> tuple[Tensor, Tensor]:
        """Boxes (K, 4) as x0, y0, x1, y1 in the photo's pixels, clipped to it, and scores (K,), best first."""
        height, width = photo.shape[:2]
        inputs = self.dino_processor(images=photo, text=f"{phrase.lower()}.", return_tensors="pt")
        found = self.dino_processor.post_process_grounded_object_detection(
            self.dino(**inputs), inputs["input_ids"], threshold=BOX_THRESHOLD, target_sizes=[(height, width)]
        )[0]
        best = found["scores"].argsort(descending=True)[:MOST_BOXES]
        limits = torch.tensor([width, height, width, height])
        return found["boxes"][best].clamp(min=0).minimum(limits), found["scores"][best]


def union(mask_probs: Tensor, scores: Tensor) -> NDArray[np.float32]:
    """mask_probs: (K, H, W) in [0, 1], K > 0; scores: (K,). Returns (H, W): the largest of mask probability x score."""
    return (mask_probs * scores[:, None, None]).amax(dim=0).float().numpy()


def load_pair(source: str, kind: str, model: Any, load_processor: Any) -> list[Any]:
    """[model, processor] of a folder or hub id. Raises CheckpointError when it is not there or not of the kind."""
    try:
        found = AutoConfig.from_pretrained(source).model_type
        if found != kind:
            raise CheckpointError(f"{source} is a {found} checkpoint, not {kind}; choose a {kind} one")
        return [model.from_pretrained(source, use_safetensors=True, dtype=torch.float32), load_processor(source)]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{kind} checkpoint {source} cannot be loaded ({str(error).splitlines()[0]}); "
            "name a folder or a hub id that this machine can reach"
        ) from error
