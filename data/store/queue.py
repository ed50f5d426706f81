"""The review queue: where every sample stands, kept as it changes, and those that wait a page at a time, the most worth first.

A sample stands in a slot (class, split, state, the gravest reason to look at it, whether its label is boxes) with a worth and a
lot. Every transaction that touches a sample puts it where it now belongs and counts the slots, so a page of the queue, the next
sample and the counts of the Overview take as long for a million samples as for ten thousand.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import pandas as pd
from sqlalchemy import and_, func, insert, literal, or_, select, tuple_, union_all, update
from sqlalchemy.orm import Session

from data.store import tables as t
from data.store.database import Database, named, now_utc, values_of
from data.store.labels import COUNTING, counting_revisions
from data.store.records import LabelDoubt
from data.store.reviews import UNDECIDED

LOW_IOU = 0.5
DIFFERS = 0.3
"""Runs or prompts whose masks differ by more are worth a look."""
DOUBTED = 0.5
BOX_ONLY = 0.8
"""Severity of a label that is boxes only: a box round a diagonal joint is mostly bare wall."""
NO_LABEL, SENT = 1.0, 10.0
KINDS = {
    "sent": "sent by somebody",
    "no label": "no label yet",
    "box": "the label is boxes only",
    "low IoU": "low IoU with the prediction",
    "doubt": "the model doubts the label",
    "runs": "two runs differ",
    "prompts": "synonyms differ",
    "new": "not reviewed yet",
    "audit": "random audit",
}
HONEYPOT, DECIDED = "honeypot", ""
_AT_ONCE = 400


@dataclass(frozen=True)
class Standing:
    """What is known of one sample that may be a reason to look at it. iou, tolerant_f1, doubt: of the newest run that scored it,
    where that was against the label it has now. sender: who sent it to be looked at."""

    sample_id: int
    class_name: str
    split: str
    review_state: str
    revision: int
    is_box: bool
    honeypot: bool
    sender: str | None
    iou: float | None
    tolerant_f1: float | None
    doubt: LabelDoubt | None

    @property
    def lot(self) -> float:
        return lot_of(self.sample_id)

    @property
    def waits(self) -> bool:
        return self.review_state in UNDECIDED

    @property
    def severities(self) -> list[tuple[float, str]]:
        """(severity, one of KINDS), the gravest first; a severity lies in [0, 1], but what was sent stands above all."""
        found = [(SENT, "sent")] if self.sender else []
        if self.revision == 0:
            found.append((NO_LABEL, "no label"))
        elif self.is_box:
            found.append((BOX_ONLY, "box"))
        if self.iou is not None and self.iou < LOW_IOU:
            found.append((1 - self.iou, "low IoU"))
        if (doubt := self.doubt) is not None:
            if doubt.noise > DOUBTED and max(doubt.missed, doubt.unsupported) > DIFFERS:
                found.append((doubt.noise * max(doubt.missed, doubt.unsupported), "doubt"))
            for differ, kind in ((doubt.runs_differ, "runs"), (doubt.prompts_differ, "prompts")):
                if differ is not None and differ > DIFFERS:
                    found.append((0.5 * differ, kind))
        return sorted(found, key=lambda one: -one[0])

    @property
    def kind(self) -> str:
        """Of its slot: the gravest reason, HONEYPOT, or DECIDED where it does not wait."""
        if self.honeypot:
            return HONEYPOT
        return DECIDED if not self.waits else self.severities[0][1] if self.severities else "new"

    @property
    def worth(self) -> float:
        return sum(severity for severity, _ in self.severities)


@dataclass(frozen=True)
class QueueFilter:
    """kind: the gravest reason, one of KINDS; None for all. audit_share: of the places, those that go to samples drawn by lot.
    left_out: ids that are not offered."""

    class_name: str | None = None
    kind: str | None = None
    audit_share: float = 0.1
    left_out: Collection[int] = frozenset()

    @property
    def gap(self) -> int:
        """How many by worth stand before each that was drawn by lot."""
        return max(1, round(1 / self.audit_share) - 1) if self.audit_share else 9


@dataclass(frozen=True)
class QueuePlace:
    """A place in the queue: how many stand before it, and the last of each kind that do. As text it stands in an address."""

    before: int = 0
    worth: float = math.inf
    worth_id: int = 0
    lot: float = -1.0
    lot_id: int = 0
    skipped: float = math.inf
    skipped_id: int = 0

    def __str__(self) -> str:
        return "~".join(f"{getattr(self, field.name)!r}" for field in fields(self))

    @classmethod
    def from_text(cls, text: str) -> "QueuePlace | None":
        """None for what is no place."""
        parts = text.split("~")
        try:
            return cls(*(field.type(part) for field, part in zip(fields(cls), parts, strict=True)))  # type: ignore[operator]
        except ValueError:
            return None


class Queue(Database):
    def standings(self, ids: Sequence[int]) -> dict[int, Standing]:
        """By id, of the samples that are there."""
        with self._read() as session:
            return {one.sample_id: one for one, _ in _standings(session, ids)}

    def waiting(
        self, wanted: QueueFilter, count: int | None = None, after: QueuePlace | None = None
    ) -> list[tuple[int, QueuePlace]]:
        """Ids of the samples that wait, at most `count` of them, each with the place after it; skipped ones come last."""
        with self._read() as session:
            return list(islice(_walk(session, wanted, after or QueuePlace(), count or _AT_ONCE), count))

    def waiting_count(self, wanted: QueueFilter = QueueFilter()) -> int:
        """How many the filter lets through, whoever has them; of "audit" only those whose truth is known."""
        slot = t.SampleSlotRow
        query = select(func.sum(slot.samples)).where(slot.kind != DECIDED)
        with self._read() as session:
            return session.scalar(query.where(*_of_slots(wanted))) or 0

    def counts(self) -> pd.DataFrame:
        """Samples by class_name, split and review_state, with column `samples`."""
        slot, sample, lease = t.SampleSlotRow, t.SampleRow, t.LeaseRow
        parts = (slot.class_name, slot.split, slot.review_state)
        held = select(sample.class_name, sample.split, sample.review_state)
        held = held.where(sample.id.in_(select(lease.sample_id).where(lease.until > now_utc())))
        with self._read() as session:
            rows = session.execute(select(*parts, func.sum(slot.samples)).group_by(*parts).order_by(*parts)).all()
            counted = {(name, split, state): number for name, split, state, number in rows if number}
            for name, split, state in session.execute(held):
                if state in UNDECIDED:
                    counted[name, split, state] -= 1
                    counted[name, split, "in review"] = counted.get((name, split, "in review"), 0) + 1
        table = [(*key, number) for key, number in sorted(counted.items()) if number]
        return pd.DataFrame(table, columns=["class_name", "split", "review_state", "samples"])

    def boxes_to_review(self) -> tuple[int, int | None]:
        """How many samples to review have a label that is boxes only, and the first of them."""
        slot, sample = t.SampleSlotRow, t.SampleRow
        query = select(slot.id, slot.samples).where(slot.is_box, slot.review_state == "to review", slot.samples > 0)
        with self._read() as session:
            found = session.execute(query).all()
            firsts = [session.scalar(select(func.min(sample.id)).where(sample.slot == slot_id)) for slot_id, _ in found]
            return sum(number for _, number in found), min((one for one in firsts if one is not None), default=None)

    def send_to_review(self, ids: Sequence[int], sender: str, comment: str = "") -> None:
        """Put samples at the head of the queue, decided or not; they leave it with the next decision."""
        from data.store.decisions import log_review

        sender, now = named(sender, "sending samples to review", self._actor), now_utc()
        with self._write("send_to_review", len(ids)) as session:
            for sample in session.scalars(select(t.SampleRow).where(t.SampleRow.id.in_(ids))).all():
                log_review(session, sample, "to review", sender, comment or "sent to review")
                session.merge(t.SentRow(sample_id=sample.id, sender=sender, comment=comment, sent_at=now))

    def edition(self) -> tuple[int, int]:
        """Changes with every label and every decision."""
        newest = (select(func.max(table.id)) for table in (t.LabelRevisionRow, t.ReviewRow))
        with self._read() as session:
            labels, reviews = (session.scalar(query) or 0 for query in newest)
            return labels, reviews

    def _upgraded(self, session: Session) -> None:
        super()._upgraded(session)
        session.execute(update(t.SampleRow).values(slot=0))
        renew_standings(session, session.scalars(select(t.SampleRow.id)).all())

    def _touched(self, session: Session, ids: Sequence[int]) -> None:
        renew_standings(session, ids)


def renew_standings(session: Session, ids: Sequence[int]) -> None:
    """Put samples into the slots they belong to, and count those."""
    slot = t.SampleSlotRow
    numbers = {_key(row): row.id for row in session.scalars(select(slot))}
    changes: dict[int, int] = defaultdict(int)
    for start in range(0, len(ids), _AT_ONCE):
        updates = []
        for one, before in _standings(session, ids[start : start + _AT_ONCE]):
            key = (one.class_name, one.split, one.review_state, one.kind, one.is_box)
            if key not in numbers:
                values = dict(zip(_SLOT_KEYS, key, strict=True))
                numbers[key] = session.execute(insert(slot).values(**values, samples=0).returning(slot.id)).scalar_one()
            now = (numbers[key], one.worth, lot_of(one.sample_id))
            if now != before:
                updates.append({"id": one.sample_id, "slot": now[0], "worth": now[1], "lot": now[2]})
                changes[before[0]] -= 1
                changes[now[0]] += 1
        if updates:
            session.execute(update(t.SampleRow), updates)
    for number, change in changes.items():
        session.execute(update(slot).where(slot.id == number).values(samples=slot.samples + change))


def lot_of(sample_id: int) -> float:
    """In [0, 1), as if drawn by chance, and the same whenever it is asked for."""
    return int.from_bytes(hashlib.blake2b(str(sample_id).encode(), digest_size=6).digest()) / 2**48


_SLOT_KEYS = ("class_name", "split", "review_state", "kind", "is_box")


def _key(row: t.SampleSlotRow) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _SLOT_KEYS)


def _standings(session: Session, ids: Sequence[int]) -> Iterator[tuple[Standing, tuple[int, float, float]]]:
    """Each sample's standing, and the slot, worth and lot it has until now."""
    sample, label, score, doubt, run = t.SampleRow, t.LabelRevisionRow, t.ScoreRow, t.DoubtRow, t.RunRow
    newest = select(score.run_id).join(run, run.id == score.run_id).where(score.sample_id == sample.id)
    of_run = newest.order_by(run.created_at.desc(), run.id.desc()).limit(1).correlate(sample).scalar_subquery()
    columns = (sample.id, sample.class_name, sample.split, sample.review_state, sample.revision, sample.box_only)
    until_now = (sample.slot, sample.worth, sample.lot)
    others = (label.as_imported, t.HoneypotRow.sample_id, t.SentRow.sender, score.revision)
    measured = (score.iou, score.tolerant_f1_2px)  # type: ignore[attr-defined]
    query = counting_revisions(select(*columns, *until_now, *others, *measured, doubt))
    query = query.outerjoin(label, and_(label.sample_id == sample.id, label.number == COUNTING))
    query = query.outerjoin(t.SentRow, t.SentRow.sample_id == sample.id)
    query = query.outerjoin(score, and_(score.sample_id == sample.id, score.run_id == of_run))
    same = (doubt.run_id == score.run_id, doubt.sample_id == sample.id, doubt.revision == sample.revision)
    query = query.outerjoin(doubt, and_(*same))
    for start in range(0, len(ids), _AT_ONCE):
        for row in session.execute(query.where(sample.id.in_(ids[start : start + _AT_ONCE]))):
            identity, name, split, state, revision, box_only, *rest = row
            slot, worth, lot, as_imported, honeypot, sender, scored, iou, tolerant_f1, doubted = rest
            current = scored == revision
            yield (
                Standing(
                    identity,
                    name,
                    split,
                    state,
                    revision,
                    box_only and as_imported in (True, None),  # one without a label was not corrected
                    honeypot is not None,
                    sender,
                    iou if current else None,
                    tolerant_f1 if current else None,
                    LabelDoubt(**values_of(doubted)) if doubted is not None else None,
                ),
                (slot, worth, lot),
            )


def _of_slots(wanted: QueueFilter) -> list[Any]:
    slot, conditions = t.SampleSlotRow, []
    if wanted.class_name is not None:
        conditions.append(slot.class_name == wanted.class_name)
    if wanted.kind == "audit":
        conditions.append(slot.kind == HONEYPOT)
    elif wanted.kind is not None:
        conditions.append(slot.kind == wanted.kind)
    return conditions


def _walk(session: Session, wanted: QueueFilter, place: QueuePlace, chunk: int) -> Iterator[tuple[int, QueuePlace]]:
    """The queue from a place on: by worth, after each gap one by lot, and what was skipped at the end."""
    slot, sample = t.SampleSlotRow, t.SampleRow
    waits = [slot.kind != DECIDED, slot.kind != HONEYPOT, slot.samples > 0]
    of_class = [] if wanted.class_name is None else [slot.class_name == wanted.class_name]
    any_kind = wanted.kind in (None, "audit")
    of_kind = [] if any_kind else [slot.kind == wanted.kind]

    def numbers(*conditions: Any) -> list[int]:
        return list(session.scalars(select(slot.id).where(*of_class, *conditions)))

    open_slots = numbers(*waits, *of_kind, slot.review_state == "to review")
    skipped_slots = numbers(*waits, *of_kind, slot.review_state == "skipped")
    honeypots = numbers(slot.kind == HONEYPOT, slot.samples > 0) if any_kind else []
    undrawn = sample.lot + 0 >= wanted.audit_share  # no column alone, or SQLite takes the lots' index and sorts them all
    drawn = sample.lot < wanted.audit_share
    by_worth = _lane(session, open_slots, [undrawn], sample.worth, (place.worth, place.worth_id), chunk, falling=True)
    lots = _lane(
        session,
        [*open_slots, *honeypots],
        [or_(sample.slot.in_(honeypots), drawn)],
        sample.lot,
        (place.lot, place.lot_id),
        chunk,
        falling=False,
    )
    skipped = _lane(session, skipped_slots, [], sample.worth, (place.skipped, place.skipped_id), chunk, falling=True)
    if wanted.kind == "audit":
        by_worth = skipped = iter(())
    left_out, values = set(wanted.left_out), {field.name: getattr(place, field.name) for field in fields(place)}

    def following(lane: Iterator[tuple[float, int]]) -> tuple[float, int] | None:
        return next((one for one in lane if one[1] not in left_out), None)

    heads = {"worth": following(by_worth), "lot": following(lots), "skipped": following(skipped)}
    lanes = {"worth": by_worth, "lot": lots, "skipped": skipped}
    while any(heads.values()):
        by_lot = heads["lot"] and (heads["worth"] is None or (values["before"] + 1) % (wanted.gap + 1) == 0)
        which = "lot" if by_lot else "worth" if heads["worth"] else "skipped"
        value, identity = heads[which]  # type: ignore[misc]
        values |= {which: value, f"{which}_id": identity, "before": values["before"] + 1}
        yield identity, QueuePlace(**values)
        heads[which] = following(lanes[which])


def _lane(
    session: Session,
    slots: Sequence[int],
    conditions: Sequence[Any],
    order: Any,
    start: tuple[float, int],
    chunk: int,
    *,
    falling: bool,
) -> Iterator[tuple[float, int]]:
    """(value, id) of the samples in these slots in the order of a column, equals by id: of each slot, by its index, the first."""
    sample, (value, identity) = t.SampleRow, start
    size = min(chunk, _AT_ONCE)
    while slots:
        if falling:
            further = and_(order <= value, or_(order < value, sample.id > identity))  # the first for the index
        else:
            further = tuple_(order, sample.id) > tuple_(literal(value), literal(identity))
        placed = (order.desc(), sample.id) if falling else (order, sample.id)
        limit = [] if math.isinf(value) else [further]
        firsts = []
        for slot in slots:
            head = select(order.label("value"), sample.id.label("id")).where(sample.slot == slot, *limit, *conditions)
            firsts.append(select(head.order_by(*placed).limit(size).subquery()))
        both = union_all(*firsts).subquery()
        by = (both.c.value.desc(), both.c.id) if falling else (both.c.value, both.c.id)
        found = session.execute(select(both.c.value, both.c.id).order_by(*by).limit(size)).all()
        for value, identity in found:
            yield value, identity
        if len(found) < size:
            return
