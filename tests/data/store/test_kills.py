"""A process that is killed between any two statements of a save leaves the draft or what became of it, never neither nor both."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.masks.mask import decode_rle
from core.masks.strokes import patch_between
from data.store.drafts import Stroke
from data.store.store import Store

ROOT = Path(__file__).parents[3]
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from sqlalchemy import event
from core.masks.mask import decode_rle
from data.store.store import Store

database, folder, work = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def run(copy, survived):
    store = Store(copy)
    draft, label = store.draft(1, "Ann"), decode_rle(store.label(1, 1).rle)
    steps = 0

    def step(*_):
        nonlocal steps
        steps += 1
        if steps > survived:
            os.kill(os.getpid(), signal.SIGKILL)

    for moment in ("before_cursor_execute", "commit", "checkin"):  # a connection is checked in after its commit
        event.listen(store._writer, moment, step)
    if work == "save":
        store.save_label(1, draft.draw_on(label), based_on=1, author="Ann", tool="editor", draft=draft)
    else:
        store.rebase_draft(draft, label, 2)
    os._exit(0)

for survived in range(100):
    copy = Path(shutil.copy(database, folder / f"{survived:02}.db"))
    process = os.fork() or run(copy, survived)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status != -signal.SIGKILL:
        sys.exit(status)
sys.exit("it never ended by itself")
"""


@pytest.fixture
def drawn(workspace, store):
    """A draft of two strokes on sample 1; returns its database, the label and what the draft makes of it."""
    label = decode_rle(store.label(1).rle)
    once, twice = label.copy(), label.copy()
    once[10:14] = ~label[10:14]
    twice[10:14], twice[50:52] = once[10:14], ~label[50:52]
    for before, after in ((label, once), (once, twice)):
        store.add_strokes(1, "Ann", 1, [Stroke("brush", False, patch_between(before, after))])
    store.close()
    return workspace.root / "qa.db", label, twice


def kills(database, work, folder):
    """The stores as each kill left them, the first before the first statement, the last not killed at all."""
    folder.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, database, folder, work], check=True, cwd=ROOT)
    for copy in sorted(folder.glob("*.db")):
        store = Store(copy)
        yield store
        store.close()


def test_a_save_killed_anywhere_leaves_the_draft_or_the_revision(drawn, tmp_path):
    database, label, mine = drawn
    found = []
    for store in kills(database, "save", tmp_path / "kills"):
        draft, newest = store.draft(1, "Ann"), store.label(1)
        assert (draft is None) == (newest.number == 2)
        assert np.array_equal(decode_rle(newest.rle) if draft is None else draft.draw_on(label), mine)
        assert len(store.reviews(1)) == newest.number - 1
        found.append(newest.number)
    assert found == sorted(found)
    assert set(found) == {1, 2}


def test_a_draft_put_on_a_newer_revision_survives_a_kill_anywhere(drawn, tmp_path):
    database, label, mine = drawn
    store = Store(database)
    store.save_label(1, ~label, based_on=1, author="Bob", tool="brush")
    store.close()
    found = []
    for store in kills(database, "rebase", tmp_path / "kills"):
        draft = store.draft(1, "Ann")
        base = label if draft.based_on == 1 else ~label
        assert np.array_equal(draft.draw_on(base), np.where(mine != label, mine, base))
        found.append((draft.based_on, len(draft.strokes)))
    assert found == sorted(found)
    assert set(found) == {(1, 2), (2, 1)}
