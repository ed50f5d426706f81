"""Shared parts of the tests: a tiny real CLIPSeg, a small generated export, a workspace made from it."""

import os
import re
import sqlite3
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing downloads weights; a test that tried would fail at once

import pytest
import torch

from core.models.clipseg import PromptSegmenter
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import BranchSettings
from data.intake.preparation import prepare
from data.store.store import Store
from data.store.upgrades import UPGRADES
from data.synthetic.export import write_roboflow_export
from data.workspace import Workspace
from training.runs.scratch import untrained_segmenter

torch.set_num_threads(1)
ROOT = Path(__file__).parent.parent
PROMPTS = [prompt for synonyms in PUBLISHED_SYNONYMS.values() for prompt in synonyms]


@pytest.fixture(scope="session")
def sample_data() -> Path:
    folder = Path(os.environ.get("DRYWALL_QA_SAMPLE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real photos at {folder}; set DRYWALL_QA_SAMPLE_DATA to try them")
    return folder


@pytest.fixture(scope="session")
def tiny_segmenter() -> PromptSegmenter:
    """A real CLIPSeg with random weights: hidden 32, three layers, 352 px."""
    segmenter = untrained_segmenter(PROMPTS, seed=1, hidden=32, layers=3)
    last = segmenter.clipseg.decoder.transposed_convolution[-1]
    torch.nn.init.normal_(last.weight, std=0.05)
    segmenter.add_branch(BranchSettings(width=8, max_side=128))
    return segmenter.eval()


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_segmenter: PromptSegmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_segmenter.save_pretrained(folder, "# tiny\n")
    return folder


@pytest.fixture(scope="session")
def raw_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small generated walls as Roboflow would export them."""
    folder = tmp_path_factory.mktemp("raw")
    write_roboflow_export(folder, 3, cracks=(8, 2), taping=(8, 2), size_hw=(96, 128))
    return folder


@pytest.fixture
def workspace(raw_export: Path, tmp_path: Path) -> Workspace:
    """A workspace of its own, filled from `raw_export`."""
    opened = Workspace.open(tmp_path / "workspace")
    store = opened.store()
    prepare(raw_export, opened, store)
    store.close()
    return opened


@pytest.fixture
def store(workspace: Workspace):
    opened = workspace.store()
    yield opened
    opened.close()


@pytest.fixture
def empty_store(tmp_path: Path):
    opened = Store(tmp_path / "qa.db")
    yield opened
    opened.close()


@pytest.fixture
def take_back():
    """A function that takes a workspace's database back to version 1: what the program of that time wrote."""

    def undo(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA foreign_keys=OFF")
        for statement in [part for version in UPGRADES for part in version][::-1]:
            added = re.fullmatch(r"ALTER TABLE (\w+) ADD COLUMN (\w+) .*", statement)
            if added:  # what fills a column goes with it
                connection.execute(f"ALTER TABLE {added[1]} DROP COLUMN {added[2]}")
        connection.execute("UPDATE workspace SET schema_version = 1")
        connection.commit()
        connection.close()

    return undo
