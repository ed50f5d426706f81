import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import RequestError, StaleRevisionError, WorkspaceError
from core.masks.mask import decode_rle, encode_rle
from core.metrics.table import METRICS, TITLES, Metric
from data.store import database
from data.store.records import ImageRecord, NewSample, Score
from data.store.store import Store
from data.store.upgrades import SCHEMA_VERSION

MASK = np.eye(4, 6, dtype=bool)
FIRST = ("iou", "dice", "precision", "recall")  # metrics of the first version


def save(store, mask, based_on, sample=1):
    return store.save_label(sample, mask, based_on=based_on, author="ann", tool="drawn")


def test_every_save_is_a_new_revision_and_nothing_is_overwritten(filled):
    save(filled, ~MASK, 1)
    save(filled, MASK, 2)
    assert [(r.number, r.parent, r.tool) for r in filled.revisions(1)] == [(3, 2, "drawn"), (2, 1, "drawn"), (1, None, "import")]
    assert np.array_equal(decode_rle(filled.label(1, 2).rle), ~MASK)
    assert filled.sample(1).review_state == "fixed"


def test_a_stale_save_is_refused_and_both_are_kept(filled):
    save(filled, ~MASK, 1)
    with pytest.raises(StaleRevisionError, match="revision 2 by now, yours began at 1") as caught:
        save(filled, MASK, 1)
    assert caught.value.current == 2
    assert len(filled.revisions(1)) == 2


def _save_often(path: str, name: str, done) -> None:
    store, saved = Store(Path(path)), 0
    while saved < 8:
        try:
            number = store.sample(1).revision
            store.save_label(1, MASK, based_on=number, author=name, tool="drawn", comment=f"{name}{saved}")
            saved += 1
        except StaleRevisionError:
            continue
    done.put(name)


def test_two_processes_lose_no_save(filled, tmp_path):
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    processes = [context.Process(target=_save_often, args=(str(tmp_path / "qa.db"), name, done)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    revisions = filled.revisions(1)
    assert [r.number for r in revisions] == list(range(17, 0, -1))
    assert {r.comment for r in revisions} == {"", *(f"{name}{i}" for name in "ab" for i in range(8))}


def test_a_saved_label_survives_kill_9(filled, tmp_path):
    code = (
        "import sys, time, numpy as np; from pathlib import Path; from data.store.store import Store\n"
        "Store(Path(sys.argv[1])).save_label(1, np.ones((4, 6), bool), based_on=1, author='a', tool='drawn')\n"
        "print('saved', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "qa.db")], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"saved\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert filled.label(1).area_px == 24


def test_adding_again_changes_nothing(filled):
    save(filled, ~MASK, 1)
    sample = NewSample("h0", "cracks", "other.jpg", "test", False, encode_rle(MASK))
    filled.add_images([ImageRecord("h0", "x", 4, 6)])
    assert filled.add_samples([sample]) == 0
    assert filled.sample(1).revision == 2


def test_frozen_labels_stay_as_they_were(filled):
    frozen = filled.freeze_labels("first")
    assert filled.current_label_set() == frozen
    save(filled, ~MASK, 1)
    assert np.array_equal(decode_rle(filled.labels("first")[1].rle), MASK)
    assert np.array_equal(decode_rle(filled.labels()[1].rle), ~MASK)
    assert filled.current_label_set().name == "labels-1"
    with pytest.raises(RequestError, match="is taken"):
        filled.freeze_labels("first")
    with pytest.raises(RequestError, match="unknown; there are"):
        filled.label_set("nope")


def test_scores_are_replaced_and_joined(filled):
    name = filled.freeze_labels("s").name
    filled.create_run("r", name="n", checkpoint="compact", label_set=name, config={"a": 1})
    for value in (0.1, 0.9):
        filled.save_scores([Score("r", 2, "test", 1, 0.5, 1, 2, 3, 4, dict.fromkeys(FIRST, value))])
    table = filled.scores("r", "test")
    assert table[["sample_id", "iou", "file_name", "class_name"]].to_numpy().tolist() == [[2, 0.9, "1.jpg", "cracks"]]
    assert filled.scores("other").empty


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.sample(99), "sample 99 is not in"),
        (lambda s: s.run("x"), "run x is not in"),
        (lambda s: s.add_review(1, "perfect", "ann"), "state perfect is unknown"),
        (lambda s: s.add_review(1, "accepted", " "), "name is missing"),
        (lambda s: save(s, np.ones((2, 2), bool), 1), "the mask is"),
        (lambda s: s.label(1, 9), "no label revision 9"),
    ],
)
def test_wrong_requests_are_sentences(filled, call, words):
    with pytest.raises(RequestError, match=words):
        call(filled)


def test_reviews_are_kept_newest_first(filled):
    filled.add_review(1, "skipped", "ann", "blurred")
    filled.add_review(1, "accepted", "bob")
    assert [(r.state, r.reviewer, r.comment) for r in filled.reviews(1)] == [
        ("accepted", "bob", ""),
        ("skipped", "ann", "blurred"),
    ]
    assert filled.counts().set_index("review_state")["samples"].to_dict() == {"accepted": 1, "to review": 2}


SCORED = Score("r", 2, "test", 1, 0.5, 1, 2, 3, 4, dict(zip(FIRST, (0.1, 0.2, 0.3, 0.4), strict=True)))
NEW_COLUMNS = [*(key for key in TITLES if key not in FIRST), "grid_height", "grid_width"]


def columns_of(path):
    connection = sqlite3.connect(path)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {
        name: sorted(  # SQLAlchemy writes DOUBLE from 2.1 on; to SQLite both are REAL
            (column, kind.replace("DOUBLE", "FLOAT"), required, default)
            for _, column, kind, required, default, _ in connection.execute(f"PRAGMA table_info({name})")
        )
        for name in names
    }
    connection.close()
    return found


def test_an_older_workspace_is_upgraded_in_place_and_keeps_its_scores(filled, tmp_path, take_back):
    name = filled.freeze_labels("s").name
    filled.create_run("r", name="n", checkpoint="compact", label_set=name, config={"a": 1})
    filled.save_scores([SCORED])
    filled.close()
    new = columns_of(tmp_path / "qa.db")
    take_back(tmp_path / "qa.db")
    assert columns_of(tmp_path / "qa.db") != new
    upgraded = Store(tmp_path / "qa.db")
    assert columns_of(tmp_path / "qa.db") == new
    row = upgraded.scores("r").iloc[0]
    assert (row.iou, row.recall) == (0.1, 0.4)
    assert row[NEW_COLUMNS].isna().all()
    upgraded.save_scores([replace(SCORED, metrics=SCORED.metrics | {"tolerant_f1_2px": 0.9})])
    assert upgraded.scores("r")["tolerant_f1_2px"].tolist() == [0.9]
    upgraded.close()
    Store(tmp_path / "qa.db").close()  # and nothing is upgraded twice


def test_a_metric_that_is_added_to_the_list_is_a_column_of_a_workspace_that_is_there(filled, tmp_path, monkeypatch):
    filled.close()
    added = Metric("hausdorff", "Hausdorff", "Farthest distance.", lambda comparison: 0.0)
    monkeypatch.setattr(database, "METRICS", (*METRICS, added))
    before = {column for column, *_ in columns_of(tmp_path / "qa.db")["scores"]}
    Store(tmp_path / "qa.db").close()
    assert {column for column, *_ in columns_of(tmp_path / "qa.db")["scores"]} - before == {"hausdorff"}


def test_two_may_open_an_old_workspace_at_once(filled, tmp_path, take_back):
    filled.close()
    take_back(tmp_path / "qa.db")
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(Store, [tmp_path / "qa.db"] * 4):
            assert store.scores().empty
            store.close()


def test_newer_and_broken_workspaces_are_refused(filled, tmp_path):
    with sqlite3.connect(tmp_path / "qa.db") as connection:
        connection.execute("UPDATE workspace SET schema_version = 99")
    connection.close()
    with pytest.raises(WorkspaceError, match=f"schema version 99, this program knows {SCHEMA_VERSION}"):
        Store(tmp_path / "qa.db")
    (tmp_path / "junk.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(WorkspaceError, match="cannot be opened"):
        Store(tmp_path / "junk.db")
