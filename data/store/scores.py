"""Scores: how a run did on each sample, a page at a time in any order, and how many there are of each kind.

Every score lies in a slot: run, split, class, cause of failure and a twentieth of IoU. A page of any filter in any order looks
at the first of each slot that the filter lets through, by the index of the order, takes from the foremost slots as many as the
page holds, and keeps the first of them: that takes as long for a million scores as for ten thousand. The slots' own counts and
sums say how many there are, and their means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Integer, String, and_, case, cast, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from core.errors import RequestError
from core.metrics.table import HEADLINE
from data.store import tables as t
from data.store.database import Database, values_of
from data.store.labels import COUNTING
from data.store.records import LabelDoubt, Score
from data.store.reviews import STATE, with_state

BINS = 20
"""An IoU of 0.05 or more and below 0.1 lies in the bin 1; 1 lies in the last."""


@dataclass(frozen=True)
class ScoreFilter:
    """Which scores of a run on a split. class_name, cause: None for every one. low, high: of IoU, in steps of 0.05; from low on,
    and below high (1 is in)."""

    run_id: str
    split: str
    class_name: str | None = None
    cause: str | None = None
    low: float = 0.0
    high: float = 1.0

    @property
    def bins(self) -> range:
        """Those of BINS that lie in the range of IoU; from 1 on is the last."""
        return range(min(round(self.low * BINS), BINS - 1), round(self.high * BINS))


@dataclass(frozen=True)
class Place:
    """A place in an order: after this value, and among equals after this sample. As text it stands in an address."""

    value: float
    sample_id: int

    def __str__(self) -> str:
        return f"{self.value!r}~{self.sample_id}"

    @classmethod
    def from_text(cls, text: str) -> "Place | None":
        """None for what is no place."""
        value, _, sample_id = text.partition("~")
        try:
            return cls(float(value), int(sample_id))
        except ValueError:
            return None


class Scores(Database):
    def _upgraded(self, session: Session) -> None:
        super()._upgraded(session)
        for run_id in session.scalars(select(t.ScoreRow.run_id).distinct()).all():
            renew_slots(session, run_id)

    def save_scores(self, scores: Iterable[Score]) -> None:
        """Insert or replace by run and sample."""
        with self._write("save_scores") as session:
            runs = set()
            for score in scores:
                values = {**vars(score)}
                session.merge(t.ScoreRow(**values.pop("metrics"), **values, slot=0))
                runs.add(score.run_id)
            session.flush()
            for run_id in sorted(runs):
                renew_slots(session, run_id)

    def scores(self, run_id: str | None = None, split: str | None = None, ids: Sequence[int] | None = None) -> pd.DataFrame:
        """One row a score with the columns of `Score` and one a metric, the sample's class_name, file_name, image_path, source
        (photos of one group are copies), current_revision and review_state, and of the label it was scored against provenance,
        human_made and whether it is a box."""
        sample, label = t.SampleRow, t.LabelRevisionRow
        scored = (label.sample_id == t.ScoreRow.sample_id) & (label.number == t.ScoreRow.revision)
        query = with_state(
            select(
                *(column for column in t.ScoreRow.__table__.columns if column.name != "slot"),
                sample.class_name,
                sample.file_name,
                t.ImageRow.path.label("image_path"),
                func.coalesce(func.nullif(sample.group, ""), cast(sample.id, String)).label("source"),
                COUNTING.label("current_revision"),
                STATE.label("review_state"),
                label.provenance,
                label.human_made,
                and_(sample.box_only, label.as_imported).label("is_box"),
            )
            .join(sample, sample.id == t.ScoreRow.sample_id)
            .join(label, scored)
            .outerjoin(t.HoneypotRow, t.HoneypotRow.sample_id == sample.id)
            .join(t.ImageRow, t.ImageRow.hash == sample.image_hash)
            .order_by(t.ScoreRow.run_id, t.ScoreRow.sample_id)
        )
        if run_id is not None:
            query = query.where(t.ScoreRow.run_id == run_id)
        if split is not None:
            query = query.where(t.ScoreRow.split == split)
        if ids is not None:
            query = query.where(t.ScoreRow.sample_id.in_(ids))
        with self._engine.connect() as connection:
            return pd.read_sql(query, connection)

    def page_of_scores(
        self,
        wanted: ScoreFilter,
        by: str = "iou",
        *,
        worst_first: bool = True,
        count: int = 12,
        after: Place | None = None,
        backwards: bool = False,
    ) -> pd.DataFrame:
        """At most `count` scores in the order of a metric, as `scores` has them; equals by sample. What was scored before that
        metric was known has no place in it.

        by: one of HEADLINE. after: where the page begins. backwards: the page that ends there. Raises RequestError for a metric
        that nothing is ordered by.
        """
        if by not in HEADLINE:
            raise RequestError(f"scores are not ordered by {by}; use one of {', '.join(HEADLINE)}")
        rising = worst_first != backwards
        place = after or (Place(-1.0, 0) if rising else Place(2.0, 0))
        one, of_slot, at_head = t.ScoreRow, aliased(t.ScoreRow), aliased(t.ScoreRow)
        from_here = tuple_(literal(place.value), literal(place.sample_id))

        def order(*columns: Any) -> list[Any]:
            return [column.asc() if rising else column.desc() for column in columns]

        def taken(row: Any, slot_id: Any, columns: Sequence[Any], most: int) -> Any:
            """The first of a slot from here on."""
            place_of = (getattr(row, by), row.sample_id)
            beyond = tuple_(*place_of) > from_here if rising else tuple_(*place_of) < from_here
            return select(*columns).where(row.slot == slot_id, beyond).order_by(*order(*place_of)).limit(most)

        # of a page of N only the N slots with the first heads can hold a part
        head = [taken(at_head, t.SlotRow.id, [c], 1).correlate(t.SlotRow) for c in (getattr(at_head, by), at_head.sample_id)]
        heads = select(t.SlotRow.id, *(h.scalar_subquery().label(n) for h, n in zip(head, ("value", "sample"), strict=True)))
        found = heads.where(*_conditions(wanted)).subquery()
        slots = select(found.c.id).where(found.c.value.is_not(None)).order_by(*order(found.c.value, found.c.sample)).limit(count)
        chosen = slots.subquery()
        of_run = one.run_id + "" == wanted.run_id  # no column alone, or SQLite goes through the whole run by that index
        first = taken(of_slot, chosen.c.id, [of_slot.sample_id], count).correlate(chosen)
        query = select(one.sample_id).select_from(chosen).join(one, and_(of_run, one.sample_id.in_(first)))
        query = query.order_by(*order(getattr(one, by), one.sample_id)).limit(count)
        with self._read() as session:
            ids = list(session.scalars(query))
        if backwards:
            ids.reverse()
        return self.scores(wanted.run_id, ids=ids).set_index("sample_id", drop=False).loc[ids].reset_index(drop=True)

    def slots(self, run_id: str, split: str | None = None) -> pd.DataFrame:
        """How many scores there are of each kind: columns split, class_name, cause, iou_bin (of BINS), samples, and by each of
        HEADLINE the sum over them (`sum_iou` ...), missing where one was scored without it."""
        row = t.SlotRow
        query = select(row.split, row.class_name, row.cause, row.iou_bin, row.samples, *_sums(row)).where(row.run_id == run_id)
        if split is not None:
            query = query.where(row.split == split)
        with self._engine.connect() as connection:
            return pd.read_sql(query.order_by(row.class_name, row.cause, row.iou_bin), connection)

    def scored_runs(self) -> set[str]:
        """The runs that were scored on anything."""
        with self._read() as session:
            return set(session.scalars(select(t.SlotRow.run_id).distinct()))

    def newest_score(self, sample_id: int, run_id: str | None = None) -> Score | None:
        """Of the run, or of the newest run that scored the sample; None where it was not scored."""
        row = t.ScoreRow
        query = select(row).where(row.sample_id == sample_id)
        if run_id is not None:
            query = query.where(row.run_id == run_id)
        query = query.join(t.RunRow, t.RunRow.id == row.run_id).order_by(t.RunRow.created_at.desc()).limit(1)
        with self._read() as session:
            found = session.scalars(query).first()
            if found is None:
                return None
            values = values_of(found)
            del values["slot"]
            metrics = {key: values.pop(key) for key in t.METRIC_KEYS}
            return Score(**values, metrics={key: value for key, value in metrics.items() if value is not None})

    def save_doubts(self, found: Sequence[LabelDoubt]) -> None:
        """Insert or replace by run, sample and revision."""
        with self._write("save_doubts") as session:
            for doubt in found:
                session.merge(t.DoubtRow(**asdict(doubt)))

    def doubts(self, run_id: str) -> dict[tuple[int, int], LabelDoubt]:
        """By sample id and revision number."""
        with self._read() as session:
            rows = session.scalars(select(t.DoubtRow).where(t.DoubtRow.run_id == run_id))
            return {(row.sample_id, row.revision): LabelDoubt(**values_of(row)) for row in rows}


def renew_slots(session: Session, run_id: str) -> None:
    """Count a run's scores into slots, and put each into its own."""
    row, sample, slot = t.ScoreRow, t.SampleRow, t.SlotRow
    iou_bin = case((row.iou >= 1, BINS - 1), else_=cast(row.iou * BINS, Integer))  # type: ignore[attr-defined]
    session.execute(delete(slot).where(slot.run_id == run_id))
    parts = (row.run_id, row.split, sample.class_name, row.cause, iou_bin)
    sums = [case((func.count() == func.count(getattr(row, key)), func.sum(getattr(row, key)))) for key in HEADLINE]
    counted = select(*parts, func.count(), *sums).join(sample, sample.id == row.sample_id)
    counted = counted.where(row.run_id == run_id).group_by(*parts)
    names = ["run_id", "split", "class_name", "cause", "iou_bin", "samples", *(f"sum_{key}" for key in HEADLINE)]
    session.execute(insert(slot).from_select(names, counted))
    same = (slot.run_id == row.run_id, slot.split == row.split, slot.class_name == sample.class_name, slot.cause == row.cause)
    own = select(slot.id).where(sample.id == row.sample_id, *same, slot.iou_bin == iou_bin).correlate(row).scalar_subquery()
    session.execute(update(row).where(row.run_id == run_id).values(slot=own).execution_options(synchronize_session=False))


def _sums(row: Any) -> list[Any]:
    return [getattr(row, f"sum_{key}") for key in HEADLINE]


def _conditions(wanted: ScoreFilter) -> list[Any]:
    row = t.SlotRow
    conditions = [
        row.run_id == wanted.run_id,
        row.split == wanted.split,
        row.iou_bin >= wanted.bins.start,
        row.iou_bin < wanted.bins.stop,
    ]
    if wanted.class_name is not None:
        conditions.append(row.class_name == wanted.class_name)
    if wanted.cause is not None:
        conditions.append(row.cause == wanted.cause)
    return conditions
