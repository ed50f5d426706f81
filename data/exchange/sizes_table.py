"""The sizes of all labels as one table: lengths and widths in px, and in mm and m where the photo has a scale."""

from collections.abc import Sequence

import pandas as pd

from core.masks.mask import decode_rle
from core.progress import Progress, silent
from core.sizes.band_size import BandSize, band_size
from data.store.store import Store

_IN_PX, _IN_MM = (("length_px", "width_mean_px", "width_max_px"), ("length_mm", "length_m", "width_mean_mm", "width_max_mm"))
COLUMNS = ("sample", "class", "file", "revision", *_IN_PX, "px_per_mm", *_IN_MM)


def sizes_table(
    store: Store, *, ids: Sequence[int] | None = None, label_set: str | None = None, on_progress: Progress = silent
) -> pd.DataFrame:
    """One line a sample, numbers as they are measured. ids: only these samples; label_set: a frozen set's labels.

    A clean wall has length 0 and no width; without a scale the columns in mm and m are missing values.
    """
    labels, rows = store.labels(label_set), []
    samples = [sample for sample in store.samples(ids=ids) if sample.id in labels]
    for done, sample in enumerate(samples):
        on_progress("measure labels", done, len(samples))
        label = labels[sample.id]
        facts = {"sample": sample.id, "class": sample.class_name, "file": sample.file_name, "revision": label.number}
        rows.append({**facts, **size_columns(band_size(decode_rle(label.rle)), sample.px_per_mm)})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[4:], float))


def size_columns(size: BandSize | None, px_per_mm: float | None) -> dict[str, float | None]:
    """The columns of COLUMNS that are measured, of one mask."""
    in_px = (size.length_px, size.width_mean_px, size.width_max_px) if size else (0.0, None, None)
    length, *widths = [value / px_per_mm if px_per_mm and value is not None else None for value in in_px]
    in_mm = (length, None if length is None else length / 1000, *widths)
    return {**dict(zip(_IN_PX, in_px, strict=True)), "px_per_mm": px_per_mm, **dict(zip(_IN_MM, in_mm, strict=True))}
