"""A queue of runs: each waits in its own process until those before it leave cores and memory; the oldest goes first.

How many train at once: DRYWALL_QA_RUNS_AT_ONCE, or one for every four cores, since two on the same cores slow each other manyfold.
"""

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import psutil

from core.errors import ConfigError
from training.runs.opened import OpenedRun
from training.runs.runs import current_runs, process_started

RUNS_VARIABLE = "DRYWALL_QA_RUNS_AT_ONCE"
NEEDED_GB = 2.5
"""Free memory without which no second run begins: what training the full-size model takes."""
_LOOK_SECONDS = 1.0


def runs_at_once() -> int:
    """Raises ConfigError for a number that is none."""
    text = os.environ.get(RUNS_VARIABLE, "")
    if not text:
        return max(1, (psutil.cpu_count(logical=False) or 1) // 4)
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{RUNS_VARIABLE} must be a whole number from 1 on, got {text}")
    return int(text)


def wait_for_turn(run: OpenedRun, on_wait: Callable[[str], None] = lambda reason: None) -> bool:
    """Waits until the run may begin; returns False where it was asked to stop meanwhile, and is recorded as stopped.

    on_wait: told once for each reason to wait, in a sentence.
    """
    stopping, told = listen_for_stop(), ""
    run.store.update_run(run.id, pid=os.getpid(), pid_started=process_started(os.getpid()), status="queued", reason="")
    while reason := _why_not_yet(run):
        if reason != told:
            told = reason
            run.store.update_run(run.id, reason=reason)
            on_wait(reason)
        if stopping.wait(_LOOK_SECONDS):
            run.store.update_run(
                run.id, status="stopped", reason="it was stopped before its turn came", finished_at=datetime.now(UTC)
            )
            return False
    run.store.update_run(run.id, reason="")
    return True


def _why_not_yet(run: OpenedRun) -> str:
    """Empty when its turn has come."""
    runs, own = current_runs(run.store), run.record.created_at
    training = [other.id for other in runs if other.status == "running" and other.id != run.id]
    earlier = [r.id for r in runs if r.status == "queued" and r.pid is not None and r.id != run.id and r.created_at < own]
    if earlier:
        return f"it waits for its turn after run {earlier[-1]}"
    if len(training) >= runs_at_once():
        return f"it waits for run {training[-1]} to end; {runs_at_once()} at once ({RUNS_VARIABLE})"
    free_gb = psutil.virtual_memory().available / 1e9
    if training and free_gb < NEEDED_GB:
        return f"it waits for memory: {free_gb:.1f} GB are free, a second run needs {NEEDED_GB}"
    return ""


def listen_for_stop() -> threading.Event:
    """Set by SIGTERM and Ctrl-C from now on, in the main thread."""
    stopping = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
    return stopping
