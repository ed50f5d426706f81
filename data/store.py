"""The store: samples, label revisions, label sets, runs, scores and reviews. It speaks the domain and hides the SQL.

SQLite in WAL mode by default; any SQLAlchemy URL works. Every call is one short transaction, so a dashboard and a
training process can use one workspace at once.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import create_engine, event, func, insert, inspect, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import RequestError, StaleRevisionError, WorkspaceError
from core.masks import Mask, Rle, encode_rle, rle_area
from data import tables as t
from data.records import (
    REVIEW_STATES,
    ImageRecord,
    ImportReport,
    LabelRevision,
    LabelSet,
    NewSample,
    Problem,
    Review,
    Run,
    Sample,
    Score,
)
from data.upgrades import SCHEMA_VERSION, UPGRADES


class Store:
    def __init__(self, database: Path | str) -> None:
        """A SQLite file, or a SQLAlchemy URL. Makes the tables of a new database and upgrades those of an older one.

        Raises WorkspaceError for a database made by a newer version or one that cannot be opened.
        """
        self.url = URL.create("sqlite", database=str(database)) if isinstance(database, Path) else make_url(database)
        self._engine = create_engine(self.url)
        if self.url.get_backend_name() == "sqlite":
            _configure_sqlite(self._engine)
        try:
            self._bring_up_to_date()
        except SQLAlchemyError as error:
            raise WorkspaceError(f"{database} cannot be opened as a workspace database ({error.__cause__})") from error

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session

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
            session.merge(t.WorkspaceRow(id=1, schema_version=SCHEMA_VERSION))

    # -- samples -------------------------------------------------------------------------------------------------------

    def add_samples(self, images: Iterable[ImageRecord], samples: Iterable[NewSample]) -> int:
        """Add what is not there yet, each sample with its first label revision; returns how many samples are new.

        A sample is known by its image and class; one that exists keeps its labels.
        """
        now, added = _now(), 0
        with self._transaction() as session:
            known_images = set(session.scalars(select(t.ImageRow.hash)))
            session.add_all(t.ImageRow(**asdict(image)) for image in _unseen(images, known_images, lambda i: i.hash))
            session.flush()
            known = {tuple(key) for key in session.execute(select(t.SampleRow.image_hash, t.SampleRow.class_name))}
            for sample in _unseen(samples, known, lambda s: (s.image_hash, s.class_name)):
                values = asdict(sample)
                rle = values.pop("rle")
                row = t.SampleRow(**values, split=sample.source_split, revision=1)
                session.add(row)
                session.flush()
                session.add(_revision_row(row.id, 1, None, rle, "import", "import", "", now))
                added += 1
        return added

    def samples(
        self, *, class_name: str | None = None, split: str | None = None, ids: Sequence[int] | None = None
    ) -> list[Sample]:
        """By id, ascending."""
        query = select(t.SampleRow, t.ImageRow).join(t.ImageRow).order_by(t.SampleRow.id)
        if class_name is not None:
            query = query.where(t.SampleRow.class_name == class_name)
        if split is not None:
            query = query.where(t.SampleRow.split == split)
        if ids is not None:
            query = query.where(t.SampleRow.id.in_(ids))
        with self._transaction() as session:
            return [_sample(sample, image) for sample, image in session.execute(query)]

    def sample(self, sample_id: int) -> Sample:
        """Raises RequestError for an unknown id."""
        found = self.samples(ids=[sample_id])
        if not found:
            raise RequestError(f"sample {sample_id} is not in this workspace; open it from the Failures page")
        return found[0]

    def set_groups_and_splits(self, groups: Mapping[int, str], splits: Mapping[int, str]) -> None:
        """Both maps go by sample id and must name the same samples."""
        rows = [{"id": sample_id, "group": groups[sample_id], "split": split} for sample_id, split in splits.items()]
        if rows:
            with self._transaction() as session:
                session.execute(update(t.SampleRow), rows)

    # -- labels --------------------------------------------------------------------------------------------------------

    def save_label(
        self, sample_id: int, label: Mask | Rle, *, based_on: int, author: str, tool: str, comment: str = ""
    ) -> LabelRevision:
        """Save a mask as the sample's next revision and mark it fixed; nothing is overwritten.

        based_on: the number of the revision that was on the screen. Raises StaleRevisionError if somebody saved a newer
        one meanwhile, RequestError when the mask's size is not the photo's or the author is missing.
        """
        if not author.strip():
            raise RequestError("the reviewer's name is missing; type it before saving")
        sample = self.sample(sample_id)
        rle = label if isinstance(label, dict) else encode_rle(label)
        if tuple(rle["size"]) != sample.size_hw:
            raise RequestError(f"the mask is {rle['size']}, the photo of sample {sample_id} is {sample.size_hw}")
        try:
            with self._transaction() as session:
                row = session.get_one(t.SampleRow, sample_id, with_for_update=True)
                if row.revision != based_on:
                    raise _stale(sample_id, based_on, row.revision)
                revision = _revision_row(sample_id, based_on + 1, based_on, rle, author.strip(), tool, comment, _now())
                session.add(revision)
                row.revision, row.review_state = based_on + 1, "fixed"
                session.add(_review_row(row, "fixed", author, comment))
                session.flush()
                return _revision(revision)
        except IntegrityError as error:  # two saved at the same moment; the other was first
            raise _stale(sample_id, based_on, self.sample(sample_id).revision) from error

    def label(self, sample_id: int, number: int | None = None) -> LabelRevision:
        """The current revision, or revision `number`. Raises RequestError when there is none."""
        for revision in self.revisions(sample_id):
            if number in (None, revision.number):
                return revision
        raise RequestError(f"sample {sample_id} has no label revision {number or ''}")

    def revisions(self, sample_id: int) -> list[LabelRevision]:
        """Newest first."""
        row = t.LabelRevisionRow
        with self._transaction() as session:
            found = session.scalars(select(row).where(row.sample_id == sample_id).order_by(row.number.desc()))
            return [_revision(revision) for revision in found]

    def labels(self, label_set: str | None = None) -> dict[int, LabelRevision]:
        """All labels by sample id: the current ones, or those of a frozen set."""
        row = t.LabelRevisionRow
        if label_set is None:
            join = (t.SampleRow.id == row.sample_id) & (t.SampleRow.revision == row.number)
            query = select(row).join(t.SampleRow, join)
        else:
            self.label_set(label_set)
            item = t.LabelSetItemRow
            query = select(row).join(item, (item.sample_id == row.sample_id) & (item.revision == row.number))
            query = query.where(item.label_set == label_set)
        with self._transaction() as session:
            return {revision.sample_id: _revision(revision) for revision in session.scalars(query)}

    def freeze_labels(self, name: str) -> LabelSet:
        """Freeze the current labels under a name. Raises RequestError when the name is taken or there is no sample."""
        with self._transaction() as session:
            if session.get(t.LabelSetRow, name) is not None:
                raise RequestError(f"the label set name {name} is taken; choose another")
            items = _current_items(session)
            row = t.LabelSetRow(name=name, digest=_digest(items), samples=len(items), created_at=_now())
            session.add(row)
            session.flush()
            rows = [{"label_set": name, "sample_id": sample, "revision": number} for sample, number in items]
            session.execute(insert(t.LabelSetItemRow), rows)
            return _label_set(row)

    def current_label_set(self) -> LabelSet:
        """The frozen set that equals the current labels; one is frozen now if there is none."""
        with self._transaction() as session:
            digest = _digest(_current_items(session))
            row = session.scalars(select(t.LabelSetRow).where(t.LabelSetRow.digest == digest)).first()
            names = set(session.scalars(select(t.LabelSetRow.name)))
            if row is not None:
                return _label_set(row)
        number = next(number for number in range(1, len(names) + 2) if f"labels-{number}" not in names)
        return self.freeze_labels(f"labels-{number}")

    def label_sets(self) -> list[LabelSet]:
        """Newest first."""
        with self._transaction() as session:
            return [_label_set(row) for row in session.scalars(_newest_first(t.LabelSetRow))]

    def label_set(self, name: str) -> LabelSet:
        """Raises RequestError for an unknown name."""
        found = next((label_set for label_set in self.label_sets() if label_set.name == name), None)
        if found is None:
            known = ", ".join(label_set.name for label_set in self.label_sets()) or "none yet"
            raise RequestError(f"label set {name} is unknown; there are: {known}")
        return found

    # -- runs and scores -----------------------------------------------------------------------------------------------

    def create_run(self, run_id: str, *, name: str, checkpoint: str, label_set: str, config: dict[str, Any]) -> Run:
        with self._transaction() as session:
            row = t.RunRow(
                id=run_id, name=name, status="queued", checkpoint=checkpoint, label_set=label_set, config=config,
                created_at=_now(), reason="",
            )  # fmt: skip
            session.add(row)
            session.flush()
            return _run(row)

    def update_run(self, run_id: str, **changes: Any) -> None:
        with self._transaction() as session:
            session.execute(update(t.RunRow).where(t.RunRow.id == run_id).values(**changes))

    def runs(self) -> list[Run]:
        """Newest first."""
        with self._transaction() as session:
            return [_run(row) for row in session.scalars(_newest_first(t.RunRow))]

    def run(self, run_id: str) -> Run:
        """Raises RequestError for an unknown id."""
        with self._transaction() as session:
            row = session.get(t.RunRow, run_id)
            if row is None:
                newest = ", ".join(session.scalars(_newest_first(t.RunRow, t.RunRow.id).limit(5))) or "none yet"
                raise RequestError(f"run {run_id} is not in this workspace; the newest are: {newest}")
            return _run(row)

    def save_scores(self, scores: Sequence[Score]) -> None:
        """Insert or replace by run and sample."""
        with self._transaction() as session:
            for score in scores:
                session.merge(t.ScoreRow(**asdict(score)))

    def scores(self, run_id: str | None = None, split: str | None = None) -> pd.DataFrame:
        """One row a score with the columns of `Score` and the sample's class_name, file_name, image_path, box_only,
        current_revision and review_state."""
        sample = t.SampleRow
        query = (
            select(
                *t.ScoreRow.__table__.columns, sample.class_name, sample.file_name, t.ImageRow.path.label("image_path"),
                sample.box_only, sample.revision.label("current_revision"), sample.review_state,
            )
            .join(sample, sample.id == t.ScoreRow.sample_id)
            .join(t.ImageRow, t.ImageRow.hash == sample.image_hash)
            .order_by(t.ScoreRow.run_id, t.ScoreRow.sample_id)
        )  # fmt: skip
        if run_id is not None:
            query = query.where(t.ScoreRow.run_id == run_id)
        if split is not None:
            query = query.where(t.ScoreRow.split == split)
        with self._engine.connect() as connection:
            return pd.read_sql(query, connection)

    # -- reviews and imports -------------------------------------------------------------------------------------------

    def add_review(self, sample_id: int, state: str, reviewer: str, comment: str = "") -> Review:
        """Raises RequestError for an unknown state, an unknown sample or a missing name."""
        if state not in REVIEW_STATES:
            raise RequestError(f"review state {state} is unknown; use one of {', '.join(REVIEW_STATES)}")
        if not reviewer.strip():
            raise RequestError("the reviewer's name is missing; type it before deciding")
        self.sample(sample_id)
        with self._transaction() as session:
            sample = session.get_one(t.SampleRow, sample_id)
            sample.review_state = state
            row = _review_row(sample, state, reviewer, comment)
            session.add(row)
            session.flush()
            return _review(row)

    def reviews(self, sample_id: int) -> list[Review]:
        """Newest first."""
        row = t.ReviewRow
        with self._transaction() as session:
            return [
                _review(r)
                for r in session.scalars(select(row).where(row.sample_id == sample_id).order_by(row.id.desc()))
            ]

    def save_import(self, report: ImportReport) -> None:
        values = {**asdict(report), "problems": [asdict(problem) for problem in report.problems]}
        with self._transaction() as session:
            session.add(t.ImportRow(**values))

    def last_import(self) -> ImportReport | None:
        with self._transaction() as session:
            row = session.scalars(select(t.ImportRow).order_by(t.ImportRow.id.desc()).limit(1)).first()
            if row is None:
                return None
            return ImportReport(row.raw_dir, row.created_at, row.rows, [Problem(**problem) for problem in row.problems])

    def counts(self) -> pd.DataFrame:
        """Samples by class_name, split and review_state, with column `samples`."""
        row = t.SampleRow
        columns = (row.class_name, row.split, row.review_state)
        with self._engine.connect() as connection:
            return pd.read_sql(select(*columns, func.count().label("samples")).group_by(*columns), connection)


def _configure_sqlite(engine: Any) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, by our own word
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _now() -> datetime:
    return datetime.now(UTC)


def _unseen(items: Iterable[Any], seen: set[Any], key: Any) -> Iterator[Any]:
    for item in items:
        if key(item) not in seen:
            seen.add(key(item))
            yield item


def _newest_first(table: Any, *columns: Any) -> Any:
    return select(*(columns or (table,))).order_by(table.created_at.desc())


def _current_items(session: Session) -> list[tuple[int, int]]:
    items = [
        (row[0], row[1])
        for row in session.execute(select(t.SampleRow.id, t.SampleRow.revision).order_by(t.SampleRow.id))
    ]
    if not items:
        raise RequestError("there are no samples to freeze; import an export first (drywall-qa prepare RAW_DIR)")
    return items


def _digest(items: list[tuple[int, int]]) -> str:
    return hashlib.sha256(repr(items).encode()).hexdigest()


def _stale(sample_id: int, based_on: int, current: int) -> StaleRevisionError:
    return StaleRevisionError(
        f"sample {sample_id} has revision {current} by now, yours began at {based_on}; reload and draw on that",
        current,
    )


def _revision_row(
    sample_id: int, number: int, parent: int | None, rle: Rle, author: str, tool: str, comment: str, now: datetime
) -> t.LabelRevisionRow:
    return t.LabelRevisionRow(
        sample_id=sample_id, number=number, parent=parent, rle=dict(rle), area_px=rle_area(rle), author=author, tool=tool,
        comment=comment, created_at=now,
    )  # fmt: skip


def _review_row(sample: t.SampleRow, state: str, reviewer: str, comment: str) -> t.ReviewRow:
    return t.ReviewRow(
        sample_id=sample.id, state=state, reviewer=reviewer.strip(), comment=comment, revision=sample.revision,
        created_at=_now(),
    )  # fmt: skip


def _values(row: Any) -> dict[str, Any]:
    return {attribute.key: getattr(row, attribute.key) for attribute in inspect(row).mapper.column_attrs}


def _sample(row: t.SampleRow, image: t.ImageRow) -> Sample:
    return Sample(**_values(row), image_path=image.path, size_hw=(image.height, image.width))


def _revision(row: t.LabelRevisionRow) -> LabelRevision:
    return LabelRevision(**_values(row))


def _label_set(row: t.LabelSetRow) -> LabelSet:
    return LabelSet(**_values(row))


def _run(row: t.RunRow) -> Run:
    return Run(**_values(row))


def _review(row: t.ReviewRow) -> Review:
    values = _values(row)
    del values["id"]
    return Review(**values)
