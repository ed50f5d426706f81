"""Reviews: what was decided on a sample, by whom and when; leases, so that two people do not get the same sample.

A sample is `in review` while somebody undecided has it: that follows from the lease and its end, so no state is left
behind by a browser that was closed.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, delete, select
from sqlalchemy.exc import IntegrityError

from core.errors import LeaseError, LockedError, RequestError
from data.store import tables as t
from data.store.database import Database, named, now_utc, sample_row, values_of
from data.store.decisions import log_review
from data.store.honeypots import lay_bait
from data.store.labels import say_empty
from data.store.records import REVIEW_STATES, LabelRevision, Lease, Review

LEASE_MINUTES = 15
DECISIONS = tuple(state for state in REVIEW_STATES if state != "in review")  # that one follows from a lease
UNDECIDED = ("to review", "skipped")


class Reviews(Database):
    def add_review(self, sample_id: int, state: str, reviewer: str, comment: str = "") -> Review:
        """Decide on a sample; the reviewer's lease on it ends. Who accepts one that has no label yet says that nothing is there.

        Raises LockedError for an accepted sample (but accepting it again is no harm), RequestError for an unknown state,
        an unknown sample or a missing name.
        """
        if state not in DECISIONS:
            raise RequestError(f"review state {state} is unknown; use one of {', '.join(DECISIONS)}")
        reviewer = named(reviewer, "deciding", self._actor)
        with self._write("add_review", sample_id) as session:
            sample = sample_row(session, sample_id)
            if sample.review_state == "accepted" and state != "accepted":
                raise LockedError(f"the label of sample {sample_id} is accepted and locked; reopen it to change it")
            if state == "accepted" and sample.revision == 0:
                say_empty(session, sample, reviewer, comment)
            lease, seconds = session.get(t.LeaseRow, sample_id), None
            if lease is not None and lease.reviewer == reviewer:
                seconds = (now_utc() - lease.taken_at).total_seconds()
                session.delete(lease)
            return Review(**_without_id(values_of(log_review(session, sample, state, reviewer, comment, seconds))))

    def reopen(self, sample_id: int, reviewer: str, comment: str = "") -> Review:
        """Unlock an accepted label, or take back any other decision: the sample is to review again."""
        reviewer = named(reviewer, "reopening", self._actor)
        with self._write("reopen", sample_id) as session:
            row = log_review(session, sample_row(session, sample_id), "to review", reviewer, comment or "reopened")
            return Review(**_without_id(values_of(row)))

    def reviews(self, sample_id: int) -> list[Review]:
        """Newest first."""
        row = t.ReviewRow
        with self._read() as session:
            found = session.scalars(select(row).where(row.sample_id == sample_id).order_by(row.id.desc()))
            return [Review(**_without_id(values_of(review))) for review in found]

    def history(self) -> tuple[list[LabelRevision], list[Review]]:
        """Every revision and every review of the workspace, oldest first."""
        with self._read() as session:
            revisions = session.scalars(select(t.LabelRevisionRow).order_by(t.LabelRevisionRow.id))
            reviews = session.scalars(select(t.ReviewRow).order_by(t.ReviewRow.id))
            return (
                [LabelRevision(**values_of(row)) for row in revisions],
                [Review(**_without_id(values_of(row))) for row in reviews],
            )

    # -- leases --------------------------------------------------------------------------------------------------------

    def take(self, sample_id: int, reviewer: str, minutes: float = LEASE_MINUTES) -> Lease:
        """Take the sample, or renew one's own lease of it. Raises LeaseError while another reviewer has it.

        Renewing keeps the time it was taken at. A honeypot shows its bait to each who takes it anew.
        """
        reviewer = named(reviewer, "taking a sample", self._actor)
        try:
            return self._take(sample_id, reviewer, minutes)
        except IntegrityError:  # two took it at the same moment; the other was first
            return self._take(sample_id, reviewer, minutes)

    def _take(self, sample_id: int, reviewer: str, minutes: float) -> Lease:
        with self._write("take", sample_id) as session:
            sample, now = sample_row(session, sample_id), now_utc()
            row, until = session.get(t.LeaseRow, sample_id), now + timedelta(minutes=minutes)
            if row is not None and row.until > now:
                if row.reviewer != reviewer:
                    raise _taken(row)
                row.until = until
            else:
                row = session.merge(t.LeaseRow(sample_id=sample_id, reviewer=reviewer, taken_at=now, until=until))
                lay_bait(session, sample, reviewer)
            session.flush()
            return Lease(**values_of(row))

    def release(self, sample_id: int, reviewer: str) -> None:
        """Give a sample back without deciding. What another reviewer holds is left alone."""
        row = t.LeaseRow
        with self._write("release", sample_id) as session:
            session.execute(delete(row).where(row.sample_id == sample_id, row.reviewer == reviewer.strip()))

    def leases(self) -> dict[int, Lease]:
        """The leases in force, by sample id."""
        row = t.LeaseRow
        with self._read() as session:
            found = session.scalars(select(row).where(row.until > now_utc()))
            return {lease.sample_id: Lease(**values_of(lease)) for lease in found}


def with_state(query: Any) -> Any:
    """The query over samples with the table joined that STATE reads."""
    lease = t.LeaseRow
    return query.outerjoin(lease, and_(lease.sample_id == t.SampleRow.id, lease.until > now_utc()))


# The state as it is seen: in review while somebody has a sample nobody decided on.
STATE = case(
    (and_(t.LeaseRow.sample_id.is_not(None), t.SampleRow.review_state.in_(UNDECIDED)), "in review"),
    else_=t.SampleRow.review_state,
)


def _taken(lease: t.LeaseRow) -> LeaseError:
    return LeaseError(
        f"sample {lease.sample_id} is with {lease.reviewer} until {lease.until:%H:%M} UTC; take the next one",
        lease.reviewer,
        lease.until,
    )


def _without_id(values: dict[str, Any]) -> dict[str, Any]:
    del values["id"]
    return values
