"""The store: samples, label revisions, label sets, runs, scores and reviews. It speaks the domain and hides the SQL.

Every call is one short transaction, so a dashboard and a training process can use one workspace at once. Labels, reviews
with their leases, the queue, bulk actions, honeypots, scores and what people picked have a file each; samples, runs and imports are
here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.errors import RequestError
from data.store import tables as t
from data.store.batches import Batches
from data.store.database import named, now_utc, values_of
from data.store.drafts import Drafts
from data.store.honeypots import Honeypots
from data.store.labels import COUNTING, Labels, append_revision, counting_revisions
from data.store.picks import Picks
from data.store.quality import Quality
from data.store.queue import Queue, renew_standings
from data.store.records import ImageRecord, ImportReport, NewSample, Problem, Run, Sample
from data.store.reviews import STATE, Reviews, with_state
from data.store.scores import Scores
from data.store.users import Users


class Store(Labels, Reviews, Batches, Honeypots, Drafts, Scores, Queue, Picks, Quality, Users):
    # -- samples -------------------------------------------------------------------------------------------------------

    def images(self) -> dict[str, ImageRecord]:
        """Every photo, by its hash."""
        columns = (t.ImageRow.hash, t.ImageRow.path, t.ImageRow.height, t.ImageRow.width, t.ImageRow.view_hashes)
        with self._read() as session:
            return {row.hash: ImageRecord(*row) for row in session.execute(select(*columns))}

    def add_images(self, images: Iterable[ImageRecord]) -> None:
        """Add photos that are not there yet; one that is gets its view hashes if it has none."""
        with self._write("add_images") as session:
            there = {row.hash: row for row in session.scalars(select(t.ImageRow))}
            for image in images:
                row = there.get(image.hash)
                if row is None:
                    session.add(row := t.ImageRow(**asdict(image)))
                    there[image.hash] = row
                elif row.view_hashes is None:
                    row.view_hashes = image.view_hashes

    def add_samples(self, samples: Iterable[NewSample]) -> int:
        """Add what is not there yet, each sample with its first label revision; returns how many samples are new.

        A sample is known by its image, which must be there (`add_images`), and class; one that exists keeps its labels, and
        gets one if it has none yet.
        """
        samples = list(samples)
        with self._write("add_samples") as session:
            images = list(session.scalars(select(t.ImageRow)))  # held, so that none is asked for one by one
            known = {(row.image_hash, row.class_name): row for row in session.scalars(select(t.SampleRow))}
            there = len(known)
            for sample in samples:
                if (key := (sample.image_hash, sample.class_name)) not in known:
                    values = {name: value for name, value in vars(sample).items() if name != "rle"}
                    known[key] = t.SampleRow(**values, split=sample.source_split, revision=0, review_state="to review")
                    session.add(known[key])
            session.flush()
            for sample in samples:
                row = known[sample.image_hash, sample.class_name]
                if row.revision == 0 and sample.rle is not None:
                    row.box_only, row.boxes = sample.box_only, sample.boxes
                    append_revision(session, row, sample.rle, "import", "import", "", "imported")
            del images
            return len(known) - there

    def samples(
        self, *, class_name: str | None = None, split: str | None = None, ids: Sequence[int] | None = None
    ) -> list[Sample]:
        """By id, ascending."""
        sample, image, label = t.SampleRow, t.ImageRow, t.LabelRevisionRow
        as_imported = func.coalesce(label.as_imported, True)  # one without a label was not corrected
        columns = [getattr(sample, name) for name in _OF_SAMPLE]  # plain columns: rows of a table are far slower to make
        query = select(*columns, image.path, image.height, image.width, image.px_per_mm, STATE, as_imported)
        query = with_state(counting_revisions(query)).order_by(sample.id)
        query = query.join(image).outerjoin(label, (label.sample_id == sample.id) & (label.number == COUNTING))
        if class_name is not None:
            query = query.where(sample.class_name == class_name)
        if split is not None:
            query = query.where(sample.split == split)
        if ids is not None:
            query = query.where(sample.id.in_(ids))
        with self._read() as session:
            return [_sample(*row) for row in session.execute(query)]

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
            with self._write("set_groups_and_splits") as session:
                session.execute(update(t.SampleRow), rows)
                renew_standings(session, list(splits))
                session.execute(update(t.WorkspaceRow).values(leaking_groups=_leaking_groups(session)))

    def leaking_groups(self) -> int:
        """How many groups of copies lie in more than one split, as the last division left it."""
        with self._read() as session:
            return session.scalar(select(t.WorkspaceRow.leaking_groups)) or 0

    def _upgraded(self, session: Session) -> None:
        super()._upgraded(session)
        session.execute(update(t.WorkspaceRow).values(leaking_groups=_leaking_groups(session)))

    def set_scale(self, image_hash: str, px_per_mm: float | None, author: str) -> None:
        """How many pixels of a photo a millimetre takes; None forgets it. Holds for all samples of the photo.

        Raises RequestError for a scale that is not positive and finite, an unknown photo or a missing name.
        """
        author = named(author, "giving the scale", self._actor)
        if px_per_mm is not None and not (math.isfinite(px_per_mm) and px_per_mm > 0):
            raise RequestError(f"the scale must be a positive number of pixels per mm, got {px_per_mm}")
        with self._write("set_scale", image_hash) as session:
            image = session.get(t.ImageRow, image_hash)
            if image is None:
                raise RequestError(f"photo {image_hash} is not in this workspace; open it from the Failures page")
            image.px_per_mm, image.scale_author = px_per_mm, author

    # -- runs -----------------------------------------------------------------------------------------------

    def create_run(self, run_id: str, *, name: str, checkpoint: str, label_set: str, config: dict[str, Any]) -> Run:
        with self._write("create_run", run_id) as session:
            row = t.RunRow(
                id=run_id,
                name=name,
                status="queued",
                checkpoint=checkpoint,
                label_set=label_set,
                config=config,
                created_at=now_utc(),
                reason="",
            )
            session.add(row)
            session.flush()
            return _run(row)

    def update_run(self, run_id: str, **changes: Any) -> None:
        with self._write("update_run", run_id) as session:
            session.execute(update(t.RunRow).where(t.RunRow.id == run_id).values(**changes))

    def delete_run(self, run_id: str) -> None:
        """The run and all that was scored with it; its folder is the caller's. Raises RequestError for an unknown id."""
        self.run(run_id)
        with self._write("delete_run", run_id) as session:
            scored = list(session.scalars(select(t.ScoreRow.sample_id).where(t.ScoreRow.run_id == run_id)))
            for table in (t.ScoreRow, t.SlotRow, t.DoubtRow):
                session.execute(delete(table).where(table.run_id == run_id))
            session.execute(delete(t.RunRow).where(t.RunRow.id == run_id))
            renew_standings(session, scored)

    def runs(self) -> list[Run]:
        """Newest first."""
        with self._read() as session:
            return [_run(row) for row in session.scalars(_newest_first(t.RunRow))]

    def run(self, run_id: str) -> Run:
        """Raises RequestError for an unknown id."""
        with self._read() as session:
            row = session.get(t.RunRow, run_id)
            if row is None:
                newest = ", ".join(session.scalars(_newest_first(t.RunRow, t.RunRow.id).limit(5))) or "none yet"
                raise RequestError(f"run {run_id} is not in this workspace; the newest are: {newest}")
            return _run(row)

    # -- imports ---------------------------------------------------------------------------------------------------

    def save_import(self, report: ImportReport) -> None:
        values = {**asdict(report), "problems": [asdict(problem) for problem in report.problems]}
        with self._write("save_import") as session:
            session.add(t.ImportRow(**values))

    def last_import(self) -> ImportReport | None:
        with self._read() as session:
            row = session.scalars(select(t.ImportRow).order_by(t.ImportRow.id.desc()).limit(1)).first()
            if row is None:
                return None
            return ImportReport(row.raw_dir, row.created_at, row.rows, [Problem(**problem) for problem in row.problems])


def _leaking_groups(session: Session) -> int:
    row = t.SampleRow
    crossed = select(row.group).where(row.group != "").group_by(row.group).having(func.count(row.split.distinct()) > 1)
    return session.scalar(select(func.count()).select_from(crossed.subquery())) or 0


def _newest_first(table: Any, *columns: Any) -> Any:
    return select(*(columns or (table,))).order_by(table.created_at.desc())


_OF_SAMPLE = ("id", "image_hash", "class_name", "file_name", "source_split", "split", "group", "box_only", "revision", "boxes")


def _sample(*row: Any) -> Sample:
    """Of the columns that `Store.samples` asks for."""
    of_sample, (path, height, width, px_per_mm, state, as_imported) = row[: len(_OF_SAMPLE)], row[len(_OF_SAMPLE) :]
    values = dict(zip(_OF_SAMPLE, of_sample, strict=True))
    about = {"image_path": path, "size_hw": (height, width), "px_per_mm": px_per_mm}
    return Sample(**values, **about, review_state=state, as_imported=bool(as_imported))


def _run(row: t.RunRow) -> Run:
    return Run(**values_of(row))
