"""The queue of runs: real processes in one workspace."""

import os
import threading
import time

import psutil
import pytest

from core.errors import ConfigError, RequestError
from training.config import load_config
from training.runs import turn
from training.runs.opened import OpenedRun
from training.runs.runs import create_run, current_run, delete, launch, process_started, stop
from training.runs.turn import RUNS_VARIABLE, runs_at_once, wait_for_turn

SMALL = ["train.epochs=1", "train.size_px=64", "train.batch_size=4"]


def until(condition, seconds=180):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.2)


def running(store, workspace):
    """A run that another live process seems to train."""
    run = create_run(workspace, load_config("quick"))
    parent = psutil.Process(os.getppid())
    store.update_run(run.id, status="running", pid=parent.pid, pid_started=parent.create_time())
    return run


def test_a_second_run_waits_says_why_and_goes_when_the_first_has_ended(workspace, store, monkeypatch):
    monkeypatch.setattr(turn, "_LOOK_SECONDS", 0.05)
    monkeypatch.setenv(RUNS_VARIABLE, "1")
    first = running(store, workspace)
    second, third = (OpenedRun(workspace, create_run(workspace, load_config("quick")).id) for _ in range(2))
    told, went = [], []
    waiting = threading.Thread(target=lambda: went.append(wait_for_turn(second, told.append)))
    waiting.start()
    until(lambda: told, 10)
    assert f"it waits for run {first.id} to end" in told[0]
    assert (store.run(second.id).status, store.run(second.id).reason) == ("queued", told[0])
    told_third = []
    monkeypatch.setattr(turn, "listen_for_stop", lambda: stopping)
    stopping = threading.Event()
    later = threading.Thread(target=lambda: went.append(wait_for_turn(third, told_third.append)))
    later.start()
    until(lambda: told_third, 10)
    assert told_third == [f"it waits for its turn after run {second.id}"]
    stopping.set()
    later.join()
    assert went == [False]
    assert store.run(third.id).status == "stopped"
    store.update_run(first.id, status="finished")
    waiting.join()
    assert went == [False, True]
    assert store.run(second.id).reason == ""


def test_two_at_once_need_memory_for_both(workspace, store, monkeypatch):
    running(store, workspace)
    run = OpenedRun(workspace, create_run(workspace, load_config("quick")).id)
    monkeypatch.setenv(RUNS_VARIABLE, "2")
    assert turn._why_not_yet(run) == ""
    monkeypatch.setattr(turn, "NEEDED_GB", 1e6)
    assert "it waits for memory" in turn._why_not_yet(run)


def test_a_number_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv(RUNS_VARIABLE, "many")
    with pytest.raises(ConfigError, match="must be a whole number from 1 on, got many"):
        runs_at_once()


def test_of_two_launched_runs_one_trains_after_the_other_and_a_queued_one_is_stopped(
    workspace, store, tiny_checkpoint, monkeypatch
):
    monkeypatch.setenv(RUNS_VARIABLE, "1")
    config = load_config("quick", [*SMALL, f"checkpoint={tiny_checkpoint}"])
    one, two, three = (launch(workspace, config) for _ in range(3))
    until(lambda: store.run(three.id).reason)
    stop(store, three.id)
    until(lambda: current_run(store, three.id).status == "stopped")
    until(lambda: current_run(store, two.id).status == "finished")
    first, second = store.run(one.id), store.run(two.id)
    assert first.status == "finished"
    assert second.started_at >= first.finished_at
    assert len(OpenedRun(workspace, one.id).folder.watched_epochs()) == 1


def test_a_deleted_run_leaves_nothing(trained_once, tmp_path):
    import shutil

    from data.workspace import Workspace

    workspace = Workspace(shutil.copytree(trained_once[0], tmp_path / "w", symlinks=True))
    run = OpenedRun(workspace, trained_once[1])
    assert run.folder.root.is_dir()
    workspace.store.update_run(run.id, status="running", pid=os.getppid(), pid_started=psutil.Process(os.getppid()).create_time())
    with pytest.raises(RequestError, match="stop it before deleting"):
        delete(run)
    workspace.store.update_run(run.id, status="finished")
    delete(run)
    assert not run.folder.root.exists()
    assert workspace.store.runs() == []
    assert workspace.store.scored_runs() == set()
    assert workspace.store.scores().empty
    assert {one.iou for one in workspace.store.standings([s.id for s in workspace.store.samples()]).values()} == {None}
    workspace.store.close()


def test_a_run_lives_on_when_somebody_sets_the_clock(workspace, store, monkeypatch):
    run = running(store, workspace)
    parent = psutil.Process(os.getppid())
    store.update_run(run.id, pid_started=process_started(parent.pid))
    created, booted = psutil.Process.create_time, psutil.boot_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) - 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted() - 3600)
    assert current_run(store, run.id).status == "running"
    monkeypatch.setattr(psutil, "boot_time", booted)  # another process of that number, an hour older
    assert current_run(store, run.id).status == "failed"
