"""PromptSegmenter: CLIPSeg (Lüddecke & Ecker 2022), split where its work can be shared, with an optional branch.

With a text prompt nothing after the last extracted vision layer reaches the decoder, the text embedding depends on the
prompt alone and the vision activations on the photo alone. So a photo is encoded once and decoded for every prompt;
in fp32 the logits are bit-equal to `CLIPSegForImageSegmentation.forward`.
"""

import copy
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AutoConfig, CLIPSegForImageSegmentation, CLIPSegProcessor
from transformers.utils import logging as transformers_logging

from core.errors import CheckpointError, ConfigError
from core.files import write_atomically
from core.models.branch import FullResolutionBranch
from core.models.names import COMPACT
from core.prompts import check_prompt
from core.settings import BranchSettings, DecoderSettings

COMPACT_FOLDER = Path(__file__).parents[1] / "checkpoints" / "compact"
transformers_logging.disable_progress_bar()  # a bar a checkpoint would drown the run's own progress
_RARELY = -2.0
"""About the logit an untrained decoder gives everywhere: a defect covers about a tenth of a photo."""
_MATMUL = "drywall_qa_matmul"
_TOKENIZING = Lock()
"""A fast tokenizer keeps its padding and truncation as state and refuses to be used by two threads at once."""
_BRANCH, _BRANCH_BEFORE = "branch", "refiner"
"""Stem of the branch's two files, and what it was in checkpoints before 0.2."""


def _matmul_attention(
    module: nn.Module, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float, **_: object
) -> tuple[Tensor, None]:
    """softmax(Q K^T) V without a mask, as transformers' attention registry calls it. queries: (B, heads, N, D)."""
    with torch.autocast(queries.device.type, enabled=False):  # it would take the softmax to fp32, half of the time
        weights = ((queries * scaling) @ keys.transpose(-1, -2)).softmax(dim=-1)
        return (weights @ values).transpose(1, 2), None


AttentionInterface.register(_MATMUL, _matmul_attention)


def attend_by_matmul(layers: Iterable[Any]) -> None:
    """Let transformers' layers attend by plain matrix products instead of the fused kernel. Equal up to rounding.

    On a CPU they are faster: a ViT-B layer in bf16 takes 1.9 instead of 4.6 ms, and with heads of 16 channels the fused
    kernel's backward pass took half of a training step (`drywall-qa bench attention_kernel`).
    """
    for layer in layers:
        layer.self_attn.config = copy.copy(layer.self_attn.config)
        layer.self_attn.config._attn_implementation = _MATMUL


def set_sure(folder: Path, sure: float) -> None:
    """Note in a saved checkpoint how sure a part of a mask must be; nothing where it has no branch."""
    path = folder / f"{_BRANCH}.json"
    if path.is_file():
        _write_branch_settings(folder, BranchSettings.model_validate_json(path.read_text("utf-8")).changed(sure=sure))


def _load_branch(folder: Path, text_dim: int) -> FullResolutionBranch | None:
    """The one beside the weights, None where there is none."""
    for name in (_BRANCH, _BRANCH_BEFORE):
        if (folder / f"{name}.json").is_file():
            config = BranchSettings.model_validate_json((folder / f"{name}.json").read_text("utf-8"))
            branch = FullResolutionBranch(config, text_dim)
            branch.load_state_dict(load_file(folder / f"{name}.safetensors"))
            return branch
    return None


def _write_branch_settings(folder: Path, settings: BranchSettings) -> None:
    write_atomically(folder / f"{_BRANCH}.json", (settings.model_dump_json(indent=2) + "\n").encode())


def initialise_decoder(decoder: Any) -> None:
    """Give an untrained CLIPSeg decoder torch's own initial weights, and a last bias that says "rarely".

    transformers draws its projections and convolutions with a standard deviation of 1, which makes logits of several hundred
    that saturate the loss from the first step on.
    """
    for module in decoder.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            module.reset_parameters()
    upscale: Any = decoder.transposed_convolution
    last: Any = upscale[-1] if isinstance(upscale, nn.Sequential) else upscale
    nn.init.constant_(last.bias, _RARELY)


class PromptSegmenter(nn.Module):
    number_format = "fp32"
    """In which it predicts (`core.models.number_formats`)."""
    image_mean: Tensor
    image_std: Tensor

    def __init__(
        self, clipseg: CLIPSegForImageSegmentation, processor: CLIPSegProcessor, branch: FullResolutionBranch | None = None
    ) -> None:
        super().__init__()
        self.clipseg, self.processor, self.branch = clipseg, processor, branch
        images = processor.image_processor
        self.input_hw: tuple[int, int] = (images.size["height"], images.size["width"])
        self.register_buffer("image_mean", torch.tensor(images.image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(images.image_std).view(1, 3, 1, 1), persistent=False)
        self._embedded: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}
        self._placed: dict[tuple[int, int, torch.device, torch.dtype], Tensor] = {}
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
            branch = _load_branch(Path(source), clipseg.config.projection_dim)
            return cls(clipseg, processor, branch).eval()
        except CheckpointError:
            raise
        except Exception as error:  # of damaged files transformers, torch and safetensors raise what they like
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise CheckpointError(
                f"checkpoint {checkpoint} cannot be loaded ({reason}); "
                f'name a CLIPSeg folder, a hub id that this machine can reach, or "{COMPACT}"'
            ) from error

    def save_pretrained(self, folder: Path, model_card: str) -> None:
        """A folder that plain transformers loads: weights, config, processor, model card; the branch beside them."""
        self.clipseg.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        if self.branch is not None:
            plain = {name: value.contiguous() for name, value in self.branch.state_dict().items()}
            save_file(plain, folder / f"{_BRANCH}.safetensors")
            _write_branch_settings(folder, self.branch.config)
        (folder / "README.md").write_text(model_card, "utf-8")

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Freeze (or release) the CLIP towers; the decoder and the branch always train."""
        self._embedded.clear()
        self._placed.clear()
        self.clipseg.clip.requires_grad_(not frozen)

    def unfreeze_blocks(self, count: int) -> None:
        """Release the last `count` of the vision blocks that the decoder hears of. Raises ConfigError for more than there are."""
        used = self.clipseg.clip.vision_model.encoder.layers[: self._used[-1] + 1]
        if count > len(used):
            raise ConfigError(f"model.unfreeze_blocks must not exceed the {len(used)} vision blocks in use, got {count}")
        for block in used[len(used) - count :]:
            block.requires_grad_(True)

    def reshape_decoder(self, wanted: DecoderSettings) -> bool:
        """Give the decoder the wanted shape. Returns whether that took a fresh, untrained one; torch's seed decides it.

        Raises ConfigError for vision blocks that the checkpoint does not have.
        """
        config = self.clipseg.config
        own = config.reduce_dim, tuple(config.extract_layers)
        reduce_dim, layers = wanted.reduce_dim or own[0], wanted.extract_layers or own[1]
        if (reduce_dim, layers) == own:
            return False
        blocks = config.vision_config.num_hidden_layers
        if layers != own[1] and (list(layers) != sorted({*layers}) or layers[-1] >= blocks):
            raise ConfigError(f"model.decoder.extract_layers must rise and lie below {blocks}, got {list(layers)}")
        config.reduce_dim, config.extract_layers = reduce_dim, list(layers)
        self.clipseg.extract_layers = config.extract_layers
        self.clipseg.decoder = type(self.clipseg.decoder)(config).train(self.training)
        initialise_decoder(self.clipseg.decoder)
        return True

    def add_branch(self, config: BranchSettings) -> None:
        """Put an untrained full-resolution branch behind the decoder; it changes no logits until it is trained. An encoder in it
        starts with what ImageNet taught it."""
        self.branch = FullResolutionBranch(config, self.clipseg.config.projection_dim)
        if config.encoder:
            self.branch.encoder.load_imagenet(self.image_mean.flatten(), self.image_std.flatten())

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are kept in: float32, or bfloat16 for inference where that pays (`core.models.number_formats`)."""
        return self.clipseg.dtype

    @property
    def cut(self) -> int:
        """How many of the used vision layers are frozen, counted from the photo: what lies below can be computed once."""
        layers = self.clipseg.clip.vision_model.encoder.layers[: self._used[-1] + 1]
        trains = [any(parameter.requires_grad for parameter in layer.parameters()) for layer in layers]
        return trains.index(True) if any(trains) else len(trains)

    def trained_layers(self) -> list[nn.Module]:
        """The attention layers whose backward pass runs: the decoder's and the vision layers above the cut."""
        return [*self.clipseg.decoder.layers, *self.clipseg.clip.vision_model.encoder.layers[self.cut :]]

    def encode_image(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """pixel_values: (B, 3, S, S) float, normalised. Returns the extracted activations, each (B, 1 + (S/P)^2, D)."""
        return self.encode_above(self.encode_below(pixel_values))

    def encode_below(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """What the frozen layers make of the photos: the activations extracted below the cut and, where layers above it
        are still to come, the state they begin from; each (B, 1 + (S/P)^2, D)."""
        vision = self.clipseg.clip.vision_model
        patches = vision.embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        tokens = torch.cat([vision.embeddings.class_embedding.expand(patches.shape[0], 1, -1), patches], dim=1)
        hidden = vision.pre_layrnorm(tokens + self._positions(tokens, *pixel_values.shape[-2:]))
        outputs = self._run(hidden, 0, self.cut)
        extracted = [outputs[number] for number in self._used if number < self.cut]
        return tuple(extracted) if self.cut > self._used[-1] else (*extracted, outputs.get(self.cut - 1, hidden))

    def encode_above(self, below: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """From `encode_below` to the extracted activations."""
        outputs = dict(zip((number for number in self._used if number < self.cut), below, strict=False))
        if self.cut <= self._used[-1]:
            outputs |= self._run(below[-1], self.cut, self._used[-1] + 1)
        return tuple(outputs[number] for number in self.clipseg.extract_layers)

    def _positions(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(1, 1 + HW/P^2, D) for photos of this size, interpolated once as long as they are frozen."""
        embeddings = self.clipseg.clip.vision_model.embeddings
        if embeddings.position_embedding.weight.requires_grad:
            return embeddings.interpolate_pos_encoding(tokens, height, width)
        key = (height, width, tokens.device, tokens.dtype)
        if key not in self._placed:
            with torch.inference_mode(False), torch.no_grad():
                self._placed[key] = embeddings.interpolate_pos_encoding(tokens, height, width)
        return self._placed[key]

    def _run(self, hidden: Tensor, first: int, stop: int) -> dict[int, Tensor]:
        """Outputs of the vision layers [first, stop) by number."""
        outputs = {}
        for number in range(first, stop):
            hidden = outputs[number] = self.clipseg.clip.vision_model.encoder.layers[number](hidden, None)
        return outputs

    @property
    def _used(self) -> list[int]:
        """Numbers of the vision layers that reach the decoder, ascending."""
        return sorted(set(self.clipseg.extract_layers))

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """Returns (P, E). A prompt longer than the context is cut (see `is_cut`). Raises RequestError for an empty one."""
        checked = [check_prompt(prompt) for prompt in prompts]
        with _TOKENIZING:
            tokens = self.processor.tokenizer(
                checked, padding=True, truncation=True, max_length=self._context_length, return_tensors="pt"
            ).to(self.image_mean.device)
        return self.clipseg.clip.get_text_features(tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """`encode_text`, (P, E), each prompt once in the model's life as long as the text tower is frozen."""
        if any(parameter.requires_grad for parameter in self.clipseg.clip.text_model.parameters()):
            unique = sorted(set(prompts))
            return self.encode_text(unique)[[unique.index(prompt) for prompt in prompts]]
        keys = [(prompt, self.image_mean.device, self.dtype) for prompt in prompts]
        for prompt, key in zip(prompts, keys, strict=True):
            if key not in self._embedded:
                # a tensor born in inference mode could not be trained from
                with torch.inference_mode(False), torch.no_grad():
                    self._embedded[key] = self.encode_text([prompt])
        return torch.cat([self._embedded[key] for key in keys])

    def is_cut(self, prompt: str) -> bool:
        """Whether the prompt is longer than the model's context (77 tokens) and its end goes unread."""
        with _TOKENIZING:
            return len(self.processor.tokenizer(check_prompt(prompt)).input_ids) > self._context_length

    def decode(self, activations: tuple[Tensor, ...], text: Tensor) -> Tensor:
        """activations: from `encode_image`, (B, N, D) each; text: (B, E). Returns coarse logits (B, S, S) float32."""
        return self.clipseg.decoder(activations, text).logits.float()

    def frozen_key(self) -> str:
        """A digest of what `encode_below` computes from: equal for equal frozen layers, input size and normalisation."""
        vision, digest = self.clipseg.clip.vision_model, hashlib.sha256()
        digest.update(f"{self.input_hw} {self.processor.image_processor.image_mean} {self.cut} {self._used}".encode())
        for module in (vision.embeddings, vision.pre_layrnorm, *vision.encoder.layers[: self.cut]):
            for value in module.state_dict().values():
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def refine(self, photos: Tensor, coarse_logits: Tensor, text: Tensor) -> Tensor:
        """photos: (B, 3, H, W) float in [0, 1]. Returns logits (B, H, W); without a branch, the coarse logits."""
        if self.branch is None:
            return coarse_logits
        photos = (photos - self.image_mean) / self.image_std
        return self.branch(photos.to(self.dtype), coarse_logits.to(self.dtype), text).float()

    def pixel_values(self, photos: Tensor, side_px: int | None = None) -> Tensor:
        """photos: (B, 3, H, W) float in [0, 1]. Returns (B, 3, S, S): resized and normalised as the processor does.

        side_px: S, instead of the checkpoint's own (352); `encode_image` interpolates its positions then.
        """
        size = (side_px, side_px) if side_px else self.input_hw
        resized = F.interpolate(photos, size, mode="bilinear", align_corners=False, antialias=True)
        return ((resized - self.image_mean) / self.image_std).to(self.dtype)

    def look(self, photo: Tensor, text: Tensor, side_px: int | None = None) -> Tensor:
        """The one way from a photo to its answers. photo: (1, 3, H, W) float in [0, 1]; text: (P, E), a row a prompt.

        Returns logits (P, H, W). The photo is encoded once; each prompt is decoded by itself, so that no answer depends on
        another's rounding. side_px: as in `pixel_values`.
        """
        size_hw = (photo.shape[-2], photo.shape[-1])
        activations, small = self.encode_image(self.pixel_values(photo, side_px)), photo
        if self.branch is not None and (grid_hw := self.answer_hw(size_hw)) != size_hw:
            small = F.interpolate(photo, grid_hw, mode="bilinear", align_corners=False, antialias=True)
        logits = photo.new_empty(len(text), *size_hw)
        for row, embedding in enumerate(text.split(1)):
            found = self.refine(small, self.decode(activations, embedding), embedding)
            logits[row] = F.interpolate(found[:, None], size_hw, mode="bilinear", align_corners=False)[0, 0]
        return logits

    def answer_hw(self, size_hw: tuple[int, int], side_px: int | None = None) -> tuple[int, int]:
        """The resolution in which a look at a photo of this size is answered: CLIPSeg's square, or what its branch reads."""
        if self.branch is None:
            return (side_px, side_px) if side_px else self.input_hw
        scale = min(1.0, self.branch.config.max_side / max(size_hw))
        return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))

    def forward(self, photos: Tensor | None, prompts: Sequence[str], below: tuple[Tensor, ...] | None = None) -> Tensor:
        """One prompt a photo. photos: (B, 3, H, W) float in [0, 1]. Returns logits, (B, H, W) or the coarse (B, S, S).

        below: what `encode_below` made of these photos; they may then be None, unless a branch has to read them.
        """
        text = self.embed(prompts)  # (B, E)
        if below is None:
            if photos is None:
                raise ValueError("forward needs photos or what encode_below made of them")
            below = self.encode_below(self.pixel_values(photos))
        coarse = self.decode(self.encode_above(below), text)
        return coarse if photos is None else self.refine(photos, coarse, text)

    @property
    def _context_length(self) -> int:
        return self.clipseg.config.text_config.max_position_embeddings
