"""Backup of a workspace in use, and what comes of it."""

import shutil
import threading

import numpy as np
import pytest

from core.errors import RequestError
from data.backup import backup, restore
from data.workspace import Workspace
from training.runs.opened import OpenedRun


def test_a_workspace_comes_back_whole(trained_once, tmp_path):
    workspace = Workspace(shutil.copytree(trained_once[0], tmp_path / "w", symlinks=True))
    store = workspace.store
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            sample = store.samples(class_name="cracks")[0]
            store.save_label(sample.id, np.ones(sample.size_hw, bool), based_on=sample.revision, author="ann", tool="brush")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        count = backup(workspace, tmp_path / "b.zip")
    finally:
        stopping.set()
        worker.join()
    assert count > 20
    restored = restore(tmp_path / "b.zip", tmp_path / "again")
    assert {s.id for s in restored.store.samples()} == {s.id for s in store.samples()}
    numbers = [revision.number for revision in restored.store.revisions(restored.store.samples(class_name="cracks")[0].id)]
    assert numbers == list(range(len(numbers), 0, -1))
    run = OpenedRun(restored, trained_once[1])
    assert run.predictor() is not None
    assert run.probs("test", int(restored.store.scores(run.id, "test")["sample_id"].iloc[0])).any() is not None
    for photo in (workspace.root / "images").iterdir():
        assert (restored.root / "images" / photo.name).read_bytes() == photo.read_bytes()
    store.close()
    restored.store.close()


def test_what_is_no_backup_and_no_empty_folder_is_refused(workspace, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(RequestError, match="cannot be read as a backup"):
        restore(tmp_path / "x.zip", tmp_path / "new")
    backup(workspace, tmp_path / "b.zip")
    with pytest.raises(RequestError, match="is there already"):
        backup(workspace, tmp_path / "b.zip")
    with pytest.raises(RequestError, match="is not empty"):
        restore(tmp_path / "b.zip", workspace.root)
    content = bytearray((tmp_path / "b.zip").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(RequestError, match=r"backup|damaged"):
        restore(tmp_path / "b.zip", tmp_path / "other")
    workspace.store.close()
