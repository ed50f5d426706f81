"""The shipped checkpoint's own recipe for real, on a dozen small photos: trained, measured, put in place with its card."""

import pytest

from core.models.clipseg import COMPACT_FOLDER, PromptSegmenter
from data.intake.preparation import prepare
from data.workspace import Workspace
from training.studies import compact
from training.studies.accuracy import MeasureSize
from training.studies.compact import make_compact

SMALL = {
    "photos": (4, 2, 3),
    "size_hw": (64, 80),
    "workers": 1,
    "settings": {"train": {"epochs": 1, "minutes": None, "size_px": 64, "precision": "no", "workers": 0}},
    "measured": MeasureSize(real=4, val=4, synonyms=1, clean=2, generated=2, piece_px=32),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, raw_export):
    folder = tmp_path_factory.mktemp("compact")
    shipped = (COMPACT_FOLDER / "README.md").read_bytes()
    make_compact(folder, raw_export, folder / "target", **SMALL)
    assert (COMPACT_FOLDER / "README.md").read_bytes() == shipped
    return folder


def test_real_photos_keep_the_split_they_have_alone(made, raw_export, tmp_path):
    both, alone = Workspace.open(made / "both"), Workspace.open(tmp_path / "alone")
    prepare(raw_export, alone)
    expected = {(s.image_hash, s.class_name): s.split for s in alone.store.samples()}
    found = {(s.image_hash, s.class_name): s.split for s in both.store.samples() if not s.file_name.startswith("wall_")}
    assert found == expected
    painted = [s for s in both.store.samples() if s.file_name.startswith("wall_")]
    assert len(painted) == 2 * sum(SMALL["photos"])
    assert all(s.split == s.source_split for s in painted)
    for workspace in (both, alone):
        workspace.store.close()


def test_the_checkpoint_is_put_in_place_with_its_sources_and_figures(made):
    segmenter = PromptSegmenter.load(made / "target")
    assert segmenter.branch is not None
    assert segmenter.branch.config.fold == 4
    assert sum(file.stat().st_size for file in (made / "target").iterdir()) <= 12e6
    card = (made / "target" / "README.md").read_text("utf-8")
    assert "license: cc-by-4.0" in card
    assert "fyp-ny1jt/cracks-3ii36" in card
    assert "objectdetect-pu6rn/drywall-join-detect" in card
    rows = [line for line in card.splitlines() if line.startswith(("| cracks |", "| taping |"))]
    assert len(rows) >= 3
    assert "Mean IoU between the masks of two synonyms" in card


def test_started_again_it_goes_on_with_what_is_missing(made, raw_export, monkeypatch):
    monkeypatch.setattr(compact, "execute", lambda *_: pytest.fail("a run that ended was trained again"))
    (made / "target" / "README.md").unlink()
    make_compact(made, raw_export, made / "target", **SMALL)
    assert (made / "target" / "README.md").is_file()
