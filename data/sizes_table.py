"""The sizes of all labels as one table: lengths and widths in px, and in mm and m where the photo has a scale."""

from collections.abc import Callable, Sequence

import pandas as pd

from core.masks import decode_rle
from core.sizes import band_size
from data.store import Store

COLUMNS = (
    "sample", "class", "file", "revision", "length_px", "width_mean_px", "width_max_px", "px_per_mm", "length_mm",
    "length_m", "width_mean_mm", "width_max_mm",
)  # fmt: skip


def sizes_table(
    store: Store,
    *,
    ids: Sequence[int] | None = None,
    label_set: str | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> pd.DataFrame:
    """One line a sample, numbers as they are measured. ids: only these samples; label_set: a frozen set's labels.

    A clean wall has length 0 and no width; without a scale the columns in mm and m are missing values.
    """
    labels, rows = store.labels(label_set), []
    samples = [sample for sample in store.samples(ids=ids) if sample.id in labels]
    for done, sample in enumerate(samples):
        on_progress("measure labels", done, len(samples))
        label, scale = labels[sample.id], sample.px_per_mm
        size = band_size(decode_rle(label.rle))
        length, mean, widest = (size.length_px, size.width_mean_px, size.width_max_px) if size else (0.0, None, None)
        in_mm = [value / scale if scale and value is not None else None for value in (length, mean, widest)]
        length_m = None if in_mm[0] is None else in_mm[0] / 1000
        rows.append((
            sample.id, sample.class_name, sample.file_name, label.number, length, mean, widest, scale, in_mm[0], length_m,
            *in_mm[1:],
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[4:], float))
