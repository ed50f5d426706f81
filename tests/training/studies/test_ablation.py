"""The ablation for real, on four small photos: a row for each remedy, runs shared where only the look differs."""

import json
import shutil

import pytest

from core.settings import InferenceSettings
from data.synthetic.export import write_roboflow_export
from training.config import load_config
from training.studies.ablation import FIGURES, VARIANTS, run_ablation

NAMES = ("published recipe", "without the full-resolution branch", "+ test-time flips", "+ threshold chosen on validation")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """As ../shared/data: crack photos with their pixel truth beside."""
    root = tmp_path_factory.mktemp("ablation")
    write_roboflow_export(root, 3, cracks=(3, 2), taping=(0, 0), size_hw=(64, 80))
    shutil.copytree(root / "pixel_truth" / "cracks", root / "cracks" / "pixel_truth")
    return root


def test_every_row_is_trained_scored_and_written(data, tiny_checkpoint, tmp_path, capsys):
    variants = [variant for variant in VARIANTS if variant.name in NAMES]
    rows = run_ablation(data, tmp_path, 1, variants, tiny_checkpoint, {"train": {"size_px": 64}, "inference": {"side_px": 64}})
    assert [row["row"] for row in rows] == list(NAMES)
    assert json.loads((tmp_path / "ablation.json").read_text()) == rows
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)
    for row in rows:
        assert row["minutes"] > 0
        assert all(0 <= row[figure] <= 1 for figure in FIGURES)
    runs = {row["row"]: row["run"] for row in rows}
    assert runs["+ test-time flips"] == runs["published recipe"]  # only looked at in another way
    assert len(set(runs.values())) == 3
    coarse = tmp_path / "coarse"
    assert (tiny_checkpoint / "branch.safetensors").is_file()
    assert (coarse / "model.safetensors").is_file()
    assert not list(coarse.glob("branch.*"))


def test_the_remedies_are_known_settings_and_each_has_a_name():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    for variant in VARIANTS:
        load_config(variant.recipe).changed(**variant.settings)  # an unknown key raises
        InferenceSettings(**variant.inference)
