"""Seams kept in the workspace: the same as found anew, and found anew when anything about them changes."""

import numpy as np
import pytest
from PIL import Image

from core.seams.seams import SEARCH_VERSION, propose_seams
from data.synthetic.walls import make_scene
from training.review import kept_seams as module
from training.review.kept_seams import keep_seams, kept_seams


@pytest.fixture(params=[240])
def asked(request):
    """A box, its photo of `param` px a side, and how often the photo was read."""
    scene = make_scene(920001, (request.param, request.param), contents="taping")
    rows, columns = np.nonzero(scene.masks["taping"])
    box = [float(columns.min()), float(rows.min()), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)]
    read = []

    def photo():
        read.append(1)
        return scene.photo

    return box, photo, read


def same(found, others):
    assert len(found) == len(others) == 1
    assert len(found[0]) == len(others[0]) > 0
    for seam, other in zip(found[0], others[0], strict=True):
        np.testing.assert_array_equal(seam.points_xy, other.points_xy)
        assert (seam.width_px, seam.confidence) == (other.width_px, other.confidence)


def test_what_was_found_once_is_not_looked_for_again(asked, tmp_path):
    box, photo, read = asked
    first = kept_seams(tmp_path, "a", [box], photo)
    same(kept_seams(tmp_path, "a", [box], photo), first)
    assert len(read) == 1
    same(first, propose_seams(photo(), [box]))


def test_another_photo_box_or_search_is_looked_at_anew(asked, tmp_path, monkeypatch):
    box, photo, read = asked
    kept_seams(tmp_path, "a", [box], photo)
    kept_seams(tmp_path, "b", [box], photo)
    kept_seams(tmp_path, "a", [[box[0] + 1, *box[1:]]], photo)
    assert len(read) == 3
    monkeypatch.setattr(module, "SEARCH_VERSION", module.SEARCH_VERSION + 1)
    kept_seams(tmp_path, "a", [box], photo)
    assert len(read) == 4


@pytest.mark.parametrize("asked", [640], indirect=True)
def test_the_search_finds_what_its_version_number_stands_for(asked):
    """If this fails, the search finds other seams: raise `SEARCH_VERSION`, then write down here what it finds now."""
    box, photo, _ = asked
    (seams,) = propose_seams(photo(), [box])
    assert SEARCH_VERSION == 3
    np.testing.assert_allclose([s.points_xy for s in seams], [[(535, 2), (103, 638)], [(199, 2), (641, 336)]], atol=1)
    assert [s.width_px for s in seams] == pytest.approx([50, 58], abs=0.5)


def test_no_boxes_need_no_photo(asked, tmp_path):
    _, photo, read = asked
    assert kept_seams(tmp_path, "a", [], photo) == []
    assert read == []


def test_many_are_found_in_processes_of_their_own_and_each_once(asked, tmp_path):
    box, photo, read = asked
    picture = tmp_path / "photo.png"
    Image.fromarray(photo()).save(picture)
    told = []
    wanted = [("a", [box], picture), ("b", [], picture), ("c", [box], tmp_path / "gone.png")]
    keep_seams(tmp_path / "seams", wanted, lambda *step: told.append(step))
    assert told == [("look for seams", 1, 2), ("look for seams", 2, 2)]
    read.clear()
    same(kept_seams(tmp_path / "seams", "a", [box], photo), propose_seams(photo(), [box]))
    assert read == [1]  # by this test alone
    keep_seams(tmp_path / "seams", wanted[:2], lambda *step: told.append(step))
    assert len(told) == 2
