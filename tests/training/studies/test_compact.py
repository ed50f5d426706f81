"""The shipped checkpoint's own recipe for real, on a dozen small photos: three stages, measured, put in place with its card."""

from itertools import pairwise

import pytest

from core.models.clipseg import COMPACT_FOLDER, PromptSegmenter
from data.workspace import Workspace
from training.studies import compact
from training.studies.compact import STAGES, make_compact

SMALL = {
    "photos": (4, 2, 9),
    "size_hw": (64, 80),
    "workers": 1,
    "settings": {"train": {"epochs": 1, "size_px": 64, "precision": "no", "workers": 0}, "inference": {"side_px": 64}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compact")
    shipped = (COMPACT_FOLDER / "README.md").read_bytes()
    make_compact(folder, folder / "target", **SMALL)
    assert (COMPACT_FOLDER / "README.md").read_bytes() == shipped
    return folder


def test_each_stage_goes_on_from_the_one_before(made):
    store = Workspace.open(made / "workspace").store
    runs = {run.name: run for run in store.runs()}
    assert {run.status for run in runs.values()} == {"finished"}
    assert sorted(runs) == sorted(STAGES)
    assert runs[STAGES[0]].checkpoint == "scratch"
    for before, after in pairwise(STAGES):
        assert runs[before].id in runs[after].checkpoint
    store.close()


def test_the_checkpoint_is_put_in_place_with_measured_figures(made):
    segmenter = PromptSegmenter.load(made / "target")
    assert segmenter.branch is not None
    card = (made / "target" / "README.md").read_text("utf-8")
    assert "on 4 generated photos" in card
    assert "on 9 generated photos" in card
    rows = [line for line in card.splitlines() if line.startswith(("| cracks |", "| taping |"))]
    assert len(rows) >= 2
    assert " then ".join(f"configs/{stage}.yaml" for stage in STAGES) in card


def test_started_again_it_goes_on_with_what_is_missing(made, monkeypatch):
    monkeypatch.setattr(compact, "execute", lambda *_: pytest.fail("a stage that ended was trained again"))
    (made / "target" / "README.md").unlink()
    make_compact(made, made / "target", **SMALL)
    assert (made / "target" / "README.md").is_file()
