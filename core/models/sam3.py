"""SAM 3 with text (Carion et al. 2025): every instance that answers to a noun phrase, as one probability map.

Beside CLIPSeg for comparison and as a label assistant. Its image processor in transformers needs torchvision, which this
project does without, so the photo is prepared here from the same settings file.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch.nn import functional as F
from transformers import AutoTokenizer
from transformers.image_processing_base import ImageProcessingMixin

from core.errors import RequestError
from core.models.grounded_sam import load_pair, union
from core.models.predictor import Prediction
from core.photos import Photo
from core.prompts import noun_phrase

INSTANCE_THRESHOLD = 0.3
"""Instances below this score are dropped; SAM 3's own default."""
_TEXT_LENGTH = 32


class Sam3:
    """`predict` as `core.models.predictor.Predictor` has it."""

    number_format = "fp32"

    def __init__(self, model: Any, tokenizer: Any, images: dict[str, Any]) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.input_hw = (images["size"]["height"], images["size"]["width"])
        self.image_mean, self.image_std = (torch.tensor(images[k]).view(1, 3, 1, 1) for k in ("image_mean", "image_std"))

    @classmethod
    def load(cls, source: str) -> "Sam3":
        """A folder or hub id, fp32. Raises RequestError where transformers has no SAM 3, CheckpointError for the rest."""
        kind = getattr(transformers, "Sam3Model", None)
        if kind is None:
            raise RequestError(
                f"transformers {transformers.__version__} has no SAM 3; install a newer one (pip install -U transformers)"
            )
        model, (tokenizer, images) = load_pair(source, "sam3", kind, _load_processors)
        return cls(model, tokenizer, images)

    @torch.inference_mode()
    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. A pixel's probability is the largest, over instances, of mask probability x score.

        No instance found is agreement on nothing: probabilities of 0. The photo is encoded once for all prompts.
        """
        phrases = [noun_phrase(prompt) for prompt in prompts]
        pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
        resized = F.interpolate(pixels, self.input_hw, mode="bilinear", align_corners=False, antialias=True)
        vision = self.model.get_vision_features((resized - self.image_mean) / self.image_std)
        predictions = []
        for prompt, phrase in zip(prompts, phrases, strict=True):
            tokens = self.tokenizer(phrase, padding="max_length", truncation=True, max_length=_TEXT_LENGTH, return_tensors="pt")
            output = self.model(vision_embeds=vision, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
            cut = len(self.tokenizer(phrase)["input_ids"]) > _TEXT_LENGTH
            predictions.append(Prediction(" ".join(prompt.split()), self._probs(output, photo.shape[:2]), cut))
        return predictions

    def grid_hw(self, photo_hw: tuple[int, int]) -> tuple[int, int]:
        """SAM 3 answers with four mask cells to each 14-pixel patch of its square, whatever the photo's size."""
        return self.input_hw[0] * 4 // 14, self.input_hw[1] * 4 // 14

    def _probs(self, output: Any, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        scores = (output.pred_logits.sigmoid() * output.presence_logits.sigmoid())[0]  # (queries,)
        keep = scores > INSTANCE_THRESHOLD
        if not keep.any():
            return np.zeros(size_hw, np.float32)
        masks = output.pred_masks[:, keep].sigmoid()  # (1, K, h, w)
        return union(F.interpolate(masks, size_hw, mode="bilinear", align_corners=False)[0], scores[keep])


def _load_processors(source: str) -> tuple[Any, dict[str, Any]]:
    return AutoTokenizer.from_pretrained(source), ImageProcessingMixin.get_image_processor_dict(source)[0]
