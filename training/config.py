"""Run configuration: YAML files beside this module, checked on creation; an unknown key names the nearest known one."""

import contextlib
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import AliasChoices, Field, ValidationError, field_validator

from core.errors import ConfigError
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import (
    AugmentSettings,
    BranchSettings,
    CacheSettings,
    DecoderSettings,
    InferenceSettings,
    LabelSettings,
    LossSettings,
    Settings,
    TrainSettings,
    section_of,
)

CONFIG_FOLDER = Path(__file__).parent / "configs"


class SplitSettings(Settings):
    """How `prepare` divides the samples; published: 70/15/15, stratified by class, seed 42."""

    train: float = Field(0.70, gt=0, lt=1, description="Share of the samples for training")
    val: float = Field(0.15, gt=0, lt=1, description="Share for validation; the rest is the test set")
    by_group: bool = Field(True, description="Keep copies and near-duplicates of one photo in one split")
    keep_source: bool = Field(False, description="Keep the export's own train, valid and test folders")
    seed: int = Field(42, ge=0, description="Seed of the random division")


class ModelSettings(Settings):
    """What trains, the decoder's shape, and whether a full-resolution branch stands behind it."""

    train_backbone: bool = Field(False, description="Train the CLIP towers too; only for training from scratch")
    unfreeze_blocks: int = Field(
        0, ge=0, le=48, description="Last vision blocks before the decoder to train too, at train.backbone_lr_factor"
    )
    decoder: DecoderSettings = Field(DecoderSettings(), description="The decoder's shape")
    branch: BranchSettings | None = Field(
        None,
        validation_alias=AliasChoices("branch", "refiner"),  # its name in runs before 0.2
        description="Full-resolution branch; empty for plain CLIPSeg",
    )


class RunConfig(Settings):
    name: str = Field("published", min_length=1, max_length=60, description="A name for people; the run gets its own id")
    checkpoint: str = Field("CIDAS/clipseg-rd64-refined", description='"compact", a CLIPSeg folder or a hub id')
    label_set: str | None = Field(None, description="Frozen label set to train on; empty freezes the current labels")
    mlflow_tracking_uri: str | None = Field(
        None, description="MLflow server that hears of the run; empty: what MLFLOW_TRACKING_URI says, or none"
    )
    synonyms: dict[str, tuple[str, ...]] = Field(PUBLISHED_SYNONYMS, description="Prompts by class; the first evaluates")
    model: ModelSettings = Field(ModelSettings(), description="What trains, the decoder's shape, the full-resolution branch")
    train: TrainSettings = Field(TrainSettings(), description="The training loop; defaults as published")
    loss: LossSettings = Field(
        LossSettings(), description="Loss: binary cross-entropy and Dice as published, and terms for thin structures"
    )
    augment: AugmentSettings = Field(
        AugmentSettings(), description="Augmentation of photo and mask together; all off is the published recipe"
    )
    labels: LabelSettings = Field(LabelSettings(), description="What box labels of joints stand for")
    cache: CacheSettings = Field(CacheSettings(), description="Frozen layers computed once and kept")
    inference: InferenceSettings = Field(
        InferenceSettings(), description="Looking at photos: whole or in tiles, larger, mirrored"
    )
    split: SplitSettings = Field(SplitSettings(), description="How `prepare` divides the samples")

    @field_validator("synonyms")
    @classmethod
    def _every_class_has_a_prompt(cls, synonyms: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        empty = [name for name, prompts in synonyms.items() if not prompts or not all(p.strip() for p in prompts)]
        if empty or not synonyms:
            raise ValueError(f"every class needs at least one prompt and none may be empty, see {empty or 'synonyms'}")
        return synonyms


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the project, as `load_config` takes them."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))


def load_config(source: str | Path = "published", overrides: Sequence[str] = ()) -> RunConfig:
    """A shipped name or a YAML file, with `KEY=VALUE` overrides (`train.lr=3e-4`; values are YAML). Raises ConfigError."""
    path = CONFIG_FOLDER / f"{source}.yaml" if str(source) in shipped_configs() else Path(source)
    if not path.is_file():
        raise ConfigError(f"configuration {source} is neither a file nor one of {', '.join(shipped_configs())}")
    try:
        values = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML ({str(error).splitlines()[0]}); mend that line") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, got {type(values).__name__}")
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override} needs the form KEY=VALUE, for example train.lr=3e-4")
        _put(values, key.strip(), text)
    return make_config(values, str(source))


def make_config(values: dict[str, Any], origin: str = "the configuration") -> RunConfig:
    """Check plain values. Raises ConfigError: one sentence with the key, the value and the nearest known key."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: " + "; ".join(_sentence(problem) for problem in error.errors())) from error


def dump_config(config: RunConfig) -> str:
    """YAML that `load_config` reads back to an equal configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _put(values: dict[str, Any], dotted: str, text: str) -> None:
    *parents, last = dotted.split(".")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {dotted}={text}: the value is not YAML") from error
    if isinstance(value, str):
        with contextlib.suppress(ValueError):  # YAML 1.1 takes 1e-4 for a string
            value = float(value)
    for parent in parents:
        inner = values.get(parent)
        values[parent] = dict(inner) if isinstance(inner, dict) else {}
        values = values[parent]
    values[last] = value


def _sentence(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{key} {problem['msg'][0].lower()}{problem['msg'][1:]}, got {problem['input']!r}"
    return f"{key} is not a known key, did you mean {_nearest_key(key)}?"


def _nearest_key(key: str) -> str:
    """By its spelling or by what its description says: `learning_rate` finds `train.lr`."""
    words = key.rpartition(".")[2].replace("_", " ").lower()

    def likeness(known: str, description: str) -> float:
        by_name = difflib.SequenceMatcher(None, key, known).ratio()
        by_description = difflib.SequenceMatcher(None, words, description[: len(words)].lower()).ratio()
        moved = known.rpartition(".")[2] == key.rpartition(".")[2]  # the right name in the wrong section
        return max(by_name + moved, 0.9 * by_description)  # a slip of the finger is likelier than another word

    keys = known_keys()
    sections = {known.rpartition(".")[0]: "" for known in keys if "." in known}
    return max((sections | keys).items(), key=lambda item: likeness(*item))[0]


def known_keys(settings: type[Settings] = RunConfig, prefix: str = "") -> dict[str, str]:
    """Every key in dotted form, with its description."""
    keys: dict[str, str] = {}
    for name, field in settings.model_fields.items():
        inner = section_of(field)
        keys |= known_keys(inner, f"{prefix}{name}.") if inner else {prefix + name: field.description or ""}
    return keys
