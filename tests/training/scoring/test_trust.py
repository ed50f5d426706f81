"""Runs that can be trusted: killed and resumed, several processes, trouble that is named."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from core.errors import DrywallError, RequestError
from core.models.clipseg import PromptSegmenter
from core.train import trainer
from training.config import load_config
from training.runs import execution
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import check_resumable, create_run, current_run, launch, progress_of, relaunch

ROOT = Path(__file__).parents[3]
SMALL = [
    "train.epochs=3",
    "train.size_px=64",
    "train.batch_size=4",
    "train.lr=1e-3",
    "train.patience=50",
    "augment.quarter_turns=true",
    "augment.crop_min=0.6",
    "augment.noise=0.02",
]


def configured(checkpoint, *more):
    return load_config("quick", [*SMALL, f"checkpoint={checkpoint}", *more])


def weights_of(workspace, run_id):
    folder = OpenedRun(workspace, run_id).folder.best_checkpoint
    return load_file(folder / "model.safetensors") | load_file(folder / "branch.safetensors")


def last_weights(workspace, run_id):
    return torch.load(OpenedRun(workspace, run_id).folder.last_state, weights_only=True)["weights"]


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def steps_of_epoch(workspace, run_id, epoch):
    events = OpenedRun(workspace, run_id).folder.read_events()
    return [event for event in events if event["event"] == "step" and event["epoch"] == epoch]


def test_killed_in_the_middle_of_an_epoch_and_resumed_gives_the_same_weights(workspace, store, tiny_checkpoint):
    config = configured(tiny_checkpoint)
    whole, broken = (launch(workspace, config) for _ in range(2))  # processes of one kind: as many threads each
    wait_until(lambda: steps_of_epoch(workspace, broken.id, 2))
    os.kill(broken.pid, signal.SIGKILL)
    wait_until(lambda: current_run(store, broken.id).status == "failed")
    assert len([e for e in OpenedRun(workspace, broken.id).folder.read_events() if e["event"] == "epoch"]) < 3
    with OpenedRun(workspace, broken.id).folder.events.open("a") as file:
        file.write('{"event": "step", "ep')  # a line it was writing
    resumed = relaunch(OpenedRun(workspace, broken.id))
    for run in (whole, resumed):
        wait_until(lambda run=run: current_run(store, run.id).status == "finished")
    assert_equal(last_weights(workspace, whole.id), last_weights(workspace, broken.id))
    assert_equal(weights_of(workspace, whole.id), weights_of(workspace, broken.id))
    assert store.run(broken.id).best_val_miou == store.run(whole.id).best_val_miou
    progress = progress_of(OpenedRun(workspace, broken.id).folder.read_events())
    assert [event["epoch"] for event in progress.epochs] == [1, 2, 3]


def test_cached_activations_train_like_computed_ones(workspace, store, tiny_checkpoint):
    runs = []
    for setting in ("cache.max_gb=0", "cache.max_gb=1"):
        run = create_run(workspace, configured(tiny_checkpoint, setting, "cache.views=8"))
        execute(OpenedRun(workspace, run.id))
        runs.append(run.id)
    events = OpenedRun(workspace, runs[1]).folder.read_events()
    assert next(event["used"] for event in events if event["event"] == "cache")
    assert any(workspace.features.iterdir())
    losses = [
        [event["train_loss"] for event in OpenedRun(workspace, run).folder.read_events() if event["event"] == "epoch"]
        for run in runs
    ]
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)  # half precision


def test_a_precise_run_reads_nothing_that_a_rounded_one_cached(workspace, tiny_segmenter, tiny_checkpoint):
    rounded, precise = (
        execution._feature_cache(
            workspace, tiny_segmenter, configured(tiny_checkpoint, "cache.max_gb=1", f"train.precision='{name}'")
        )
        for name in ("bf16", "no")
    )
    rounded.write("photo", tuple(torch.zeros(rounded.shape)))
    assert rounded.missing(["photo"]) == []
    assert precise.missing(["photo"]) == ["photo"]


def test_no_room_for_the_cache_falls_back_to_encoding(workspace, store, tiny_checkpoint):
    run = create_run(workspace, configured(tiny_checkpoint, "cache.max_gb=0.00001", "train.epochs=1"))
    execute(OpenedRun(workspace, run.id))
    said = [event for event in OpenedRun(workspace, run.id).folder.read_events() if event["event"] == "cache"]
    assert said
    assert not any(event["used"] for event in said)
    assert "no room" in said[0]["reason"]


def test_two_processes_train_to_the_same_metrics_as_one(workspace, store, tiny_checkpoint):
    config = configured(tiny_checkpoint, "train.epochs=2")
    single = create_run(workspace, config)
    execute(OpenedRun(workspace, single.id))
    settings = [f"--set={line}" for line in [*SMALL, f"checkpoint={tiny_checkpoint}", "train.epochs=2"]]
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--num_cpu_threads_per_process",
        "1",
        "-m",
        "training.cli",
        "train",
        "quick",
        *settings,
        "--json",
        "--workspace",
        str(workspace.root),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout[done.stdout.index("{") :])  # one document, though two processes ran
    events = [OpenedRun(workspace, run).folder.read_events() for run in (single.id, document["run"])]
    ours, theirs = ([event for event in of_run if event["event"] == "epoch"] for of_run in events)
    assert ours
    for one, two in zip(ours, theirs, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.1)
        assert two["val_loss"] == pytest.approx(one["val_loss"], rel=0.1)
        assert two["val_miou"] == pytest.approx(one["val_miou"], abs=0.05)
        assert two["classes"].keys() == one["classes"].keys()
        assert [c["samples"] for c in two["classes"].values()] == [c["samples"] for c in one["classes"].values()]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_best(workspace, store, tiny_checkpoint, monkeypatch):
    run = create_run(workspace, configured(tiny_checkpoint))
    forward, calls = trainer.SegmentationLoss.forward, iter(range(10_000))

    def poisoned(self, logits, target, weight=None):
        loss = forward(self, logits, target, weight)
        trains = logits.requires_grad and next(calls) >= 8
        return loss * float("nan") if trains else loss

    monkeypatch.setattr(trainer.SegmentationLoss, "forward", poisoned)
    with pytest.raises(DrywallError, match=r"the loss is nan at epoch \d step \d \(.*jpg.*\); the best checkpoint so far is"):
        execute(OpenedRun(workspace, run.id))
    assert "the loss is nan" in store.run(run.id).reason
    assert PromptSegmenter.load(OpenedRun(workspace, run.id).folder.best_checkpoint)


def test_an_exploding_loss_is_named():
    recent = trainer.deque([0.5] * 100, maxlen=100)
    accelerator = type("Accelerator", (), {"mixed_precision": "no"})()
    assert trainer._trouble(0.6, torch.tensor(1.0), recent, accelerator) is None
    assert "exploded from 0.500 to 50.000" in trainer._trouble(50.0, torch.tensor(1.0), recent, accelerator)
    assert "gradient is inf" in trainer._trouble(0.5, torch.tensor(torch.inf), recent, accelerator)


def test_short_memory_halves_the_batch_and_changes_nothing_else(workspace, store, tiny_checkpoint, monkeypatch):
    config = configured(tiny_checkpoint, "train.epochs=1")
    plenty, scarce = create_run(workspace, config), create_run(workspace, config)
    execute(OpenedRun(workspace, plenty.id))
    forward = PromptSegmenter.forward

    def hungry(self, photos, prompts, below=None):
        if self.training and len(prompts) > 2:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")
        return forward(self, photos, prompts, below)

    monkeypatch.setattr(PromptSegmenter, "forward", hungry)
    execute(OpenedRun(workspace, scarce.id))
    events = OpenedRun(workspace, scarce.id).folder.read_events()
    assert [(e["batch"], e["accumulate"]) for e in events if e["event"] == "memory"] == [(2, 2)]
    first, second = (
        next(e for e in OpenedRun(workspace, run.id).folder.read_events() if e["event"] == "epoch") for run in (plenty, scarce)
    )
    assert second["train_loss"] == pytest.approx(first["train_loss"], rel=1e-3)


def test_a_full_disk_stops_cleanly(workspace, store, tiny_checkpoint, monkeypatch):
    run = create_run(workspace, configured(tiny_checkpoint))
    write, calls = execution.write_atomically, iter(range(10_000))

    def full(path, content, **keywords):
        if next(calls) >= 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content, **keywords)

    monkeypatch.setattr(execution, "write_atomically", full)
    with pytest.raises(DrywallError, match=f"the disk is full; .*drywall-qa resume {run.id}"):
        execute(OpenedRun(workspace, run.id))
    monkeypatch.undo()
    execute(OpenedRun(workspace, run.id), resume=True)
    assert store.run(run.id).status == "finished"


def test_a_checkpoint_that_finds_the_disk_full_says_so(workspace, store, tiny_checkpoint, monkeypatch):
    """safetensors has an error of its own for it; the words are those seen on a full disk."""

    def full(self, folder, model_card):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    run = create_run(workspace, configured(tiny_checkpoint))
    monkeypatch.setattr(PromptSegmenter, "save_pretrained", full)
    with pytest.raises(DrywallError, match="the disk is full"):
        execute(OpenedRun(workspace, run.id))
    assert "the disk is full" in store.run(run.id).reason


def test_what_cannot_be_resumed_is_said(workspace, store, tiny_checkpoint):
    run = create_run(workspace, configured(tiny_checkpoint, "train.epochs=1"))
    with pytest.raises(RequestError, match="before its first epoch was whole"):
        check_resumable(OpenedRun(workspace, run.id))
    execute(OpenedRun(workspace, run.id))
    with pytest.raises(RequestError, match="is finished"):
        check_resumable(OpenedRun(workspace, run.id))
