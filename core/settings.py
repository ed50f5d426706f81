"""Settings of model and training: typed, frozen, checked when made; an unknown key is an error."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RefinerSettings(Settings):
    """The full-resolution branch (`core.refiner`)."""

    width: int = Field(
        24, ge=8, le=128, multiple_of=8, description="Channels at half resolution, the branch's finest map"
    )
    max_side: int = Field(
        1024, ge=64, le=4096, description="Longest side, in pixels, at which the branch reads a photo"
    )


class AugmentSettings(Settings):
    """Augmentation of photo and mask together (`core.augment`); all off is the published recipe."""

    flip: bool = Field(False, description="Flip left-right and top-bottom, each with probability one half")
    quarter_turns: bool = Field(False, description="Turn each photo by a random multiple of 90 degrees")
    rotate_degrees: float = Field(0.0, ge=0, le=180, description="Largest free rotation, in degrees")
    crop_min: float = Field(1.0, ge=0.1, le=1, description="Smallest side of the random crop as a share of the photo's")
    colour: float = Field(0.0, ge=0, le=1, description="Strength of brightness, contrast, saturation and hue changes")
    blur: float = Field(0.0, ge=0, le=5, description="Strongest blur, as the sigma in pixels")
    noise: float = Field(0.0, ge=0, le=0.5, description="Standard deviation of Gaussian noise, on a scale of 0 to 1")

    @property
    def is_on(self) -> bool:
        """Whether a photo looks different from view to view."""
        return self != AugmentSettings()


class CacheSettings(Settings):
    """The feature cache (`core.feature_cache`): what frozen layers make of a photo is computed once."""

    max_gb: float = Field(
        0.0, ge=0, le=10_000, description="Most disk space it may take, in GB; 0 computes anew each epoch"
    )
    views: int = Field(4, ge=1, le=1000, description="Augmented views of a photo that are kept and taken in turn")


class LabelSettings(Settings):
    """What training takes box labels for; labels that people drew or fixed are taken as they are."""

    boxes: Literal["box", "proposal", "weak"] = Field(
        "box", description="Box labels of joints as they are, as proposed seams, or unknown where box and seam differ"
    )
    sam: str | None = Field(None, description="SAM or SAM 2, folder or hub id, proposes instead of the line search")


class TrainSettings(Settings):
    """The training loop (`core.trainer`); defaults as published."""

    epochs: int = Field(50, ge=1, le=10_000, description="Most epochs; early stopping may end the run before")
    batch_size: int = Field(8, ge=1, le=1024, description="Samples in one optimisation step")
    lr: float = Field(
        1e-4, gt=0, le=1, description="Learning rate of AdamW at the start; cosine annealing takes it to 0"
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="Share of all steps over which the learning rate rises from 0")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Weight decay of AdamW")
    patience: int = Field(7, ge=1, description="Epochs without a better validation mIoU before the run stops")
    bce: float = Field(0.5, ge=0, description="Weight of binary cross-entropy in the loss")
    dice: float = Field(0.5, ge=0, description="Weight of soft Dice in the loss")
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability from which a pixel counts as predicted")
    precision: Literal["no", "bf16", "fp16", "auto"] = Field(
        "no", description="Mixed precision; `no` is fp32, `auto` is bf16 where a measurement shows that it pays"
    )
    size_px: int = Field(352, ge=32, le=2048, description="Side, in pixels, of the square training crops")
    workers: int = Field(0, ge=0, le=64, description="Processes that read photos ahead of the loop")
    seed: int = Field(42, ge=0, description="Seed of everything random")
