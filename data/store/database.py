"""The database below the store: one engine, short transactions, and a schema that is brought up to date when opened.

SQLite in WAL mode, and nothing else for now: upgrades and statements are SQLite's.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import create_engine, event, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import DrywallError, RequestError, WorkspaceError
from core.metrics.table import METRICS
from data.store import tables as t
from data.store.actors import ALONE, UNLOGGED, Actor
from data.store.upgrades import SCHEMA_VERSION, UPGRADES

BUSY_SECONDS = 10
"""For so long a write waits for others."""


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

        Raises WorkspaceError for a database made by a newer version, one that cannot be opened, or a folder that cannot be written to.
        """
        self._actor = ALONE
        self._engine, self._writer = (create_engine(URL.create("sqlite", database=str(database))) for _ in range(2))
        _configure_sqlite(self._engine, writes=False)
        _configure_sqlite(self._writer, writes=True)
        try:
            self._bring_up_to_date()
        except SQLAlchemyError as error:
            reason, remedy = str(error.__cause__), ""
            if "readonly" in reason or "unable to open" in reason:
                remedy = "; its folder must be writable for the user who runs this"
            elif "malformed" in reason or "not a database" in reason:
                remedy = "; put a backup in its place (drywall-qa restore)"
            raise WorkspaceError(f"{database} cannot be opened as a workspace database ({reason}){remedy}") from error

    def close(self) -> None:
        self._engine.dispose()
        self._writer.dispose()

    def acting_as(self, actor: Actor) -> Self:
        """The same store for somebody else: what is written through it is theirs, and goes as far as their role."""
        other = copy.copy(self)
        other._actor = actor
        return other

    @property
    def actor(self) -> Actor:
        return self._actor

    @contextmanager
    def _read(self) -> Iterator[Session]:
        """Sees one state of the database, waits for nobody and can change nothing."""
        with _in_sentences(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _write(self, action: str, target: object = "") -> Iterator[Session]:
        """One writes at a time, the others wait. action: one of `data.store.actors.ACTIONS`; target: of what, for the log.

        Raises NotAllowedError where the actor's role does not go so far, before anything is looked at.
        """
        self._actor.check(action)
        with _in_sentences(), TouchingSession(self._writer) as session, session.begin():
            session.info["actor"] = self._actor
            yield session
            session.flush()
            if session.touched:
                self._touched(session, sorted(session.touched))
            if action not in UNLOGGED:
                who = {"actor": self._actor.name, "role": self._actor.role}
                session.add(t.AuditRow(at=now_utc(), action=action, target=str(target)[:200], **who))

    def _touched(self, session: Session, ids: Sequence[int]) -> None:
        """What follows from a sample's rows is brought up to date, in the transaction that changed them."""

    def _bring_up_to_date(self) -> None:
        with (
            TouchingSession(self._writer) as session,
            session.begin(),
        ):  # one transaction: of two that open an old workspace, one upgrades it
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
            for event_name in ("UPDATE", "DELETE"):  # who did what is added to, and never changed
                name = f"audit_no_{event_name.lower()}"
                refuse = f"BEFORE {event_name} ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
                connection.execute(text(f"CREATE TRIGGER IF NOT EXISTS {name} {refuse}"))
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


def named(reviewer: str, purpose: str, actor: Actor = ALONE) -> str:
    """Of who signed in, else the name that was typed, without blanks around it. Raises RequestError when there is none."""
    if actor.name:
        return actor.name
    if not reviewer.strip():
        raise RequestError(f"the reviewer's name is missing; type it before {purpose}")
    return reviewer.strip()


@contextmanager
def _in_sentences() -> Iterator[None]:
    """What a database can do wrong on a good day, as a sentence with its remedy."""
    try:
        yield
    except DatabaseError as error:
        reason = str(error.orig)
        if "locked" in reason or "busy" in reason:
            words = f"others have been writing to the workspace for more than {BUSY_SECONDS} seconds; try again"
            raise DrywallError(words) from error
        if "full" in reason:
            raise DrywallError("the disk is full, and nothing of this was saved; free some space and do it again") from error
        if "malformed" in reason or "not a database" in reason:
            words = "the workspace's database is damaged; put a backup in its place (drywall-qa restore)"
            raise WorkspaceError(words) from error
        if "readonly" in reason:
            raise WorkspaceError(
                "the workspace cannot be written to; make its folder writable for the user who runs this"
            ) from error
        raise


def _configure_sqlite(engine: Any, *, writes: bool) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, by our own word
        pragmas = ["journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"] if writes else ["query_only=ON"]
        for pragma in (f"busy_timeout={1000 * BUSY_SECONDS}", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
