"""The database below the store: one engine, short transactions, and a schema that is brought up to date when opened.

SQLite in WAL mode, and nothing else for now: upgrades and statements are SQLite's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import RequestError, WorkspaceError
from core.metrics.table import METRICS
from data.store import tables as t
from data.store.upgrades import SCHEMA_VERSION, UPGRADES


class TouchingSession(Session):
    """Notes the samples that it changes anything of."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.touched: set[int] = set()


_OF_A_SAMPLE = (t.LabelRevisionRow, t.ReviewRow, t.ScoreRow, t.DoubtRow, t.HoneypotRow, t.SentRow)


@event.listens_for(TouchingSession, "after_flush")
def _note_touched(session: TouchingSession, _: Any) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, t.SampleRow):
            session.touched.add(row.id)
        elif isinstance(row, _OF_A_SAMPLE):
            session.touched.add(row.sample_id)


class Database:
    def __init__(self, database: Path) -> None:
        """Makes the tables of a new SQLite file and upgrades those of an older one.

        Raises WorkspaceError for a database made by a newer version or one that cannot be opened.
        """
        self._engine = create_engine(URL.create("sqlite", database=str(database)))
        _configure_sqlite(self._engine)
        try:
            self._bring_up_to_date()
        except SQLAlchemyError as error:
            raise WorkspaceError(f"{database} cannot be opened as a workspace database ({error.__cause__})") from error

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with TouchingSession(self._engine) as session, session.begin():
            yield session
            session.flush()
            if session.touched:
                self._touched(session, sorted(session.touched))

    def _touched(self, session: Session, ids: Sequence[int]) -> None:
        """What follows from a sample's rows is brought up to date, in the transaction that changed them."""

    def _bring_up_to_date(self) -> None:
        with self._transaction() as session:  # one transaction: of two that open an old workspace, one upgrades it
            connection = session.connection()
            old = inspect(connection).has_table(t.WorkspaceRow.__tablename__)
            version = (session.scalar(select(t.WorkspaceRow.schema_version)) or 1) if old else SCHEMA_VERSION
            if version > SCHEMA_VERSION:
                raise WorkspaceError(
                    f"the workspace has schema version {version}, this program knows {SCHEMA_VERSION}; "
                    "update Drywall QA or choose another --workspace"
                )
            for statements in UPGRADES[version - 1 :]:
                for statement in statements:
                    connection.execute(text(statement))
            t.Base.metadata.create_all(connection)
            known = {column["name"] for column in inspect(connection).get_columns(t.ScoreRow.__tablename__)}
            for metric in METRICS:
                if metric.key not in known:
                    connection.execute(text(f"ALTER TABLE scores ADD COLUMN {metric.key} FLOAT"))
            for table in (t.ScoreRow, t.SampleRow):
                for index in t.Base.metadata.tables[table.__tablename__].indexes:
                    index.create(connection, checkfirst=True)
            if version < SCHEMA_VERSION:
                self._upgraded(session)
            session.merge(t.WorkspaceRow(id=1, schema_version=SCHEMA_VERSION))

    def _upgraded(self, session: Session) -> None:
        """What is counted from rows that were there before is counted now."""


def now_utc() -> datetime:
    return datetime.now(UTC)


def values_of(row: Any) -> dict[str, Any]:
    """The columns of a row by attribute name."""
    return {attribute.key: getattr(row, attribute.key) for attribute in inspect(row).mapper.column_attrs}


def sample_row(session: Session, sample_id: int) -> t.SampleRow:
    """The sample's row, locked until the transaction ends. Raises RequestError for an unknown id."""
    row = session.get(t.SampleRow, sample_id, with_for_update=True)
    if row is None:
        raise RequestError(f"sample {sample_id} is not in this workspace; open it from the Failures page")
    return row


def named(reviewer: str, purpose: str) -> str:
    """The name without blanks around it. Raises RequestError when there is none."""
    if not reviewer.strip():
        raise RequestError(f"the reviewer's name is missing; type it before {purpose}")
    return reviewer.strip()


def _configure_sqlite(engine: Any) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, by our own word
        for pragma in ("busy_timeout=10000", "journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
