"""Prompt sensitivity on a real (tiny) run."""

import numpy as np
import pytest

from core.masks.mask import decode_rle
from core.metrics.overlap import count_pixels, iou
from core.photos import read_photo
from core.prompts import PUBLISHED_SYNONYMS
from data.workspace import Workspace
from training.runs.opened import OpenedRun
from training.scoring.prompts import ask_prompts, asked_prompts


@pytest.fixture
def run(trained_once, tmp_path):
    import shutil

    opened = OpenedRun(Workspace(shutil.copytree(trained_once[0], tmp_path / "w", symlinks=True)), trained_once[1])
    yield opened
    opened.store.close()


def test_every_prompt_is_asked_of_every_class_and_kept(run):
    assert asked_prompts(run) is None
    document = ask_prompts(run, free=["a  cable", "segment wall crack"])
    assert asked_prompts(run) == document
    synonyms = [prompt for prompts in PUBLISHED_SYNONYMS.values() for prompt in prompts]
    assert set(document["prompts"]) == {*synonyms, "a cable"}
    assert document["prompts"]["a cable"] == ""
    labels = run.store.labels()
    cracks = [s for s in run.samples("test") if s.class_name == "cracks" and labels[s.id].area_px]
    assert document["samples"]["cracks"] == len(cracks)
    expected = []
    for sample in cracks:
        photo = read_photo(run.workspace.photo_path(sample.image_path))
        mask = run.predictor().predict(photo, ["a cable"])[0].mask(run.threshold_of("a cable"))
        expected.append(iou(count_pixels(mask, decode_rle(labels[sample.id].rle))))
    assert document["miou"]["a cable"]["cracks"] == pytest.approx(np.mean(expected))
    for name, rows in document["worst"].items():
        for sample_id, prompt, least, best in rows:
            assert prompt in PUBLISHED_SYNONYMS[name]
            assert least <= best
            assert run.store.sample(sample_id).class_name == name


def test_so_many_of_a_class_and_no_more(run):
    assert max(ask_prompts(run, per_class=1)["samples"].values()) == 1
