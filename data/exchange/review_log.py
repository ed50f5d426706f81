"""The review log: every label revision and every decision as one line, in order of time."""

import pandas as pd

from core.masks.difference import mask_difference
from data.store.store import Store

COLUMNS = (
    "time_utc",
    "kind",
    "reviewer",
    "sample",
    "class",
    "file",
    "revision",
    "state",
    "tool",
    "comment",
    "area_px",
    "iou_with_previous",
)


def review_log(store: Store) -> pd.DataFrame:
    """One line a revision (kind "label": tool, area, IoU with the revision it was based on, 1.0 for two empty masks) and one
    a decision (kind "review": state, and the area of the label decided on). What a line does not have is missing."""
    samples = {sample.id: sample for sample in store.samples()}
    revisions, reviews = store.history()
    by_number = {(revision.sample_id, revision.number): revision for revision in revisions}
    rows: list[tuple] = []
    for revision in revisions:
        parent = by_number.get((revision.sample_id, revision.parent or 0))
        iou = mask_difference(parent.rle, revision.rle).iou if parent else None
        rows.append(
            (
                revision.created_at,
                "label",
                revision.author,
                revision.sample_id,
                revision.number,
                None,
                revision.tool,
                revision.comment,
                revision.area_px,
                iou,
            )
        )
    for review in reviews:
        decided = by_number.get((review.sample_id, review.revision))
        rows.append(
            (
                review.created_at,
                "review",
                review.reviewer,
                review.sample_id,
                review.revision,
                review.state,
                None,
                review.comment,
                decided.area_px if decided else None,
                None,
            )
        )
    rows.sort(key=lambda row: row[0])
    lines = [
        (time.strftime("%Y-%m-%d %H:%M:%S"), kind, who, sample, samples[sample].class_name, samples[sample].file_name, *rest)
        for time, kind, who, sample, *rest in rows
    ]
    return pd.DataFrame(lines, columns=list(COLUMNS))
