"""Labels and tables out, each in the format somebody asked for."""

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from core.errors import RequestError
from core.files import write_atomically
from data.exchange.formats import FORMATS
from data.exchange.labels import OutgoingLabel
from data.exchange.photo_names import export_names
from data.exchange.review_log import review_log
from data.exchange.safe_csv import csv_bytes
from data.exchange.sizes_table import sizes_table
from data.workspace import Workspace

TABLES = ("review-log", "sizes")
EXPORTS = (*FORMATS, *TABLES)


def export_bytes(workspace: Workspace, form: str, label_set: str | None = None, ids: Sequence[int] | None = None) -> bytes:
    """What `export_labels` writes as one file, called `export_name(form)`. Raises as it does."""
    with tempfile.TemporaryDirectory() as place:
        folder, archive = Path(place) / "export", io.BytesIO()
        folder.mkdir()
        export_labels(workspace, folder, form, label_set, ids)
        if form in TABLES:
            return (folder / export_name(form)).read_bytes()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                opened.write(path, path.relative_to(folder))
        return archive.getvalue()


def export_name(form: str) -> str:
    """`coco.zip`, `review_log.csv`."""
    return f"{form.replace('-', '_')}.csv" if form in TABLES else f"{form}.zip"


def export_labels(
    workspace: Workspace, folder: Path, form: str, label_set: str | None = None, ids: Sequence[int] | None = None
) -> int:
    """Write the labels below `folder`, or review_log.csv or sizes.csv into it; returns how many samples or lines.

    form: one of EXPORTS. label_set: a frozen set, None for the current labels. ids: of these samples alone; the review log holds
    all. Raises RequestError for another form.
    """
    if form == "review-log":
        if label_set is not None:
            raise RequestError("the review log holds every revision; leave out --label-set")
        table = review_log(workspace.store)
        write_atomically(folder / export_name(form), csv_bytes(table))
        return len(table)
    if form == "sizes":
        table = sizes_table(workspace.store, ids=ids, label_set=label_set)
        write_atomically(folder / export_name(form), csv_bytes(table))
        return len(table)
    if form not in FORMATS:
        raise RequestError(f"format {form} is unknown; use one of {', '.join(EXPORTS)}")
    samples, labels = workspace.store.samples(ids=ids), workspace.store.labels(label_set)
    names = export_names(samples)
    outgoing = [
        OutgoingLabel(
            names[sample.image_hash],
            sample.class_name,
            sample.split,
            workspace.photo_path(sample.image_path),
            labels[sample.id].rle,
        )
        for sample in samples
        if sample.id in labels
    ]
    FORMATS[form].write(folder, outgoing)
    return len(outgoing)
