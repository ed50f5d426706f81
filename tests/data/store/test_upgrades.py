import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from core.errors import LockedError
from data.store.store import Store
from data.store.upgrades import SCHEMA_VERSION

OLD = Path(__file__).with_name("workspace_version_1.sql")  # dumped from a workspace of the first version


@pytest.fixture
def old_database(tmp_path):
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(OLD.read_text("utf-8"))
    connection.close()
    return path


def columns(path):
    engine = create_engine(f"sqlite:///{path}")
    found = inspect(engine)
    described = {
        (table, c["name"], str(c["type"]).replace("DOUBLE", "FLOAT"), c["nullable"], c["default"])  # SQLAlchemy 2.0, 2.1
        for table in found.get_table_names()
        for c in found.get_columns(table)
    }
    engine.dispose()
    return described


def test_an_old_workspace_keeps_its_work(old_database):
    store = Store(old_database)
    newest, first = store.revisions(1)
    assert (newest.tool, newest.provenance, newest.human_made, newest.batch) == ("drawn", "drawn", True, None)
    assert (first.tool, first.provenance, first.human_made) == ("import", "imported", True)
    assert store.reviews(1)[0].seconds is None
    assert store.scores("r")["human_made"].tolist() == [True]
    assert store.labels("first")[1].number == 2
    with pytest.raises(LockedError):
        store.restore(1, 1, based_on=2, author="ann")
    store.reopen(1, "ann")
    store.restore(1, 1, based_on=2, author="ann")
    assert [revision.as_imported for revision in store.revisions(1)] == [True, False, True]
    store.close()


def test_an_upgraded_database_is_as_a_new_one(old_database, tmp_path):
    for path in (old_database, tmp_path / "new.db"):
        Store(path).close()
    assert columns(old_database) == columns(tmp_path / "new.db")
    Store(old_database).close()  # and opening it again changes nothing
    connection = sqlite3.connect(old_database)
    assert connection.execute("SELECT schema_version FROM workspace").fetchall() == [(SCHEMA_VERSION,)]
    connection.close()
