"""Label revisions: who changed which mask, when, from what; and labels frozen under a name."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.errors import LockedError, RequestError, StaleRevisionError
from core.masks.mask import Mask, Rle, encode_rle, rle_area, same_mask
from data.store import tables as t
from data.store.database import Database, named, now_utc, sample_row, values_of
from data.store.decisions import log_review
from data.store.drafts import Draft, forget
from data.store.records import HUMAN_MADE, PROVENANCES, LabelRevision, LabelSet


class Labels(Database):
    def save_label(
        self,
        sample_id: int,
        label: Mask | Rle,
        *,
        based_on: int,
        author: str,
        tool: str,
        comment: str = "",
        provenance: str = "drawn",
        draft: Draft | None = None,
    ) -> LabelRevision:
        """Save a mask as the sample's next revision and mark it fixed; nothing is overwritten.

        based_on: the number of the revision that was on the screen. tool: a free word. provenance: one of PROVENANCES.
        draft: whose strokes the mask holds; they are forgotten in the same transaction, or on an error kept.
        Raises StaleRevisionError if somebody saved a newer one meanwhile, LockedError for an accepted label, RequestError
        when the mask's size is not the photo's, the provenance is unknown or the author is missing.
        """
        if provenance not in PROVENANCES:
            raise RequestError(f"provenance {provenance} is unknown; use one of {', '.join(PROVENANCES)}")
        author, rle = named(author, "saving", self._actor), label if isinstance(label, dict) else encode_rle(label)
        with self._saving("save_label", sample_id, based_on) as session:
            row = sample_row(session, sample_id)
            check_open(row, based_on)
            revision = append_revision(session, row, rle, author, tool, comment, provenance)
            log_review(session, row, "fixed", author, comment)
            if draft is not None:
                forget(session, draft)
            return LabelRevision(**values_of(revision))

    def restore(self, sample_id: int, number: int, *, based_on: int, author: str, comment: str = "") -> LabelRevision:
        """Make revision `number` the label again, as a new revision. Raises as `save_label` does."""
        author = named(author, "restoring", self._actor)
        with self._saving("restore", sample_id, based_on) as session:
            row = sample_row(session, sample_id)
            check_open(row, based_on)
            revision = restore_revision(session, row, number, author, comment or f"revision {number} restored")
            log_review(session, row, "fixed", author, revision.comment)
            return LabelRevision(**values_of(revision))

    def label(self, sample_id: int, number: int | None = None) -> LabelRevision:
        """The current revision, or revision `number`. Raises RequestError when there is none.

        Revision 0 is what a sample without a label begins at: an empty mask that says nothing.
        """
        with self._read() as session:
            row = sample_row(session, sample_id)
            wanted = row.revision if number is None else number
            if wanted:
                return LabelRevision(**values_of(find_revision(session, sample_id, wanted)))
            return LabelRevision(
                id=0,
                sample_id=sample_id,
                number=0,
                parent=None,
                rle=_empty(session, row),
                area_px=0,
                author="",
                tool="",
                comment="",
                created_at=now_utc(),
                provenance="imported",
                human_made=False,
                batch=None,
                as_imported=False,
            )

    def revisions(self, sample_id: int) -> list[LabelRevision]:
        """Newest first."""
        row = t.LabelRevisionRow
        with self._read() as session:
            found = session.scalars(select(row).where(row.sample_id == sample_id).order_by(row.number.desc()))
            return [LabelRevision(**values_of(revision)) for revision in found]

    def labels(self, label_set: str | None = None) -> dict[int, LabelRevision]:
        """All labels by sample id: those that count now (of a honeypot its truth), or those of a frozen set.

        A sample that has no label yet is not among them.
        """
        row = t.LabelRevisionRow
        if label_set is None:
            query = counting_revisions(select(row)).join(row, (row.sample_id == t.SampleRow.id) & (row.number == COUNTING))
        else:
            self.label_set(label_set)
            item = t.LabelSetItemRow
            query = select(row).join(item, (item.sample_id == row.sample_id) & (item.revision == row.number))
            query = query.where(item.label_set == label_set)
        with self._read() as session:
            return {revision.sample_id: LabelRevision(**values_of(revision)) for revision in session.scalars(query)}

    def freeze_labels(self, name: str) -> LabelSet:
        """Freeze the current labels under a name; samples that have none stay out.

        Raises RequestError when the name is empty or taken, or nothing is there.
        """
        name = name.strip()
        if not name:
            raise RequestError("the label set needs a name; type one, for example seams-fixed")
        with self._write("freeze_labels") as session:
            if session.get(t.LabelSetRow, name) is not None:
                raise RequestError(f"the label set name {name} is taken; choose another")
            items = _current_items(session)
            row = t.LabelSetRow(name=name, digest=_digest(items), samples=len(items), created_at=now_utc())
            session.add(row)
            session.flush()
            rows = [{"label_set": name, "sample_id": sample, "revision": number} for sample, number in items]
            session.execute(insert(t.LabelSetItemRow), rows)
            return LabelSet(**values_of(row))

    def current_label_set(self) -> LabelSet:
        """The frozen set that equals the current labels; one is frozen now if there is none."""
        with self._read() as session:
            digest = _digest(_current_items(session))
            row = session.scalars(select(t.LabelSetRow).where(t.LabelSetRow.digest == digest)).first()
            names = set(session.scalars(select(t.LabelSetRow.name)))
            if row is not None:
                return LabelSet(**values_of(row))
        number = next(number for number in range(1, len(names) + 2) if f"labels-{number}" not in names)
        return self.freeze_labels(f"labels-{number}")

    def label_sets(self) -> list[LabelSet]:
        """Newest first."""
        query = select(t.LabelSetRow).order_by(t.LabelSetRow.created_at.desc())
        with self._read() as session:
            return [LabelSet(**values_of(row)) for row in session.scalars(query)]

    def label_set(self, name: str) -> LabelSet:
        """Raises RequestError for an unknown name."""
        found = next((label_set for label_set in self.label_sets() if label_set.name == name), None)
        if found is None:
            known = ", ".join(label_set.name for label_set in self.label_sets()) or "none yet"
            raise RequestError(f"label set {name} is unknown; there are: {known}")
        return found

    @contextmanager
    def _saving(self, action: str, sample_id: int, based_on: int) -> Iterator[Session]:
        """A transaction in which two that save at the same moment are told apart: the second is stale."""
        try:
            with self._write(action, sample_id) as session:
                yield session
        except IntegrityError as error:
            with self._read() as session:
                raise _stale(sample_id, based_on, sample_row(session, sample_id).revision) from error


# The revision that counts as the sample's label: of a honeypot its known truth, whatever reviewers save on it.
COUNTING = func.coalesce(t.HoneypotRow.truth_revision, t.SampleRow.revision)


def counting_revisions(query: Any) -> Any:
    """The query with the tables joined that COUNTING reads."""
    return query.select_from(t.SampleRow).outerjoin(t.HoneypotRow, t.HoneypotRow.sample_id == t.SampleRow.id)


def check_open(row: t.SampleRow, based_on: int) -> None:
    """Raises LockedError for an accepted label, StaleRevisionError if the sample has moved on."""
    if row.revision != based_on:
        raise _stale(row.id, based_on, row.revision)
    if row.review_state == "accepted":
        raise LockedError(f"the label of sample {row.id} is accepted and locked; reopen it to change it")


def say_empty(session: Session, row: t.SampleRow, author: str, comment: str) -> None:
    """Somebody looked at a sample that has no label and found nothing there: its first label, an empty one."""
    append_revision(session, row, _empty(session, row), author, "accepted as clean", comment, "drawn")


def append_revision(
    session: Session,
    row: t.SampleRow,
    rle: Rle,
    author: str,
    tool: str,
    comment: str,
    provenance: str,
    *,
    human_made: bool | None = None,
    batch: str | None = None,
) -> t.LabelRevisionRow:
    """The sample's next revision, based on its current one. Raises RequestError when the mask's size is not the photo's."""
    image = session.get_one(t.ImageRow, row.image_hash)
    if tuple(rle["size"]) != (image.height, image.width):
        raise RequestError(f"the mask is {rle['size']}, the photo of sample {row.id} is {(image.height, image.width)}")
    number, area_px = row.revision + 1, rle_area(rle)
    if row.revision:
        first = find_revision(session, row.id, 1)
        as_imported = first.as_imported and first.area_px == area_px and same_mask(first.rle, rle)  # type: ignore[arg-type]
    else:
        as_imported = provenance == "imported"
    revision = t.LabelRevisionRow(
        sample_id=row.id,
        number=number,
        parent=row.revision or None,
        rle=dict(rle),
        area_px=area_px,
        author=author,
        tool=tool,
        comment=comment,
        created_at=now_utc(),
        provenance=provenance,
        batch=batch,
        as_imported=as_imported,
        human_made=provenance in HUMAN_MADE if human_made is None else human_made,
    )
    session.add(revision)
    row.revision = number
    return revision


def restore_revision(
    session: Session, row: t.SampleRow, number: int, author: str, comment: str, batch: str | None = None
) -> t.LabelRevisionRow:
    """Revision `number` again as the sample's next one. Raises RequestError when there is no such revision."""
    source = find_revision(session, row.id, number)
    rle: Rle = source.rle  # type: ignore[assignment]
    return append_revision(session, row, rle, author, "restore", comment, "restored", human_made=source.human_made, batch=batch)


def find_revision(session: Session, sample_id: int, number: int | None) -> t.LabelRevisionRow:
    """Raises RequestError when there is no such revision."""
    row = t.LabelRevisionRow
    found = session.scalars(select(row).where(row.sample_id == sample_id, row.number == number)).first()
    if found is None:
        raise RequestError(f"sample {sample_id} has no label revision {number or ''}".rstrip())
    return found


def _empty(session: Session, row: t.SampleRow) -> Rle:
    image = session.get_one(t.ImageRow, row.image_hash)
    return encode_rle(np.zeros((image.height, image.width), bool))


def _current_items(session: Session) -> list[tuple[int, int]]:
    query = counting_revisions(select(t.SampleRow.id, COUNTING)).where(COUNTING > 0).order_by(t.SampleRow.id)
    items = [(row[0], row[1]) for row in session.execute(query)]
    if not items:
        raise RequestError("there are no labels to freeze; import an export first (drywall-qa prepare RAW_DIR)")
    return items


def _digest(items: list[tuple[int, int]]) -> str:
    return hashlib.sha256(repr(items).encode()).hexdigest()


def _stale(sample_id: int, based_on: int, current: int) -> StaleRevisionError:
    return StaleRevisionError(
        f"sample {sample_id} has revision {current} by now, yours began at {based_on}; reload and draw on that", current
    )
