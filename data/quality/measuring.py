"""Measuring a workspace's photos and labels, each once, on all cores; what changed is measured anew."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from core.errors import PhotoError
from core.masks.mask import Rle, decode_rle
from core.photos import read_photo
from core.progress import Progress, silent
from data.quality.measures import LabelMeasures, PhotoMeasures, measure_label, measure_photo
from data.store.quality import MeasuredLabel, MeasuredPhoto
from data.workspace import Workspace

_FEW, _BATCH = 32, 200

Task = tuple[str, str, list[tuple[int, int, Rle]]]
"""A photo's hash and path, and of its labels to measure: sample, revision, mask."""


def measure_quality(workspace: Workspace, on_progress: Progress = silent) -> int:
    """Returns how many photos were looked at. A photo that cannot be read is left out; the pages name it."""
    store = workspace.store
    tasks: list[Task] = store.unmeasured()
    photos: list[MeasuredPhoto] = []
    labels: list[MeasuredLabel] = []
    for done, found in enumerate(_measured(tasks, workspace), 1):
        on_progress("measure photos and labels", done, len(tasks))
        if found is not None:
            photos.append(found[0])
            labels += found[1]
        if len(photos) >= _BATCH or done == len(tasks):
            store.save_quality(photos, labels)
            photos, labels = [], []
    return len(tasks)


def _measured(tasks: list[Task], workspace: Workspace) -> Iterator[tuple[MeasuredPhoto, list[MeasuredLabel]] | None]:
    work = partial(_measure, root=workspace.root)
    if len(tasks) <= _FEW:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, tasks, chunksize=16)


def _measure(task: Task, root: Path) -> tuple[MeasuredPhoto, list[MeasuredLabel]] | None:
    digest, path, labels = task
    try:
        photo = read_photo(root / path)
    except PhotoError:
        return None
    of_photo: PhotoMeasures = measure_photo(photo)
    found: list[tuple[int, int, LabelMeasures]] = [
        (sample_id, revision, measure_label(decode_rle(rle), photo)) for sample_id, revision, rle in labels
    ]
    return (
        MeasuredPhoto(digest, **vars(of_photo)),
        [MeasuredLabel(sample_id, revision, **vars(measures)) for sample_id, revision, measures in found],
    )
