"""What an import would change, as pictures: each label before, after, and the difference, cut to where the labels are."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.masks.mask import Mask, decode_rle
from core.photos import Photo
from dashboard.gallery import LABEL_COLOUR, photo_of, shrink, truth_of
from dashboard.state import plain
from data.exchange.label_import import LabelChange
from data.store.store import Store
from training.scoring.figures import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, paint, paint_agreement

_LEAST_SIDE_PX, _MARGIN = 120, 0.15
COLOURS = {"kept": TRUE_POSITIVE, "added": FALSE_POSITIVE, "removed": FALSE_NEGATIVE}


@st.cache_data(max_entries=64, show_spinner=False)
def change_pictures(image_path: str, sample_id: int, revision: int, after: Mask) -> tuple[Photo, Photo, Photo]:
    """Label before, after, and their difference in COLOURS. after: (H, W) bool."""
    photo, before = photo_of(image_path), truth_of(sample_id, revision)
    place = around(before | after)
    photo, before, after = photo[place], before[place], after[place]
    pictures = (paint(photo, before, LABEL_COLOUR), paint(photo, after, LABEL_COLOUR), paint_agreement(photo, before, after))
    return shrink(pictures[0], 420), shrink(pictures[1], 420), shrink(pictures[2], 420)


def around(mask: Mask) -> tuple[slice, slice]:
    """The part of a photo worth showing for a mask: its box with a margin, never a speck; all of it for an empty mask."""
    parts = []
    for axis, length in enumerate(mask.shape):
        found = np.flatnonzero(mask.any(axis=1 - axis))
        if not found.size:
            return slice(None), slice(None)
        side = min(length, max(_LEAST_SIDE_PX, round((found[-1] - found[0] + 1) * (1 + 2 * _MARGIN))))
        start = min(max(0, int(found[0] + found[-1] + 1 - side) // 2), length - side)
        parts.append(slice(start, start + side))
    return parts[0], parts[1]


def show_changes(store: Store, changes: Sequence[LabelChange], left_out: set[int], key: str) -> None:
    """One card a change, with a box to leave it out; `left_out` follows the boxes. key: tells one import from another."""
    paths = {sample.id: sample.image_path for sample in store.samples(ids=[change.sample_id for change in changes])}
    for change in changes:
        with st.container(border=True):
            words, choice = st.columns([5, 1], vertical_alignment="center")
            difference = change.difference
            words.markdown(
                f"**{plain(change.file_name)}** · {change.class_name} · IoU {difference.iou:.3f} · "
                f"{difference.added_px:,} px added, {difference.removed_px:,} removed · "
                f"{change.old_px:,} px before, {change.new_px:,} after"
            )
            taken = choice.checkbox("Take over", change.sample_id not in left_out, key=f"take_over_{key}_{change.sample_id}")
            (left_out.discard if taken else left_out.add)(change.sample_id)
            pictures = change_pictures(paths[change.sample_id], change.sample_id, change.based_on, decode_rle(change.rle))
            names = (f"before, revision {change.based_on}", "after", "difference")
            for place, picture, name in zip(st.columns(3), pictures, names, strict=True):
                place.image(picture, caption=name, width="stretch")
