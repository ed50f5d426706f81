"""Likeness: which scored photos look alike to the model, and all of them as a map in two dimensions.

Vectors of photos (`core.models.predictor.Predictor.feature`) are kept beside a run's probabilities when it is evaluated.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from core.errors import RequestError
from core.files import write_atomically
from training.runs.opened import OpenedRun

MOST_ON_THE_MAP = 20_000


def save_features(path: Path, features: Mapping[int, NDArray[np.float32]]) -> None:
    """features: (D,) by sample id."""
    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array(list(features)), vectors=np.array(list(features.values()), np.float16))
    write_atomically(path, buffer.getvalue())


def read_features(run: OpenedRun, split: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Sample ids (N,) and vectors (N, D). Raises RequestError for a run that kept none."""
    path = run.folder.features_path(split)
    if not path.is_file():
        raise RequestError(f"run {run.id} kept nothing of what the photos of {split} are like; evaluate it again")
    with np.load(path, allow_pickle=False) as kept:
        return kept["ids"], kept["vectors"].astype(np.float32)


def nearest(run: OpenedRun, split: str, sample_id: int, count: int = 48) -> pd.DataFrame:
    """The sample itself and those most like it: columns sample_id and likeness, the cosine of the angle between their vectors.
    Raises RequestError where nothing was kept of it."""
    ids, vectors = read_features(run, split)
    place = np.flatnonzero(ids == sample_id)
    if not len(place):
        raise RequestError(f"run {run.id} kept nothing of what sample {sample_id} is like; evaluate it again")
    finder = NearestNeighbors(n_neighbors=min(count, len(ids)), metric="cosine", algorithm="brute").fit(vectors)
    distances, places = finder.kneighbors(vectors[place])
    found = pd.DataFrame({"sample_id": ids[places[0]], "likeness": 1 - distances[0]})
    own = found["sample_id"] == sample_id  # a copy may be as near
    return pd.concat([found[own], found[~own]], ignore_index=True)


def map_of(run: OpenedRun, split: str, seed: int = 0) -> pd.DataFrame:
    """Columns sample_id, x, y: the vectors' first two principal components; of more than MOST_ON_THE_MAP, that many by chance."""
    ids, vectors = read_features(run, split)
    if len(ids) > MOST_ON_THE_MAP:
        chosen = np.random.default_rng(seed).choice(len(ids), MOST_ON_THE_MAP, replace=False)
        ids, vectors = ids[chosen], vectors[chosen]
    if len(ids) < 3:
        raise RequestError(f"a map needs three samples or more, {split} has {len(ids)}")
    places = PCA(2, random_state=seed).fit_transform(vectors)
    return pd.DataFrame({"sample_id": ids, "x": places[:, 0], "y": places[:, 1]})
