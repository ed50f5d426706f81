import pytest
from pydantic import ValidationError

from core.settings import BranchSettings, LossSettings, section_of
from training.config import ModelSettings, RunConfig


def test_a_change_inside_a_section_leaves_its_other_keys():
    changed = RunConfig().changed(name="a", train={"lr": 3e-4}, model={"branch": {"width": 16}})
    assert (changed.name, changed.train.lr, changed.train.epochs) == ("a", 3e-4, 50)
    assert changed.model.branch == BranchSettings(width=16)
    assert changed.changed(model={"branch": {"max_side": 640}}).model.branch == BranchSettings(width=16, max_side=640)
    assert changed.changed(model={"branch": None}).model == ModelSettings()
    assert RunConfig().name == "published"


@pytest.mark.parametrize("values", [{"lr": 1}, {"train": {"lr": -1}}, {"train": {"rate": 1}}, {"name": "x" * 61}])
def test_a_change_is_checked_like_any_setting(values):
    with pytest.raises(ValidationError):
        RunConfig().changed(**values)


def test_a_section_is_known_also_where_it_may_be_empty():
    fields = {**RunConfig.model_fields, **ModelSettings.model_fields}
    assert section_of(fields["loss"]) is LossSettings
    assert section_of(fields["branch"]) is BranchSettings
    assert section_of(fields["label_set"]) is None
