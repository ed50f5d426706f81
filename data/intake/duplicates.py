"""Copies and near-duplicates: photos that must not be parted by a split, and the leakage where they were.

Two signs make a group. The name: `STEM_jpg.rf.HASH.jpg` is Roboflow's mark for a copy of STEM. The picture: a
perceptual hash (pHash as the ImageHash library defines it, 256 bits) of all eight quarter-turned and mirrored views.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.photos import Photo
from data.store.records import Sample

HASH_SIDE = 16
MAX_DISTANCE = 24
"""Bits of 256. Measured on real photos: turned, brightened, re-encoded copies within 16, different walls from 38 on."""

_ROBOFLOW_COPY = re.compile(r"^(?P<stem>.+)\.rf\.[0-9A-Za-z]+\.[A-Za-z]+$")


def source_stem(file_name: str) -> str | None:
    """`IMG_1_jpg.rf.0a1b.jpg` -> `IMG_1_jpg`; None for a name that Roboflow did not make."""
    match = _ROBOFLOW_COPY.match(file_name.rpartition("/")[2])
    return match["stem"] if match else None


def view_hashes(photo: Photo) -> NDArray[np.uint8]:
    """(8, 32) uint8: the packed pHash of each view (four quarter turns, then the same mirrored): which of the 16x16 lowest
    frequencies of the photo, shrunk to 64x64, lie above their median.

    One transform serves all views: mirroring turns the signs of the odd frequencies, transposing transposes them.
    """
    grey = Image.fromarray(photo).convert("L").resize((256, 256), Image.Resampling.BILINEAR)
    small = np.asarray(grey.resize((4 * HASH_SIDE, 4 * HASH_SIDE), Image.Resampling.LANCZOS), float)
    low = dctn(small)[:HASH_SIDE, :HASH_SIDE]
    odd = np.where(np.arange(HASH_SIDE) % 2, -1, 1)
    views = []
    for side in (low, low * odd):  # as it is, and mirrored left to right
        for _ in range(4):
            views.append(side > np.median(side))
            side = side.T * odd[:, None]  # a quarter turn to the left
    return np.packbits(np.reshape(views, (8, -1)), axis=1)


def group_photos(stems: Sequence[str | None], hashes: NDArray[np.uint8], max_distance: int = MAX_DISTANCE) -> NDArray[np.int_]:
    """A group number for each photo. stems: by name, or None. hashes: (N, 8, 32) uint8 from `view_hashes`."""
    count = len(stems)
    rows: list[NDArray] = []
    columns: list[NDArray] = []
    words = np.ascontiguousarray(hashes).view(np.uint64)  # (N, 8, 4)
    upright = words[:, 0]  # (N, 4)
    for index in range(count):  # this photo as it is against every view of the later ones
        distances = np.bitwise_count(words[index + 1 :] ^ upright[index]).sum(axis=-1, dtype=np.int32).min(axis=1, initial=256)
        near = np.flatnonzero(distances <= max_distance) + index + 1
        rows.append(np.full(len(near), index))
        columns.append(near)
    by_stem: dict[str, int] = {}
    for index, stem in enumerate(stems):
        if stem is not None:
            rows.append(np.array([by_stem.setdefault(stem, index)]))
            columns.append(np.array([index]))
    row, column = (np.concatenate(parts) if parts else np.array([], int) for parts in (rows, columns))
    graph = coo_array((np.ones(len(row), bool), (row, column)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


@dataclass(frozen=True)
class Leak:
    """A group whose photos lie in more than one split."""

    group: str
    splits: tuple[str, ...]
    sample_ids: tuple[int, ...]


def by_source(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """The samples of each source photo, copies and near-duplicates together, by the group's name."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    return dict(sorted(groups.items()))


def find_leaks(samples: Iterable[Sample]) -> list[Leak]:
    """The groups whose samples lie in more than one split."""
    crossed = ((group, sorted({s.split for s in members}), members) for group, members in by_source(samples).items())
    return [Leak(group, tuple(splits), tuple(s.id for s in members)) for group, splits, members in crossed if len(splits) > 1]
