"""PromptSegmenter: CLIPSeg (Lüddecke & Ecker 2022), split where its work can be shared, with an optional branch.

With a text prompt nothing after the last extracted vision layer reaches the decoder, the text embedding depends on the
prompt alone and the vision activations on the photo alone. So a photo is encoded once and decoded for every prompt;
in fp32 the logits are bit-equal to `CLIPSegForImageSegmentation.forward`.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, CLIPSegForImageSegmentation, CLIPSegProcessor
from transformers.utils import logging as transformers_logging

from core.errors import CheckpointError
from core.model_names import COMPACT
from core.prompts import check_prompt
from core.refiner import FullResolutionBranch
from core.settings import RefinerSettings

COMPACT_FOLDER = Path(__file__).parent / "checkpoints" / "compact"
transformers_logging.disable_progress_bar()  # a bar a checkpoint would drown the run's own progress
_REFINER_CONFIG, _REFINER_WEIGHTS = "refiner.json", "refiner.safetensors"


class PromptSegmenter(nn.Module):
    image_mean: Tensor
    image_std: Tensor

    def __init__(
        self,
        clipseg: CLIPSegForImageSegmentation,
        processor: CLIPSegProcessor,
        refiner: FullResolutionBranch | None = None,
    ) -> None:
        super().__init__()
        self.clipseg, self.processor, self.refiner = clipseg, processor, refiner
        images = processor.image_processor
        self.input_hw: tuple[int, int] = (images.size["height"], images.size["width"])
        self.register_buffer("image_mean", torch.tensor(images.image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(images.image_std).view(1, 3, 1, 1), persistent=False)
        self.freeze_backbone()

    @classmethod
    def load(cls, checkpoint: str | Path) -> "PromptSegmenter":
        """`"compact"`, a local folder or a hub id (`"CIDAS/clipseg-rd64-refined"`). fp32, on the CPU, in eval mode.

        Raises CheckpointError when nothing is found or it is not a CLIPSeg checkpoint in safetensors form.
        """
        source = str(COMPACT_FOLDER) if str(checkpoint) == COMPACT else str(checkpoint)
        try:
            model_type = AutoConfig.from_pretrained(source).model_type
            if model_type != "clipseg":
                raise CheckpointError(f"{checkpoint} is a {model_type} checkpoint, not CLIPSeg; choose a CLIPSeg one")
            clipseg = CLIPSegForImageSegmentation.from_pretrained(source, use_safetensors=True, dtype=torch.float32)
            processor = CLIPSegProcessor.from_pretrained(source)
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"checkpoint {checkpoint} cannot be loaded ({str(error).splitlines()[0]}); "
                f'name a CLIPSeg folder, a hub id that this machine can reach, or "{COMPACT}"'
            ) from error
        refiner = None
        if (Path(source) / _REFINER_CONFIG).is_file():
            config = RefinerSettings.model_validate_json((Path(source) / _REFINER_CONFIG).read_text("utf-8"))
            refiner = FullResolutionBranch(config, clipseg.config.projection_dim)
            refiner.load_state_dict(load_file(Path(source) / _REFINER_WEIGHTS))
        return cls(clipseg, processor, refiner).eval()

    def save_pretrained(self, folder: Path, model_card: str) -> None:
        """A folder that plain transformers loads: weights, config, processor, model card; the branch beside them."""
        self.clipseg.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        if self.refiner is not None:
            plain = {name: value.contiguous() for name, value in self.refiner.state_dict().items()}
            save_file(plain, folder / _REFINER_WEIGHTS)
            (folder / _REFINER_CONFIG).write_text(self.refiner.config.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "README.md").write_text(model_card, "utf-8")

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Freeze (or release) the CLIP towers; the decoder and the branch always train."""
        self.clipseg.clip.requires_grad_(not frozen)

    def add_refiner(self, config: RefinerSettings) -> None:
        """Put an untrained full-resolution branch behind the decoder; it changes no logits until it is trained."""
        self.refiner = FullResolutionBranch(config, self.clipseg.config.projection_dim)

    def encode_image(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """pixel_values: (B, 3, S, S) float, normalised. Returns the extracted activations, each (B, 1 + (S/P)^2, D)."""
        vision = self.clipseg.clip.vision_model
        layers = list(self.clipseg.extract_layers)
        hidden = vision.pre_layrnorm(vision.embeddings(pixel_values, interpolate_pos_encoding=True))
        outputs = []
        for layer in vision.encoder.layers[: max(layers) + 1]:
            hidden = layer(hidden, None)
            outputs.append(hidden)
        return tuple(outputs[layer] for layer in layers)

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """Returns (P, E). A prompt longer than the context is cut (see `is_cut`). Raises RequestError for an empty one."""
        tokens = self.processor.tokenizer(
            [check_prompt(prompt) for prompt in prompts],
            padding=True,
            truncation=True,
            max_length=self._context_length,
            return_tensors="pt",
        ).to(self.image_mean.device)
        return self.clipseg.clip.get_text_features(tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output

    def is_cut(self, prompt: str) -> bool:
        """Whether the prompt is longer than the model's context (77 tokens) and its end goes unread."""
        return len(self.processor.tokenizer(check_prompt(prompt)).input_ids) > self._context_length

    def decode(self, activations: tuple[Tensor, ...], text: Tensor) -> Tensor:
        """activations: from `encode_image`, (B, N, D) each; text: (B, E). Returns coarse logits (B, S, S)."""
        return self.clipseg.decoder(activations, text).logits

    def refine(self, photos: Tensor, coarse_logits: Tensor, text: Tensor) -> Tensor:
        """photos: (B, 3, H, W) float in [0, 1]. Returns logits (B, H, W); without a branch, the coarse logits."""
        if self.refiner is None:
            return coarse_logits
        return self.refiner((photos - self.image_mean) / self.image_std, coarse_logits, text)

    def pixel_values(self, photos: Tensor) -> Tensor:
        """photos: (B, 3, H, W) float in [0, 1]. Returns (B, 3, S, S): resized and normalised as the processor does."""
        resized = F.interpolate(photos, self.input_hw, mode="bilinear", align_corners=False, antialias=True)
        return (resized - self.image_mean) / self.image_std

    def forward(self, photos: Tensor, prompts: Sequence[str]) -> Tensor:
        """One prompt a photo. photos: (B, 3, H, W) float in [0, 1]. Returns logits, (B, H, W) or the coarse (B, S, S)."""
        unique = sorted(set(prompts))
        text = self.encode_text(unique)[[unique.index(prompt) for prompt in prompts]]  # (B, E)
        coarse = self.decode(self.encode_image(self.pixel_values(photos)), text)
        return self.refine(photos, coarse, text)

    @property
    def _context_length(self) -> int:
        return self.clipseg.config.text_config.max_position_embeddings
