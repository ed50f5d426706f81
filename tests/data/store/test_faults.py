"""What a disk, another process and an accident can do to a workspace's database: a sentence with its remedy, and nothing lost."""

import sqlite3
import threading
import time

import numpy as np
import pytest

from core.errors import DrywallError, WorkspaceError
from core.masks.mask import encode_rle
from data.store import database
from data.store.records import ImageRecord, NewSample
from data.store.store import Store

EMPTY = np.zeros((8, 8), bool)


def filled(path, samples=3):
    store, rle = Store(path), encode_rle(np.eye(8, dtype=bool))
    store.add_images(ImageRecord(f"h{n}", f"images/h{n}.png", 8, 8) for n in range(samples))
    store.add_samples(NewSample(f"h{n}", "cracks", f"{n}.png", "test", False, rle) for n in range(samples))
    return store


def save(store, sample_id=1):
    revision = store.sample(sample_id).revision
    return store.save_label(sample_id, EMPTY, based_on=revision, author="ann", tool="brush")


def test_a_write_that_waited_in_vain_says_so_and_a_later_one_goes_through(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    store = filled(tmp_path / "qa.db")
    other = sqlite3.connect(tmp_path / "qa.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DrywallError, match="others have been writing to the workspace"):
        save(store)
    assert store.sample(1).revision == 1
    other.execute("ROLLBACK")
    other.close()
    assert save(store).number == 2
    store.close()


def test_readers_go_on_while_somebody_writes_for_long(tmp_path):
    store = filled(tmp_path / "qa.db")
    began, done = threading.Event(), threading.Event()

    def write() -> None:
        with store._write("fill") as session:
            session.connection().exec_driver_sql("UPDATE samples SET file_name = 'other.png'")
            began.set()
            done.wait(20)

    writer = threading.Thread(target=write)
    writer.start()
    began.wait(20)
    start = time.monotonic()
    assert {sample.file_name for sample in store.samples()} == {"0.png", "1.png", "2.png"}
    assert store.waiting_count() == 3
    assert time.monotonic() - start < 5
    done.set()
    writer.join()
    assert {sample.file_name for sample in store.samples()} == {"other.png"}
    store.close()


def test_a_full_disk_saves_nothing_and_says_so(tmp_path):
    store = filled(tmp_path / "qa.db")
    with store._writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    noise = np.random.default_rng(0).random((900, 900)) < 0.5
    store.add_images([])
    with pytest.raises(DrywallError, match="the disk is full, and nothing of this was saved"):
        store.add_samples([NewSample("h0", "taping", "0.png", "test", False, {**encode_rle(noise), "size": [8, 8]})])
    assert len(store.samples()) == 3
    with store._writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert save(store).number == 2
    store.close()


def test_a_file_that_is_no_database_names_the_remedy(tmp_path):
    (tmp_path / "qa.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(WorkspaceError, match="put a backup in its place"):
        Store(tmp_path / "qa.db")


def test_a_database_damaged_while_it_is_open_names_the_remedy(tmp_path):
    store = filled(tmp_path / "qa.db", 400)
    store.close()
    content = bytearray((tmp_path / "qa.db").read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    (tmp_path / "qa.db").write_bytes(content)

    def look():
        opened = Store(tmp_path / "qa.db")
        try:
            return opened.samples(), opened.labels()
        finally:
            opened.close()

    with pytest.raises(WorkspaceError, match="backup"):
        look()
