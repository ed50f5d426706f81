"""Bulk actions: many labels saved as one, undone as one."""

import secrets
from collections.abc import Sequence

from sqlalchemy import select

from core.errors import RequestError
from data.store import tables as t
from data.store.database import Database, named, now_utc, sample_row, values_of
from data.store.decisions import log_review
from data.store.labels import append_revision, check_open, restore_revision
from data.store.records import Batch, NewLabel


class Batches(Database):
    def accept_proposals(self, proposals: Sequence[NewLabel], *, author: str, tool: str, comment: str = "") -> Batch:
        """Save proposals as labels and accept them, all in one transaction: all of them or, on an error, none.

        tool: who proposed, for example "model". Raises RequestError when there is none or the author is missing,
        StaleRevisionError or LockedError for a sample that changed since it was looked at.
        """
        author = named(author, "accepting", self._actor)
        if not proposals:
            raise RequestError("no proposal was chosen; lower the confidence or choose another class")
        with self._write("accept_proposals") as session:
            row = t.BatchRow(
                id=secrets.token_hex(6), author=author, tool=tool, comment=comment, samples=len(proposals), created_at=now_utc()
            )
            session.add(row)
            session.flush()
            for proposal in proposals:
                sample = sample_row(session, proposal.sample_id)
                check_open(sample, proposal.based_on)
                append_revision(session, sample, proposal.rle, author, tool, comment, "accepted proposal", batch=row.id)
                log_review(session, sample, "accepted", author, comment or f"one of {len(proposals)} accepted at once")
            return Batch(**values_of(row))

    def undo_batch(self, batch_id: str, author: str) -> tuple[list[int], list[int]]:
        """Put back, as new revisions, the labels and states the bulk action found.

        Returns the ids of the samples put back and of those left alone because somebody changed them since. Raises
        RequestError for an unknown batch, one that was undone before or a missing author.
        """
        author = named(author, "undoing", self._actor)
        with self._write("undo_batch", batch_id) as session:
            batch = session.get(t.BatchRow, batch_id, with_for_update=True)
            if batch is None:
                raise RequestError(f"bulk action {batch_id} is unknown; choose one of the list")
            if batch.undone_at is not None:
                raise RequestError(f"bulk action {batch_id} was undone by {batch.undone_by} before")
            made = session.scalars(select(t.LabelRevisionRow).where(t.LabelRevisionRow.batch == batch_id)).all()
            undone, left = [], []
            for revision in made:
                sample = sample_row(session, revision.sample_id)
                if sample.revision != revision.number or sample.review_state != "accepted" or revision.parent is None:
                    left.append(sample.id)
                    continue
                before = select(t.ReviewRow).where(t.ReviewRow.sample_id == sample.id, t.ReviewRow.revision < revision.number)
                last = session.scalars(before.order_by(t.ReviewRow.id.desc()).limit(1)).first()
                comment = f"bulk action of {batch.author} undone"
                restore_revision(session, sample, revision.parent, author, comment)
                log_review(session, sample, last.state if last else "to review", author, comment)
                undone.append(sample.id)
            batch.undone_by, batch.undone_at = author, now_utc()
            return undone, left

    def batches(self) -> list[Batch]:
        """Newest first."""
        with self._read() as session:
            rows = session.scalars(select(t.BatchRow).order_by(t.BatchRow.created_at.desc()))
            return [Batch(**values_of(row)) for row in rows]
