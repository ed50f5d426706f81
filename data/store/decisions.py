"""Decisions: a sample changes its state, and the log of reviews says who, when and why."""

from sqlalchemy.orm import Session

from data.store import tables as t
from data.store.database import now_utc


def log_review(
    session: Session, sample: t.SampleRow, state: str, reviewer: str, comment: str, seconds: float | None = None
) -> t.ReviewRow:
    """A decision also ends that somebody sent the sample to be looked at."""
    sample.review_state = state
    if state in ("fixed", "accepted", "rejected") and (sent := session.get(t.SentRow, sample.id)) is not None:
        session.delete(sent)
    row = t.ReviewRow(
        sample_id=sample.id,
        state=state,
        reviewer=reviewer,
        comment=comment,
        revision=sample.revision,
        created_at=now_utc(),
        seconds=seconds,
    )
    session.add(row)
    session.flush()
    return row
