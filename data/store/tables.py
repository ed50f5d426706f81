"""The database tables, mapped by SQLAlchemy. Only the store's own files read them.

A column added to a table that older workspaces have needs an entry in `data.store.upgrades`; a new table or metric needs none.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Float, ForeignKey, Index, String, TypeDecorator, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.metrics.table import HEADLINE, METRICS


class UtcDateTime(TypeDecorator[datetime]):
    """SQLite forgets the zone: times go in and come out as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[dict[str, Any]]: JSON}  # noqa: RUF012


class WorkspaceRow(Base):
    __tablename__ = "workspace"
    id: Mapped[int] = mapped_column(primary_key=True)
    schema_version: Mapped[int]
    leaking_groups: Mapped[int] = mapped_column(server_default=text("0"))


class ImageRow(Base):
    __tablename__ = "images"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str]
    height: Mapped[int]
    width: Mapped[int]
    px_per_mm: Mapped[float | None]
    scale_author: Mapped[str | None]
    view_hashes: Mapped[bytes | None]


class SampleRow(Base):
    __tablename__ = "samples"
    __table_args__ = (UniqueConstraint("image_hash", "class_name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    image_hash: Mapped[str] = mapped_column(ForeignKey("images.hash"))
    class_name: Mapped[str] = mapped_column(String(60), index=True)
    file_name: Mapped[str]
    source_split: Mapped[str] = mapped_column(String(10))
    split: Mapped[str] = mapped_column(String(10), index=True)
    group: Mapped[str] = mapped_column("group_name", String(80), default="")
    box_only: Mapped[bool]
    revision: Mapped[int]
    review_state: Mapped[str] = mapped_column(String(20), default="to review")
    boxes: Mapped[list[list[float]]] = mapped_column(JSON, server_default="[]")
    slot: Mapped[int] = mapped_column(server_default=text("0"))
    worth: Mapped[float] = mapped_column(server_default=text("0"))
    lot: Mapped[float] = mapped_column(server_default=text("0"))


Index("samples_by_worth", SampleRow.slot, SampleRow.worth.desc(), SampleRow.id)
Index("samples_by_lot", SampleRow.slot, SampleRow.lot, SampleRow.id)


class SampleSlotRow(Base):
    """Samples that stand alike, counted (`data.store.queue`)."""

    __tablename__ = "sample_slots"
    __table_args__ = (UniqueConstraint("class_name", "split", "review_state", "kind", "is_box"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    class_name: Mapped[str] = mapped_column(String(60))
    split: Mapped[str] = mapped_column(String(10))
    review_state: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    is_box: Mapped[bool]
    samples: Mapped[int]


class SentRow(Base):
    """A sample that somebody wants looked at."""

    __tablename__ = "sent"
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True, autoincrement=False)
    sender: Mapped[str]
    comment: Mapped[str]
    sent_at: Mapped[datetime]


class TagRow(Base):
    __tablename__ = "tags"
    tag: Mapped[str] = mapped_column(String(60), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True, index=True)


class ViewRow(Base):
    """A page with its filters, under a name. query: what stands in its address."""

    __tablename__ = "views"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    page: Mapped[str] = mapped_column(String(40))
    query: Mapped[dict[str, Any]]
    author: Mapped[str]
    created_at: Mapped[datetime]


class LabelRevisionRow(Base):
    __tablename__ = "label_revisions"
    __table_args__ = (UniqueConstraint("sample_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"))
    number: Mapped[int]
    parent: Mapped[int | None]
    rle: Mapped[dict[str, Any]]
    area_px: Mapped[int]
    author: Mapped[str]
    tool: Mapped[str]
    comment: Mapped[str]
    created_at: Mapped[datetime]
    provenance: Mapped[str] = mapped_column(String(20), server_default="drawn")
    human_made: Mapped[bool] = mapped_column(server_default=text("true"))
    batch: Mapped[str | None] = mapped_column(String(40))
    as_imported: Mapped[bool] = mapped_column(server_default=text("false"))


class LabelSetRow(Base):
    __tablename__ = "label_sets"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    samples: Mapped[int]
    created_at: Mapped[datetime]


class LabelSetItemRow(Base):
    __tablename__ = "label_set_items"
    label_set: Mapped[str] = mapped_column(ForeignKey("label_sets.name"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    revision: Mapped[int]


class RunRow(Base):
    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(String(20))
    checkpoint: Mapped[str]
    label_set: Mapped[str] = mapped_column(ForeignKey("label_sets.name"))
    config: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    pid: Mapped[int | None]
    pid_started: Mapped[float | None]
    best_epoch: Mapped[int | None]
    best_val_miou: Mapped[float | None]
    seconds: Mapped[float | None]
    reason: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="", server_default="")


class ScoreRow(Base):
    __tablename__ = "scores"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    split: Mapped[str] = mapped_column(String(10))
    revision: Mapped[int]
    threshold: Mapped[float]
    tp: Mapped[int]
    fp: Mapped[int]
    fn: Mapped[int]
    tn: Mapped[int]
    grid_height: Mapped[int | None]
    grid_width: Mapped[int | None]
    cause: Mapped[str] = mapped_column(String(30), server_default="")
    slot: Mapped[int] = mapped_column(server_default=text("0"))


_SINCE_THE_FIRST_VERSION = ("iou", "dice", "precision", "recall")
for _metric in METRICS:
    setattr(ScoreRow, _metric.key, mapped_column(Float, nullable=_metric.key not in _SINCE_THE_FIRST_VERSION))
METRIC_KEYS = tuple(metric.key for metric in METRICS)


class SlotRow(Base):
    """Scores of one kind, counted (`data.store.scores`)."""

    __tablename__ = "score_slots"
    __table_args__ = (UniqueConstraint("run_id", "split", "class_name", "cause", "iou_bin"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    split: Mapped[str] = mapped_column(String(10))
    class_name: Mapped[str] = mapped_column(String(60))
    cause: Mapped[str] = mapped_column(String(30))
    iou_bin: Mapped[int]
    samples: Mapped[int]


Index("scores_by_sample", ScoreRow.sample_id)
for _key in HEADLINE:
    setattr(SlotRow, f"sum_{_key}", mapped_column(Float, nullable=True))
    Index(f"scores_by_{_key}", ScoreRow.slot, getattr(ScoreRow, _key), ScoreRow.sample_id)


class ReviewRow(Base):
    __tablename__ = "reviews"
    __table_args__ = (Index("reviews_by_sample", "sample_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"))
    state: Mapped[str] = mapped_column(String(20))
    reviewer: Mapped[str]
    comment: Mapped[str]
    revision: Mapped[int]
    created_at: Mapped[datetime]
    seconds: Mapped[float | None]


class LeaseRow(Base):
    __tablename__ = "leases"
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True, autoincrement=False)
    reviewer: Mapped[str]
    taken_at: Mapped[datetime]
    until: Mapped[datetime]


class BatchRow(Base):
    __tablename__ = "batches"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    author: Mapped[str]
    tool: Mapped[str]
    comment: Mapped[str]
    samples: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(index=True)
    undone_by: Mapped[str | None]
    undone_at: Mapped[datetime | None]


class HoneypotRow(Base):
    __tablename__ = "honeypots"
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True, autoincrement=False)
    truth_revision: Mapped[int]
    bait: Mapped[dict[str, Any]]
    planted_by: Mapped[str]
    planted_at: Mapped[datetime]


class DoubtRow(Base):
    __tablename__ = "label_noise"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    noise: Mapped[float]
    missed: Mapped[float]
    unsupported: Mapped[float]
    prompts_differ: Mapped[float | None]
    runs_differ: Mapped[float | None]


class DraftStrokeRow(Base):
    __tablename__ = "drafts"
    __table_args__ = (Index("drafts_by_sample", "sample_id", "reviewer", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"))
    reviewer: Mapped[str]
    based_on: Mapped[int]
    tool: Mapped[str] = mapped_column(String(20))
    undo: Mapped[bool]
    x: Mapped[int]
    y: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    added: Mapped[bytes]
    removed: Mapped[bytes]
    created_at: Mapped[datetime]


class PhotoQualityRow(Base):
    """What was measured of a photo (`data.quality.measures`)."""

    __tablename__ = "photo_quality"
    image_hash: Mapped[str] = mapped_column(ForeignKey("images.hash"), primary_key=True)
    brightness: Mapped[float]
    sharpness: Mapped[float]
    cut_outs: Mapped[float]


class LabelQualityRow(Base):
    """What was measured of a label revision."""

    __tablename__ = "label_quality"
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    area: Mapped[float]
    parts: Mapped[int]
    islands: Mapped[int]
    width_px: Mapped[float]
    dark: Mapped[float | None]


class UserRow(Base):
    """Who may do what, by the e-mail address of the sign-in."""

    __tablename__ = "users"
    email: Mapped[str] = mapped_column(String(254), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime]


class AuditRow(Base):
    """Who did what; rows are only added (a trigger sees to it)."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(String(200))


class ImportRow(Base):
    __tablename__ = "imports"
    id: Mapped[int] = mapped_column(primary_key=True)
    raw_dir: Mapped[str]
    created_at: Mapped[datetime]
    rows: Mapped[list[dict[str, Any]]]
    problems: Mapped[list[dict[str, Any]]]
