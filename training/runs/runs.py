"""Runs: their folders, events, processes and states. A run's process outlives the page that launched it."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from core.errors import RequestError
from core.files import write_atomically
from data.store.actors import SYSTEM
from data.store.records import Run
from data.store.store import Store
from data.workspace import Workspace
from training.config import RunConfig, dump_config
from training.runs.opened import OpenedRun

ROOT = Path(__file__).parents[2]
ACTIVE = ("queued", "running")


def create_run(workspace: Workspace, config: RunConfig) -> Run:
    """Queue a run: its row, its folder, its configuration with the label set it will see. Raises RequestError."""
    label_set = workspace.store.label_set(config.label_set) if config.label_set else workspace.store.current_label_set()
    config = config.changed(label_set=label_set.name)
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    write_atomically(OpenedRun(workspace, run_id).folder.config, dump_config(config).encode())
    return workspace.store.create_run(
        run_id, name=config.name, checkpoint=config.checkpoint, label_set=label_set.name, config=config.model_dump(mode="json")
    )


def launch(workspace: Workspace, config: RunConfig) -> Run:
    """Start a run in a process of its own, in a session of its own; its output goes to log.txt."""
    run = create_run(workspace, config)
    return _start(OpenedRun(workspace, run.id), ["train", "--queued", run.id])


def relaunch(run: OpenedRun) -> Run:
    """Go on with a stopped or failed run in a process of its own. Raises RequestError when there is nothing to go on with."""
    check_resumable(run)
    return _start(run, ["resume", run.id])


def check_resumable(run: OpenedRun) -> None:
    """Raises RequestError for a run that is active, finished, or has no whole epoch behind it."""
    record = current_run(run.store, run.id)
    if record.status in ACTIVE and record.pid not in (None, os.getpid()):
        raise RequestError(f"run {run.id} is {record.status}; stop it before resuming it")
    if record.status == "finished":
        raise RequestError(f"run {run.id} is finished; start a new run from its checkpoint instead")
    if not run.folder.last_state.is_file():
        raise RequestError(f"run {run.id} ended before its first epoch was whole; start it anew with drywall-qa train")


def _start(run: OpenedRun, arguments: list[str]) -> Run:
    command = [sys.executable, "-m", "training.cli", *arguments, "--workspace", str(run.workspace.root)]
    with run.folder.log.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    threading.Thread(target=process.wait, daemon=True).start()  # reaps it, should it end before this program
    started = process_started(process.pid)
    run.store.update_run(run.id, status="queued", pid=process.pid, pid_started=started, reason="")
    return run.store.run(run.id)


def stop(store: Store, run_id: str) -> None:
    """Ask a run to stop after the step it is in; the best checkpoint stays. Raises RequestError if it is not active."""
    run = current_run(store, run_id)
    if run.status not in ACTIVE or run.pid is None:
        raise RequestError(f"run {run_id} is {run.status}, there is nothing to stop")
    os.kill(run.pid, signal.SIGTERM)


def delete(run: OpenedRun) -> None:
    """The run, its scores and its folder, for good. Raises RequestError while it is active."""
    record = current_run(run.store, run.id)
    if record.status in ACTIVE and record.pid is not None:
        raise RequestError(f"run {run.id} is {record.status}; stop it before deleting it")
    run.store.delete_run(run.id)
    shutil.rmtree(run.folder.root, ignore_errors=True)


def current_run(store: Store, run_id: str) -> Run:
    """The run as it is now: one whose process is gone without a word has failed, and is recorded so."""
    return _with_liveness(store, store.run(run_id))


def current_runs(store: Store) -> list[Run]:
    """All runs as they are now, newest first."""
    return [_with_liveness(store, run) for run in store.runs()]


def history(runs: Iterable[Run]) -> pd.DataFrame:
    """The runs as a table, one row each, in their order."""
    return pd.DataFrame(
        {
            "run": run.id,
            "name": run.name,
            "state": run.status,
            "labels": run.label_set,
            "from": Path(run.checkpoint).name,
            "best epoch": run.best_epoch,
            "validation mIoU": run.best_val_miou,
            "minutes": run.seconds and run.seconds / 60,
            "started": run.started_at,
            "note": run.note,
            "reason": run.reason,
        }
        for run in runs
    )


@dataclass(frozen=True)
class RunProgress:
    """What events say: share in [0, 1] of all steps, the epochs done, the steps of the running epoch."""

    share: float
    what: str
    seconds_left: float | None
    epochs: list[dict[str, Any]]
    steps: list[dict[str, Any]]


def steps_of(step: dict[str, Any]) -> tuple[int, int]:
    """How many steps were taken after this one, and how many are planned; events from before 0.3 do not say it themselves."""
    if "planned" in step:
        return step["taken"], step["planned"]
    return (step["epoch"] - 1) * step["steps"] + step["step"], step["steps"] * step["epochs"]


def progress_of(events: list[dict[str, Any]]) -> RunProgress:
    """Time left is extrapolated from the steps so far, as if every step were run; early stopping only makes it shorter."""
    epochs = list({event["epoch"]: event for event in events if event["event"] == "epoch"}.values())
    steps = [event for event in events if event["event"] == "step"]
    if not steps:
        seams = next((event for event in reversed(events) if event["event"] == "seams"), None)
        what = f"looking for seams in boxes, {seams['done']} of {seams['total']} photos" if seams else "starting"
        return RunProgress(0.0, what, None, epochs, [])
    last = steps[-1]
    taken, planned = steps_of(last)
    share = taken / planned
    what = f"epoch {last['epoch']} of {last['epochs']}, step {last['step']} of {last['steps']}"
    if len(epochs) == last["epoch"]:
        what = f"epoch {last['epoch']} of {last['epochs']} done"
    for name, doing in (("choosing thresholds", "choosing thresholds"), ("scoring", "scoring the test split")):
        if any(event["event"] == name for event in events):
            share, what = 1.0, doing
    start = next(event for event in reversed(events) if event["event"] == "started")
    done_before = start.get("epoch", 0) * last["steps"] / planned  # a resumed run began there
    elapsed = (datetime.fromisoformat(last["time"]) - datetime.fromisoformat(start["time"])).total_seconds()
    left = elapsed * (1 - share) / (share - done_before) if share > done_before else None
    return RunProgress(min(share, 1.0), what, left, epochs, steps)


def _with_liveness(store: Store, run: Run) -> Run:
    if run.status not in ACTIVE or run.pid is None or _is_alive(run.pid, run.pid_started):
        return run
    again = store.run(run.id)  # it may have finished between the two looks
    if again.status not in ACTIVE:
        return again
    reason = "its process ended without a word (killed, or the machine restarted); see log.txt in its folder"
    store.acting_as(SYSTEM).update_run(run.id, status="failed", reason=reason, finished_at=datetime.now(UTC))
    return replace(run, status="failed", reason=reason)


def _is_alive(pid: int, started: float | None) -> bool:
    try:
        process = psutil.Process(pid)
        now = process_started(pid)
        # runs from before 0.6 recorded the time of day
        same = started is None or (now is not None and min(abs(now - started), abs(process.create_time() - started)) < 2)
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def process_started(pid: int) -> float | None:
    """Seconds from the machine's start to the process's: what tells it from a later one of the same number, also after somebody set
    the clock. None where there is none."""
    try:
        return psutil.Process(pid).create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return None
