"""Seams kept in the workspace: the same as found anew, and found anew when anything about them changes."""

import numpy as np
import pytest

from core.seams.seams import SEARCH_VERSION, propose_seams
from data.synthetic.walls import make_scene
from training.review import kept_seams as module
from training.review.kept_seams import kept_seams


@pytest.fixture
def asked():
    scene = make_scene(920001, contents="taping")
    rows, columns = np.nonzero(scene.masks["taping"])
    box = [float(columns.min()), float(rows.min()), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)]
    read = []

    def photo():
        read.append(1)
        return scene.photo

    return box, photo, read


def same(seams, others):
    assert len(seams) == len(others) > 0
    for seam, other in zip(seams, others, strict=True):
        np.testing.assert_array_equal(seam.points_xy, other.points_xy)
        assert (seam.width_px, seam.confidence, seam.box_xywh) == (other.width_px, other.confidence, other.box_xywh)


def test_what_was_found_once_is_not_looked_for_again(asked, tmp_path):
    box, photo, read = asked
    first = kept_seams(tmp_path, "a", [box], photo)
    same(kept_seams(tmp_path, "a", [box], photo), first)
    assert len(read) == 1
    same(first, propose_seams(photo(), box))


def test_another_photo_box_or_search_is_looked_at_anew(asked, tmp_path, monkeypatch):
    box, photo, read = asked
    kept_seams(tmp_path, "a", [box], photo)
    kept_seams(tmp_path, "b", [box], photo)
    kept_seams(tmp_path, "a", [[box[0] + 1, *box[1:]]], photo)
    assert len(read) == 3
    monkeypatch.setattr(module, "SEARCH_VERSION", module.SEARCH_VERSION + 1)
    kept_seams(tmp_path, "a", [box], photo)
    assert len(read) == 4


def test_the_search_finds_what_its_version_number_stands_for(asked):
    """If this fails, the search finds other seams: raise `SEARCH_VERSION`, then write down here what it finds now."""
    box, photo, _ = asked
    seams = propose_seams(photo(), box)
    assert SEARCH_VERSION == 1
    np.testing.assert_allclose([s.points_xy for s in seams], [[(199, 2), (641, 336)], [(535, 2), (103, 638)]], atol=1)
    assert [s.width_px for s in seams] == pytest.approx([58, 50], abs=0.5)


def test_no_boxes_need_no_photo(asked, tmp_path):
    _, photo, read = asked
    assert kept_seams(tmp_path, "a", [], photo) == []
    assert read == []
