"""Labels and tables out, each in the format somebody asked for."""

from pathlib import Path

from core.errors import RequestError
from core.files import write_atomically
from data.formats import FORMATS
from data.formats.exchange import OutgoingLabel
from data.photo_names import export_names
from data.review_log import review_log
from data.safe_csv import csv_bytes
from data.sizes_table import sizes_table
from data.store import Store
from data.workspace import Workspace

TABLES = ("review-log", "sizes")
EXPORTS = (*FORMATS, *TABLES)


def export_labels(workspace: Workspace, store: Store, folder: Path, form: str, label_set: str | None = None) -> int:
    """Write the labels below `folder`, or review_log.csv or sizes.csv into it; returns how many samples or lines.

    form: one of EXPORTS. label_set: a frozen set, None for the current labels. Raises RequestError for another form.
    """
    if form == "review-log":
        if label_set is not None:
            raise RequestError("the review log holds every revision; leave out --label-set")
        table = review_log(store)
        write_atomically(folder / "review_log.csv", csv_bytes(table))
        return len(table)
    if form == "sizes":
        table = sizes_table(store, label_set=label_set)
        write_atomically(folder / "sizes.csv", csv_bytes(table))
        return len(table)
    if form not in FORMATS:
        raise RequestError(f"format {form} is unknown; use one of {', '.join(EXPORTS)}")
    samples, labels = store.samples(), store.labels(label_set)
    names = export_names(samples)
    outgoing = [
        OutgoingLabel(
            names[sample.image_hash], sample.class_name, sample.split, workspace.photo_path(sample.image_path),
            labels[sample.id].rle,
        )
        for sample in samples
        if sample.id in labels
    ]  # fmt: skip
    FORMATS[form].write(folder, outgoing)
    return len(outgoing)
