"""Honeypots: samples whose truth is known check reviewers without their knowing.

The truth stays the label that counts (for training, scores and export); a reviewer who takes the sample finds the bait,
an older or a spoilt label, and what she makes of it is scored against the truth. The queue shows it as any other sample.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import RequestError
from core.masks.mask import Mask, Rle, encode_rle
from data.store import tables as t
from data.store.database import Database, named, now_utc, sample_row, values_of
from data.store.decisions import log_review
from data.store.labels import append_revision, find_revision, restore_revision
from data.store.records import Honeypot


class Honeypots(Database):
    def plant_honeypot(self, sample_id: int, bait: Mask | Rle, author: str) -> Honeypot:
        """Make the current label the known truth and show `bait` to reviewers from now on.

        Raises RequestError if it is one already, it has no label, the bait's size is not the photo's or the author is missing.
        """
        author, rle = named(author, "planting a honeypot", self._actor), bait if isinstance(bait, dict) else encode_rle(bait)
        with self._write("plant_honeypot", sample_id) as session:
            sample = sample_row(session, sample_id)
            if session.get(t.HoneypotRow, sample_id) is not None:
                raise RequestError(f"sample {sample_id} is a honeypot already; lift it first to plant it again")
            if sample.revision == 0:
                raise RequestError(f"sample {sample_id} has no label yet; draw and accept it before it can be a honeypot")
            row = t.HoneypotRow(
                sample_id=sample_id, truth_revision=sample.revision, bait=dict(rle), planted_by=author, planted_at=now_utc()
            )
            session.add(row)
            session.flush()
            _show(session, sample, rle)
            return Honeypot(**values_of(row))

    def lift_honeypot(self, sample_id: int, author: str) -> None:
        """The truth becomes the visible label again, as a new revision, accepted. Raises RequestError if it is none."""
        author = named(author, "lifting a honeypot", self._actor)
        with self._write("lift_honeypot", sample_id) as session:
            sample, row = sample_row(session, sample_id), session.get(t.HoneypotRow, sample_id)
            if row is None:
                raise RequestError(f"sample {sample_id} is not a honeypot; choose one of the list")
            restore_revision(session, sample, row.truth_revision, author, "known truth")
            log_review(session, sample, "accepted", author, "known truth")
            session.delete(row)

    def honeypots(self) -> dict[int, Honeypot]:
        """By sample id. For the reviewers' page and the queue's order, not for a reviewer's eyes."""
        with self._read() as session:
            rows = session.scalars(select(t.HoneypotRow).order_by(t.HoneypotRow.sample_id))
            return {row.sample_id: Honeypot(**values_of(row)) for row in rows}


BAIT = "import"  # author and tool of the bait in the history: an ordinary label


def lay_bait(session: Session, sample: t.SampleRow, reviewer: str) -> None:
    """If the sample is a honeypot that another reviewer has worked on, show the bait again."""
    row = session.get(t.HoneypotRow, sample.id)
    if row is None:
        return
    newest = find_revision(session, sample.id, sample.revision)
    untouched = newest.tool == BAIT and sample.review_state in ("to review", "skipped")
    if not untouched and newest.author != reviewer:
        _show(session, sample, row.bait)  # type: ignore[arg-type]


def _show(session: Session, sample: t.SampleRow, bait: Rle) -> None:
    append_revision(session, sample, bait, BAIT, BAIT, "", "imported", human_made=False)
    sample.review_state = "to review"
