"""Slices: where a run is worse than on the rest, by what is known of photo and label."""

import numpy as np
import pandas as pd

from core.metrics.ceiling import TILES_HELP_BELOW
from training.scoring.intervals import mean_interval

_AREAS = (0.0, 0.001, 0.01, 0.05, 1.0)
_AREA_NAMES = ("label under 0.1 %", "label 0.1 to 1 %", "label 1 to 5 %", "label over 5 %")
_MEGAPIXELS = (0.0, 0.5, 2.0, np.inf)
_SIZE_NAMES = ("photo under 0.5 MP", "photo 0.5 to 2 MP", "photo over 2 MP")
_GREYS = (-0.01, 0.3, 0.5, 0.7, 1.0)
_GREY_NAMES = ("dark photo", "dim photo", "bright photo", "very bright photo")
_WIDTHS = (0.0, 5.0, 12.0, 30.0, np.inf)
_WIDTH_NAMES = ("label under 5 px wide", "label 5 to 12 px wide", "label 12 to 30 px wide", "label over 30 px wide")
FEWEST = 5
"""Slices of fewer source photos say nothing and are left out."""


def slices(table: pd.DataFrame, quality: pd.DataFrame | None = None) -> pd.DataFrame:
    """Of a table of scores, and what was measured of photos and labels (`Store.quality`), one row a slice of a class, the worst
    first: class_name, slice, samples, source_photos, miou, the ends
    of its 95 % interval by source photo (low, high), and `worse`: the interval lies below the mean of the whole class.

    A slice is a share of the photo that the label covers, a size of the photo, a kind of label, photos with or without copies
    in the split, a structure that is thin for the model's grid or, where that was measured, light and the label's width on a photo of
    640 px. One that holds its whole class says nothing and is left out.
    """
    rows = []
    if quality is not None:
        table = table.merge(quality[["sample_id", "brightness", "width_px"]], on="sample_id", how="left")
    for class_name, of_class in table.groupby("class_name"):
        mean = of_class["iou"].mean()
        for values in _slicers(of_class):
            for name, chosen in of_class.groupby(values, observed=True):
                photos = chosen["source"].nunique()
                if photos < FEWEST or len(chosen) == len(of_class):
                    continue
                found = mean_interval(chosen["iou"].to_numpy(float), chosen["source"].to_numpy())
                worse = found.high is not None and found.high < mean
                rows.append((class_name, str(name), len(chosen), photos, found.mean, found.low, found.high, worse))
    columns = ["class_name", "slice", "samples", "source_photos", "miou", "low", "high", "worse"]
    return pd.DataFrame(rows, columns=columns).sort_values("miou", kind="stable", ignore_index=True)


def _slicers(table: pd.DataFrame) -> list[pd.Series]:
    """For each way to cut, the name of each sample's slice. Columns used: tp, fp, fn, tn, is_box, human_made, source, ceiling."""
    pixels = table[["tp", "fp", "fn", "tn"]].sum(axis=1)
    share = (table["tp"] + table["fn"]) / pixels
    area = pd.cut(share, _AREAS, labels=_AREA_NAMES).astype(object).where(share > 0, "nothing labelled")
    size = pd.cut(pixels / 1e6, _MEGAPIXELS, labels=_SIZE_NAMES)
    boxes, human = table["is_box"].astype(bool), table["human_made"].astype(bool)
    kind = pd.Series(np.select([boxes, ~human], ["label is a box", "label accepted from a proposal"], "label drawn"), table.index)
    copied = table["source"].duplicated(keep=False)
    copies = pd.Series(np.where(copied, "photo with copies", "photo without copies"), table.index)
    thin = pd.Series(np.where(table["ceiling"] < TILES_HELP_BELOW, "thin for the model's grid", "wide enough"), table.index)
    found = [area, size, kind, copies, thin]
    if "brightness" in table:
        found += [
            pd.cut(table["brightness"].astype(float), _GREYS, labels=_GREY_NAMES),
            pd.cut(table["width_px"].astype(float), _WIDTHS, labels=_WIDTH_NAMES),
        ]
    return found
