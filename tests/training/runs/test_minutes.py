"""A run that is given minutes: planned by them, ended with them, or told that they do not even suffice to score."""

import pytest

from core.errors import DrywallError
from training.config import load_config
from training.runs import execution
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run, progress_of, steps_of

SMALL = ["train.epochs=10000", "train.patience=10000", "train.size_px=64", "train.batch_size=4", "train.lr=1e-3"]


def run_for(workspace, checkpoint, minutes):
    return create_run(workspace, load_config("quick", [*SMALL, f"checkpoint={checkpoint}", f"train.minutes={minutes}"]))


def test_the_learning_rate_ends_at_0_when_the_time_does(workspace, store, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(execution, "_scoring_seconds", lambda *_: 0.5)
    run = run_for(workspace, tiny_checkpoint, 0.1)
    outcome = execute(OpenedRun(workspace, run.id))
    events = OpenedRun(workspace, run.id).folder.read_events()
    epochs = [event for event in events if event["event"] == "epoch"]
    assert store.run(run.id).status == "finished"
    assert 1 <= outcome.epochs < 1000
    assert epochs[-1]["lr"] < 1e-5 < max(event["lr"] for event in epochs) or len(epochs) == 1
    taken, planned = steps_of([event for event in events if event["event"] == "step"][-1])
    assert 0 < taken <= planned < 10_000 * 8
    assert progress_of(events).share == 1


def test_minutes_that_scoring_alone_would_take_are_refused(workspace, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(execution, "_scoring_seconds", lambda *_: 90.0)
    run = run_for(workspace, tiny_checkpoint, 1)
    with pytest.raises(DrywallError, match=r"train\.minutes is 1, and scoring alone will take about 1\.5; give it more"):
        execute(OpenedRun(workspace, run.id))


def test_scoring_is_reckoned_from_looks_at_a_few_photos(workspace, tiny_segmenter, tiny_checkpoint):
    config = load_config("quick", [f"checkpoint={tiny_checkpoint}"])
    val = execution.examples(workspace, workspace.store.samples(split="val"))
    alone = execution._scoring_seconds(tiny_segmenter, config, val, 10)
    assert alone > 0
    assert execution._scoring_seconds(tiny_segmenter, config, val, 0) == 0


def test_a_resumed_run_has_the_minutes_that_are_left(workspace, store, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(execution, "_scoring_seconds", lambda *_: 0.5)
    run = run_for(workspace, tiny_checkpoint, 0.1)
    opened = OpenedRun(workspace, run.id)
    before = execute(opened)
    store.update_run(run.id, status="stopped")
    state = execution._read_state(opened.folder.last_state)
    assert 0.5 * before.seconds < state.seconds <= before.seconds  # the writing of the state comes after
    state.seconds = 60.0  # more than there were
    execution._write_state(opened.folder.last_state, state)
    after = execute(opened, resume=True)
    assert after.epochs == before.epochs
    assert store.run(run.id).status == "finished"
