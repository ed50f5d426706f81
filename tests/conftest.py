"""Shared parts of the tests: a tiny real CLIPSeg, a small generated export, a workspace made from it."""

import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing downloads weights; a test that tried would fail at once
os.environ.setdefault("STREAMLIT_LOGGER_LEVEL", "error")  # it warns, line after line, that no dashboard is running

import hypothesis
import pytest
import streamlit
import torch

from core.models.clipseg import PromptSegmenter
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import BranchSettings
from data.intake.preparation import prepare
from data.store.store import Store
from data.store.upgrades import UPGRADES
from data.synthetic.export import write_roboflow_export
from data.workspace import Workspace
from docs.screenshots import CHROMIUM
from training.config import load_config
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.runs.scratch import untrained_segmenter
from training.scoring.evaluation import evaluate

hypothesis.settings.register_profile("suite", deadline=None)  # a busy machine is slow, not wrong
hypothesis.settings.load_profile("suite")
pytest_plugins = ["tests.honest_run"]
torch.set_num_threads(1)
ROOT = Path(__file__).parent.parent
PROMPTS = [prompt for synonyms in PUBLISHED_SYNONYMS.values() for prompt in synonyms]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; apt-get install chromium")


@pytest.fixture(autouse=True)
def main_module_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit puts each script it runs in the place of `__main__`; processes that are spawned later would run that again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


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


@pytest.fixture(scope="session")
def prepared(raw_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace filled from `raw_export`, to copy: nothing is ever written to it."""
    root = tmp_path_factory.mktemp("prepared") / "workspace"
    opened = Workspace.open(root)
    store = opened.store
    prepare(raw_export, opened)
    store.close()
    return root


@pytest.fixture(scope="session")
def trained_once(prepared: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """`prepared` with one finished and scored run, to copy, and the run's id."""
    root = tmp_path_factory.mktemp("trained") / "workspace"
    shutil.copytree(prepared, root)
    opened = Workspace.open(root)
    store = opened.store
    settings = ["train.epochs=1", "train.size_px=64", f"checkpoint={tiny_checkpoint}"]
    run = create_run(opened, load_config("quick", settings))
    execute(OpenedRun(opened, run.id))
    evaluate(OpenedRun(opened, run.id))
    store.close()
    return root, run.id


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Workspace:
    """A workspace of its own, as `prepared`."""
    return Workspace.open(shutil.copytree(prepared, tmp_path / "workspace"))


@pytest.fixture
def on_the_pages(monkeypatch: pytest.MonkeyPatch):
    """A function that makes a workspace's folder the one that the dashboard opens, with nothing kept from another."""

    def show(root: Path) -> None:
        monkeypatch.setenv("DRYWALL_QA_WORKSPACE", str(root))
        monkeypatch.setattr("sys.argv", ["app"])
        streamlit.cache_data.clear()
        streamlit.cache_resource.clear()

    return show


@pytest.fixture
def store(workspace: Workspace):
    opened = workspace.store
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
        of_columns = "SELECT name FROM sqlite_master WHERE name LIKE 'scores_by_%' OR name LIKE 'samples_by_%'"
        for (index,) in connection.execute(of_columns).fetchall():
            connection.execute(f"DROP INDEX {index}")
        for table in ("score_slots", "sample_slots", "sent", "tags", "views", "photo_quality", "label_quality", "users", "audit"):
            connection.execute(f"DROP TABLE {table}")
        for statement in [part for version in UPGRADES for part in version][::-1]:
            added = re.fullmatch(r"ALTER TABLE (\w+) ADD COLUMN (\w+) .*", statement)
            if added:  # what fills a column goes with it
                connection.execute(f"ALTER TABLE {added[1]} DROP COLUMN {added[2]}")
        connection.execute("UPDATE workspace SET schema_version = 1")
        connection.commit()
        connection.close()

    return undo
