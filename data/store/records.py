"""What the store hands out: frozen records, never rows of a table."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.masks.mask import Rle

SPLITS = ("train", "val", "test")
REVIEW_STATES = ("to review", "in review", "fixed", "accepted", "rejected", "skipped")
PROVENANCES = ("imported", "drawn", "edited proposal", "accepted proposal", "restored")
HUMAN_MADE = ("imported", "drawn")


@dataclass(frozen=True)
class ImageRecord:
    """A photo by content. hash: sha256 of the bytes. path: below the workspace. view_hashes: (8, 32) uint8 as bytes
    (`data.intake.duplicates.view_hashes`), None for a photo that came in before they were kept."""

    hash: str
    path: str
    height: int
    width: int
    view_hashes: bytes | None = None


@dataclass(frozen=True)
class NewSample:
    """A sample about to enter, with its first label; rle is None where what the import holds of it cannot be used."""

    image_hash: str
    class_name: str
    file_name: str
    source_split: str
    box_only: bool
    rle: Rle | None
    boxes: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """One image with one class's label. `revision` is the number of its current label revision; 0: it has none yet.

    box_only: it was imported as boxes. as_imported: the label that counts (of a honeypot its truth) shows what was imported.
    boxes: of the imported annotations, [x, y, width, height] in px; none for samples imported before they were kept.
    """

    id: int
    image_hash: str
    class_name: str
    file_name: str
    image_path: str
    size_hw: tuple[int, int]
    source_split: str
    split: str
    group: str
    box_only: bool
    revision: int
    review_state: str
    as_imported: bool
    px_per_mm: float | None = None  # the photo's scale, where somebody gave one
    boxes: list[list[float]] = field(default_factory=list)

    def is_box_in(self, label: "LabelRevision") -> bool:
        """Whether this label of the sample is still the boxes it was imported as."""
        return self.box_only and label.as_imported

    @property
    def is_box(self) -> bool:
        """As `is_box_in`, of the label that counts: told by what it shows, so an undo or a restore brings a box back."""
        return self.box_only and self.as_imported


@dataclass(frozen=True)
class LabelRevision:
    """Who changed which mask, when, from what. `parent` is the number of the revision it was based on.

    provenance: one of PROVENANCES. human_made: no machine proposed any of it; a restored mask keeps the answer of the one
    it restores. batch: the bulk action that made it. as_imported: it shows what the sample was imported with.
    """

    id: int
    sample_id: int
    number: int
    parent: int | None
    rle: Rle
    area_px: int
    author: str
    tool: str
    comment: str
    created_at: datetime
    provenance: str
    human_made: bool
    batch: str | None
    as_imported: bool


@dataclass(frozen=True)
class LabelSet:
    """Labels frozen under a name; `digest` is equal for equal labels."""

    name: str
    digest: str
    samples: int
    created_at: datetime


@dataclass(frozen=True)
class Run:
    id: str
    name: str
    status: str
    checkpoint: str
    label_set: str
    config: dict[str, Any]
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    pid: int | None = None
    pid_started: float | None = None
    best_epoch: int | None = None
    best_val_miou: float | None = None
    seconds: float | None = None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class Score:
    """A run's prediction of one sample against one label revision, in pixels and by every metric.

    metrics: by key (`core.metrics.table.METRICS`); one that is missing was not known when the run was scored. The grid is
    what the model answered on (`core.metrics.ceiling`). cause: of a failure (`training.scoring.causes`), else empty.
    """

    run_id: str
    sample_id: int
    split: str
    revision: int
    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    metrics: dict[str, float]
    grid_height: int | None = None
    grid_width: int | None = None
    cause: str = ""


@dataclass(frozen=True)
class Review:
    """A decision. seconds: from taking the sample to deciding, None if it was not taken."""

    sample_id: int
    state: str
    reviewer: str
    comment: str
    revision: int
    created_at: datetime
    seconds: float | None


@dataclass(frozen=True)
class Lease:
    """The sample is with `reviewer` until `until`; nobody else is given it meanwhile."""

    sample_id: int
    reviewer: str
    taken_at: datetime
    until: datetime


@dataclass(frozen=True)
class NewLabel:
    """One mask of a bulk action; based_on is the number of the revision that was on the screen."""

    sample_id: int
    based_on: int
    rle: Rle


@dataclass(frozen=True)
class Batch:
    """A bulk action, undoable as one."""

    id: str
    author: str
    tool: str
    comment: str
    samples: int
    created_at: datetime
    undone_by: str | None
    undone_at: datetime | None


@dataclass(frozen=True)
class Honeypot:
    """A sample whose truth is known: revision `truth_revision`, which stays its label. Reviewers are shown `bait`."""

    sample_id: int
    truth_revision: int
    bait: Rle
    planted_by: str
    planted_at: datetime


@dataclass(frozen=True)
class LabelDoubt:
    """How much a run doubts one label revision (`core.metrics.label_doubt`), each in [0, 1]; how far the run's prompts, and it
    and the run before it, differ on the photo: 1 - IoU of their masks, None where that was not measured."""

    run_id: str
    sample_id: int
    revision: int
    noise: float
    missed: float
    unsupported: float
    prompts_differ: float | None = None
    runs_differ: float | None = None


@dataclass(frozen=True)
class Problem:
    """Something an import repaired, refused or took in a way one should know, with its reason in one sentence."""

    class_name: str
    split: str
    file_name: str
    item: str
    action: str  # "repaired", "refused" or, where nothing was wrong, "noted"
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What an import found: one row a class and split, and what else there is to tell (`Problem`)."""

    raw_dir: str
    created_at: datetime
    rows: list[dict[str, Any]]
    problems: list[Problem] = field(default_factory=list)
