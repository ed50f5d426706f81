"""An upload is read in a child with limits: what kills it kills nothing else."""

import io
import json
import pickle
import subprocess

import pytest

from core.errors import RequestError
from data.exchange import guarded
from data.exchange.guarded import _Answer, read_upload_guarded
from data.exchange.label_import import read_upload


def coco_of(store):
    sample = store.samples(class_name="cracks")[0]
    height, width = sample.size_hw
    images = [{"id": 1, "file_name": sample.file_name, "width": width, "height": height}]
    ring = [[2, 2, 30, 2, 30, 30, 2, 30]]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": ring}]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cracks"}]}).encode()


def test_it_finds_what_reading_here_finds(workspace, store):
    content = coco_of(store)
    there, here = read_upload_guarded(workspace, "a.json", content), read_upload(store, "a.json", content)
    assert there.changes == here.changes
    assert len(there.changes) == 1


def test_an_expected_failure_comes_back_as_its_sentence(workspace):
    with pytest.raises(RequestError, match=r"format of a\.txt cannot be told"):
        read_upload_guarded(workspace, "a.txt", b"hello")


def test_what_takes_too_much_memory_or_time_is_stopped_and_said(workspace, store, monkeypatch):
    monkeypatch.setattr(guarded, "SECONDS", 0.05)
    with pytest.raises(RequestError, match="took more than 0 seconds"):
        read_upload_guarded(workspace, "a.json", coco_of(store))
    monkeypatch.undo()
    blanks = b"[" + b"[]," * 25_000_000 + b"[]]"  # a list of so many lists takes more than the limit
    with pytest.raises(RequestError, match=r"more than 1.5 GB of memory|more memory than there is"):
        read_upload_guarded(workspace, "a.json", blanks, "coco")


def test_an_answer_builds_nothing_but_own_records():
    with pytest.raises(pickle.UnpicklingError):
        _Answer(io.BytesIO(pickle.dumps(print))).load()
    with pytest.raises(pickle.UnpicklingError):
        _Answer(io.BytesIO(pickle.dumps(subprocess.Popen))).load()
