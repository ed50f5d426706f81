"""Settings of model and training: typed, frozen, checked when made; an unknown key is an error."""

from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, field_validator, model_validator
from pydantic.fields import FieldInfo


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed(self, **values: Any) -> Self:
        """A copy with other values, checked like any: `settings.changed(name="a", train={"epochs": 3})`; of a section the keys
        that are not named stay. Raises pydantic's ValidationError, a ValueError."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        for name, value in values.items():
            section = own.get(name)
            own[name] = section.changed(**value) if isinstance(section, Settings) and isinstance(value, dict) else value
        return type(self).model_validate(own)


def section_of(field: FieldInfo) -> type[Settings] | None:
    """The settings that a field holds, also where it may be empty; None for a plain value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Settings)), None)


class BranchSettings(Settings):
    """The full-resolution branch (`core.models.branch`)."""

    width: int = Field(24, ge=8, le=128, multiple_of=8, description="Channels of the branch's finest map")
    fold: Literal[2, 4] = Field(
        2, description="Pixels a side that its finest map folds into channels: 4 trains twice as fast and sees as sharply"
    )
    encoder: Literal["efficientnet_lite0"] | None = Field(
        None, description="Encoder that knows photos already; empty: a way down of its own, learnt with the rest"
    )
    max_side: int = Field(1024, ge=64, le=4096, description="Longest side, in pixels, at which the branch reads a photo")
    sure: float = Field(0.0, ge=0, lt=1, description="What `inference.sure` is where nobody says otherwise")

    @model_validator(mode="after")
    def _encoder_hands_on_from_stride_4(self) -> "BranchSettings":
        if self.encoder and self.fold != 4:
            raise ValueError(f"fold must be 4 with encoder {self.encoder}, got {self.fold}")
        return self


class DecoderSettings(Settings):
    """The shape of CLIPSeg's decoder; what is empty stays as the checkpoint has it, what differs starts untrained."""

    reduce_dim: int | None = Field(
        None, ge=8, le=768, multiple_of=8, description="Width of the decoder; empty: the checkpoint's (published: 64)"
    )
    extract_layers: tuple[NonNegativeInt, ...] | None = Field(
        None, min_length=1, description="Vision blocks it reads, rising; empty: the checkpoint's (published: 3, 6, 9)"
    )


class AugmentSettings(Settings):
    """Augmentation of photo and mask together (`core.train.augment`); all off is the published recipe."""

    flip: bool = Field(False, description="Flip left-right and top-bottom, each with probability one half")
    quarter_turns: bool = Field(False, description="Turn each photo by a random multiple of 90 degrees")
    rotate_degrees: float = Field(0.0, ge=0, le=180, description="Largest free rotation, in degrees")
    crop_min: float = Field(
        1.0,
        ge=0.1,
        le=1,
        description="Smallest side of the random square crop, as a share of the photo's shorter side; 1: the whole photo",
    )
    colour: float = Field(0.0, ge=0, le=1, description="Strength of brightness, contrast, saturation and hue changes")
    blur: float = Field(0.0, ge=0, le=5, description="Strongest blur, as the sigma in pixels")
    noise: float = Field(0.0, ge=0, le=0.5, description="Standard deviation of Gaussian noise, on a scale of 0 to 1")

    @property
    def is_on(self) -> bool:
        """Whether a photo looks different from view to view."""
        return self != AugmentSettings()


class CacheSettings(Settings):
    """The feature cache (`core.train.feature_cache`): what frozen layers make of a photo is computed once."""

    max_gb: float = Field(0.0, ge=0, le=10_000, description="Most disk space it may take, in GB; 0 computes anew each epoch")
    views: int = Field(4, ge=1, le=1000, description="Augmented views of a photo that are kept and taken in turn")


class LossSettings(Settings):
    """Weights of the loss's terms and their parameters (`core.train.losses`); 0 leaves a term out. Defaults as published."""

    bce: float = Field(0.5, ge=0, description="Weight of binary cross-entropy")
    dice: float = Field(0.5, ge=0, description="Weight of soft Dice")
    tversky: float = Field(0.0, ge=0, description="Weight of Tversky: Dice with a price for each kind of mistake")
    tversky_fp: float = Field(0.3, ge=0, le=1, description="Price of a falsely predicted pixel in Tversky")
    tversky_fn: float = Field(0.7, ge=0, le=1, description="Price of a missed pixel in Tversky; above the other: recall")
    focal: float = Field(0.0, ge=0, description="Weight of focal loss: cross-entropy that dwells on the hard pixels")
    focal_alpha: float = Field(0.75, gt=0, lt=1, description="Share of the true pixels in focal loss; 0.5 is balanced")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="How much focal loss turns from easy pixels; 0: not at all")
    cldice: float = Field(0.0, ge=0, description="Weight of soft centre-line Dice: unbroken lines, whatever their width")
    cldice_steps: int = Field(5, ge=1, le=100, description="Half the width, in pixels, of the widest line clDice thins")
    boundary: float = Field(0.0, ge=0, description="Weight of boundary loss: mistakes cost their distance to the outline")
    presence: float = Field(0.0, ge=0, description="Weight of presence: the surest pixels against whether anything is there")

    @model_validator(mode="after")
    def _something_is_learnt(self) -> "LossSettings":
        if not any((self.bce, self.dice, self.tversky, self.focal, self.cldice, self.boundary, self.presence)):
            raise ValueError("loss weights must not all be 0; set loss.bce or loss.dice")
        return self


class InferenceSettings(Settings):
    """How a photo is looked at (`core.models.predictor`): the defaults are one look at the whole photo, as published."""

    tiles: int = Field(
        0, ge=0, le=8192, description="Side, in pixels of the photo, of overlapping tiles; 0 looks at the whole at once"
    )
    overlap: float = Field(0.25, ge=0, le=0.75, description="Share of a tile that it has in common with the next")
    side_px: int | None = Field(
        None,
        ge=64,
        le=2048,
        multiple_of=16,
        description="Side of the square the model reads, by interpolated positions; empty: the checkpoint's (352)",
    )
    flips: bool = Field(False, description="Average over the photo and its three mirror images; four times the work")
    sure: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="A part is kept only if its surest pixel has this probability; 0 keeps all; empty: the checkpoint's",
    )

    @field_validator("tiles")
    @classmethod
    def _a_tile_shows_something(cls, tiles: int) -> int:
        if 0 < tiles < 64:
            raise ValueError("tiles of less than 64 pixels show too little; use 0 for the whole photo")
        return tiles


class LabelSettings(Settings):
    """What training takes box labels for; labels that people drew or fixed are taken as they are."""

    boxes: Literal["box", "proposal", "weak"] = Field(
        "box", description="Box labels of joints as they are, as proposed seams, or unknown where box and seam differ"
    )
    sam: str | None = Field(None, description="SAM or SAM 2, folder or hub id, proposes instead of the line search")


class TrainSettings(Settings):
    """The training loop (`core.train.trainer`); defaults as published."""

    epochs: int = Field(50, ge=1, le=10_000, description="Most epochs; early stopping may end the run before")
    minutes: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Most minutes, validation and scoring included: the learning rate ends at 0 when they do; empty: no limit",
    )
    batch_size: int = Field(8, ge=1, le=1024, description="Samples in one optimisation step")
    lr: float = Field(1e-4, gt=0, le=1, description="Learning rate of AdamW at the start; cosine annealing takes it to 0")
    backbone_lr_factor: float = Field(
        0.1, gt=0, le=1, description="Learning rate of what came trained and is not frozen (towers, encoder), as a share of `lr`"
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="Share of all steps over which the learning rate rises from 0")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Weight decay of AdamW")
    patience: int = Field(7, ge=1, description="Epochs without a better validation mIoU before the run stops")
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability from which a pixel counts as predicted")
    threshold_per_class: bool = Field(
        False,
        description="Choose each class's threshold, and how sure a part must be, on the validation split once the run has ended",
    )
    precision: Literal["no", "bf16", "fp16", "auto"] = Field(
        "no", description="Mixed precision; `no` is fp32, `auto` is bf16 where a measurement shows that it pays"
    )
    size_px: int = Field(352, ge=32, le=2048, description="Side, in pixels, of the square training crops")
    others: float = Field(
        0.0, ge=0, lt=1, description="Share of items that ask for a class the photo has no label of: the right answer is empty"
    )
    workers: int = Field(0, ge=0, le=64, description="Processes that read photos ahead of the loop")
    seed: int = Field(42, ge=0, description="Seed of everything random")

    @field_validator("precision", mode="before")
    @classmethod
    def _unquoted_no(cls, value: object) -> object:
        """YAML reads an unquoted no as false."""
        return "no" if value is False else value
