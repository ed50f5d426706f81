"""Every hostile file is read in a child with 500 MB more than it has: one clear sentence, the good item kept, nothing dies."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.masks.mask import encode_rle
from data.store.records import ImageRecord, NewSample
from data.workspace import Workspace
from tests.hostile.generator import BAD, GOOD, SIZE_HW, cases

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 30
"""Asked are 5 (docs/security.md has the measured ones); a busy machine is slow, not wrong."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What `run_cases.py` says of each case, by name."""
    root = tmp_path_factory.mktemp("hostile") / "workspace"
    workspace = Workspace.open(root)
    random, rle = np.random.default_rng(0), encode_rle(np.eye(*SIZE_HW, dtype=bool))
    for number, name in enumerate((GOOD, BAD)):
        path = f"images/{number:064d}.png"
        Image.fromarray(random.integers(0, 255, (*SIZE_HW, 3), np.uint8)).save(workspace.photo_path(path))
        workspace.store.add_images([ImageRecord(f"{number:064d}", path, *SIZE_HW)])
        workspace.store.add_samples([NewSample(f"{number:064d}", "cracks", name, "test", False, rle)])
    workspace.store.close()
    found, place, first = {}, tmp_path_factory.mktemp("cases"), 0
    total = len(cases())
    while first < total:
        command = [sys.executable, "-m", "tests.hostile.run_cases", str(root), str(place / str(first)), str(first)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found |= {line["name"]: line for line in told}
        first = max((line["number"] for line in told), default=first - 1) + 1
        if first < total:  # the child died over this one
            name = cases()[first].name
            found[name] = {
                "trouble": f"the process died with {done.returncode}: {done.stderr[-500:]}",
                "seconds": 0,
                "kept": False,
            }
            first += 1
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_it_ends_in_a_sentence_and_the_good_item_comes_in(lines, case):
    line = lines[case.name]
    assert line["trouble"] == ""
    assert line["seconds"] < MOST_SECONDS
    if case.keeps:
        assert line["kept"]


def test_there_are_three_hundred():
    assert len(cases()) >= 300
