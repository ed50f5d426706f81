import pytest
from pydantic import BaseModel

from core.errors import ConfigError
from core.prompts import PUBLISHED_SYNONYMS
from training.config import RunConfig, dump_config, known_keys, load_config, make_config, shipped_configs


def test_published_values():
    config = load_config("published")
    train, loss = config.train, config.loss
    assert (train.lr, train.weight_decay, train.patience, train.seed) == (1e-4, 1e-4, 7, 42)
    assert (loss.bce, loss.dice) == (0.5, 0.5)
    assert (loss.tversky, loss.focal, loss.cldice, loss.boundary) == (0, 0, 0, 0)
    assert (config.split.train, config.split.val, config.split.seed) == (0.70, 0.15, 42)
    assert config.checkpoint == "CIDAS/clipseg-rd64-refined"
    assert not config.augment.flip
    assert config.model.branch is None
    assert config.synonyms == PUBLISHED_SYNONYMS
    assert [len(prompts) for prompts in config.synonyms.values()] == [5, 5]
    assert config.synonyms["taping"][0] == "segment taping area"


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_files_load_and_come_back_equal(name, tmp_path):
    config = load_config(name)
    (tmp_path / "again.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "again.yaml") == config


def test_overrides():
    config = load_config("published", ["train.lr=3e-4", "augment.flip=true", "model.branch.width=16", "name=ours"])
    assert (config.train.lr, config.augment.flip, config.name) == (3e-4, True, "ours")
    assert load_config("recommended", ["train.precision=no"]).train.precision == "no"  # YAML calls it false
    assert config.model.branch is not None
    assert config.model.branch.width == 16


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.learning_rate=1", "train.learning_rate is not a known key, did you mean train.lr?"),
        ("train.bce=1", "train.bce is not a known key, did you mean loss.bce?"),
        ("loss={bce: 0, dice: 0}", "loss weights must not all be 0"),
        ("train.epoch=1", "did you mean train.epochs?"),
        ("trian.lr=1", "did you mean train"),
        ("train.lr=fast", "train.lr input should be a valid number"),
        ("train.lr=-1", "greater than 0, got -1"),
        ("train.threshold=1.5", "less than 1, got 1.5"),
        ("train.precision=int8", "train.precision input should be 'no', 'bf16', 'fp16' or 'auto'"),
        ("synonyms={cracks: []}", "every class needs at least one prompt"),
        ("train.lr", "needs the form KEY=VALUE"),
    ],
)
def test_mistakes_are_named(override, words):
    with pytest.raises(ConfigError) as caught:
        load_config("published", [override])
    assert words in str(caught.value)


def test_files_that_are_no_configuration(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "broken.yaml").write_text("a: [")
    for name, words in (("list", "must hold keys"), ("broken", "is not YAML"), ("gone", "neither a file")):
        with pytest.raises(ConfigError, match=words):
            load_config(tmp_path / f"{name}.yaml")


def test_every_setting_is_described():
    assert [key for key, description in known_keys().items() if not description] == []
    assert issubclass(RunConfig, BaseModel)
    assert make_config({}) == load_config("published")


def test_the_branch_is_known_by_its_name_before_0_2_too():
    values = load_config("recommended").model_dump(mode="json")
    values["model"]["refiner"] = values["model"].pop("branch")
    assert make_config(values) == load_config("recommended")
