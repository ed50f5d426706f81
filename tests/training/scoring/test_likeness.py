"""Likeness of photos: neighbours and the map of a scored run, against numpy."""

import numpy as np
import pytest

from core.errors import RequestError
from core.models.predictor import Predictor
from core.photos import read_photo
from training.runs.opened import OpenedRun
from training.scoring.likeness import map_of, nearest, read_features, save_features


@pytest.fixture
def run(workspace):
    workspace.store.create_run("r", name="r", checkpoint="c", label_set=workspace.store.current_label_set().name, config={})
    return OpenedRun(workspace, "r")


def test_neighbours_stand_by_the_cosine_and_the_sample_itself_first(run):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(30, 8)).astype(np.float32)
    vectors[4] = vectors[9]  # a copy of one photo
    save_features(run.folder.features_path("test"), dict(enumerate(vectors, 100)))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = nearest(run, "test", 109, count=10)
    assert found["sample_id"].tolist()[:2] == [109, 104]
    cosines = np.sort(unit @ unit[9])[::-1][:10]
    np.testing.assert_allclose(found["likeness"], cosines, atol=2e-3)
    places = map_of(run, "test")
    assert places["sample_id"].tolist() == list(range(100, 130))
    np.testing.assert_allclose(places[["x", "y"]].iloc[4], places[["x", "y"]].iloc[9], atol=1e-4)
    assert places["x"].var() >= places["y"].var()


def test_what_was_not_kept_is_said(run):
    with pytest.raises(RequestError, match="kept nothing of what the photos of test are like"):
        nearest(run, "test", 1)
    save_features(run.folder.features_path("test"), {1: np.ones(3, np.float32), 2: np.ones(3, np.float32)})
    with pytest.raises(RequestError, match="kept nothing of what sample 9 is like"):
        nearest(run, "test", 9)
    with pytest.raises(RequestError, match="three samples or more"):
        map_of(run, "test")


def test_an_evaluated_run_has_them(trained_once, workspace, tiny_segmenter):
    root, run_id = trained_once
    opened = OpenedRun(type(workspace)(root), run_id)
    ids, vectors = read_features(opened, "test")
    assert ids.tolist() == opened.store.scores(run_id, "test")["sample_id"].tolist()
    photo = read_photo(opened.workspace.photo_path(opened.store.sample(int(ids[0])).image_path))
    np.testing.assert_allclose(vectors[0], opened.predictor().feature(photo), atol=2e-3)
    assert np.linalg.norm(Predictor(tiny_segmenter).feature(photo)) == pytest.approx(1, abs=1e-4)
    opened.store.close()
