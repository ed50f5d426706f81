"""A number format is decided once: a later timing, another process or a folder around the photo changes nothing."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from core.train.trainer import Outcome
from training.cli import app
from training.config import load_config
from training.inference import formats
from training.inference.formats import machine_format, prediction_format
from training.runs import execution
from training.runs.runs import create_run, run_folder


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """timed(name) makes that format the fastest of this process; the machine's record is in `tmp_path`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda name: monkeypatch.setattr(formats, "fastest", lambda: name)


def test_a_machine_is_timed_once(timed, tmp_path):
    timed("bf16")
    assert machine_format() == "bf16"
    timed("fp32")
    assert machine_format() == "bf16"
    assert prediction_format(None) == "bf16"
    (path,) = (tmp_path / "cache").rglob("*.json")
    path.write_text("{")  # half a file is none
    assert machine_format() == "fp32"


def test_what_cannot_be_recorded_is_fp32(timed, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where a folder should be")
    timed("bf16")
    assert machine_format() == "fp32"
    assert "cannot be written" in caplog.text


@pytest.fixture
def trained_in(workspace, store, tiny_checkpoint, monkeypatch, timed):
    """trained_in(resume=...) executes the run with `precision: auto` and returns what the loop was told to train in."""
    run = create_run(workspace, store, load_config("quick", [f"checkpoint={tiny_checkpoint}", "train.precision=auto"]))
    told = []

    def train(segmenter, train_set, val_set, settings, *_, **__):
        told.append(settings.precision)
        return Outcome(0, 0.0, 0, 0.0, True)

    monkeypatch.setattr(execution, "train", train)
    monkeypatch.setattr(execution, "check_resumable", lambda *_: None)
    monkeypatch.setattr(execution, "_read_state", lambda _: SimpleNamespace(epoch=1))
    timed("int8")

    def execute(resume=False, pays=True, available=True):
        monkeypatch.setattr("core.train.trainer.pays", lambda *_: pays)
        monkeypatch.setattr(execution, "available", lambda *_: available)
        execution.execute(workspace, store, run.id, resume=resume)
        return told[-1]

    return execute, run_folder(workspace, run.id)


def test_a_resumed_run_trains_in_the_format_it_began_in(trained_in, timed):
    execute, folder = trained_in
    assert execute(pays=True) == "bf16"
    started = json.loads(folder.environment.read_text())
    assert started["number_formats"] == {"training": "bf16", "prediction": "int8"}
    timed("fp32")
    assert execute(resume=True, pays=False) == "bf16"
    assert json.loads(folder.environment.read_text()) == started
    assert prediction_format(folder) == "int8"


def test_a_machine_without_the_format_goes_on_in_fp32_and_says_so(trained_in, caplog):
    execute, folder = trained_in
    execute(pays=True)
    assert execute(resume=True, available=False) == "no"
    assert "began in bf16, which this machine does not have" in caplog.text
    assert json.loads(folder.environment.read_text())["number_formats"]["training"] == "bf16"


def test_a_run_begun_before_formats_were_recorded_gets_them_when_it_is_resumed(trained_in):
    execute, folder = trained_in
    execute(pays=False)
    document = json.loads(folder.environment.read_text())
    del document["number_formats"]
    folder.environment.write_text(json.dumps(document | {"commit": "then"}))
    assert execute(resume=True, pays=True) == "bf16"
    document = json.loads(folder.environment.read_text())
    assert (document["commit"], document["number_formats"]["training"]) == ("then", "bf16")


def test_a_photo_alone_and_in_a_folder_gives_the_same_mask_and_names_its_format(timed, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (120, 160, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    timed("bf16")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        documents = [
            json.loads(
                CliRunner()
                .invoke(
                    app,
                    ["predict", where, "segment crack", "--checkpoint", str(tiny_checkpoint), "--out", out, "--json"],
                    catch_exceptions=False,
                )
                .stdout
            )
            for where, out in (("photos/1.png", "alone"), ("photos", "together"))
        ]
    finally:
        torch.set_num_threads(before)
    assert [document["number_format"] for document in documents] == ["bf16", "bf16"]
    alone, together = (tmp_path / name / "1__segment_crack.png" for name in ("alone", "together"))
    assert alone.read_bytes() == together.read_bytes()
    with Image.open(alone) as mask:
        assert mask.text == {"number_format": "bf16"}
    assert not (tmp_path / "workspace").exists()
