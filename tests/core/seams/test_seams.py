"""Seams on generated walls, whose joints are known, and on hand cases."""

import numpy as np
import pytest
from PIL import Image

from core.masks.mask import draw_band, fill_box
from core.metrics.overlap import count_pixels, iou
from core.seams import seams
from core.seams.seams import Seam, propose_seams, seam_mask, snap_seam
from core.seams.search import clip_line
from data.synthetic.walls import make_scene


def wall_with_line(start, end, width_px, size_hw=(320, 320), depth=60):
    """Plain grey with a little noise and one dark line."""
    random = np.random.default_rng(0)
    grey = 170 + random.normal(0, 3, size_hw)
    grey[draw_band(np.array([start, end], float), width_px, size_hw)] -= depth
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def test_the_line_in_a_wide_box_is_found_where_it_was_drawn():
    photo = wall_with_line((0, 40), (320, 250), 2)
    ((seam,),) = propose_seams(photo, [[0, 36, 320, 218]])
    offsets = [abs(np.interp(x, (0, 320), (40, 250)) - y) for x, y in seam.points_xy]
    assert max(offsets) < 2
    assert seam.confidence > 0.5


def test_without_anything_to_see_there_is_no_seam_and_the_next_box_has_its_own():
    photo = wall_with_line((0, 40), (320, 250), 2)
    blank, seen = propose_seams(photo, [[10, 270, 200, 30], [0, 36, 320, 218]])
    assert blank == []
    assert len(seen) == 1


@pytest.mark.parametrize("box", [[0, 0, 3, 90], [400, 10, 50, 50], [-30, 0, 20, 20]], ids=["thin", "beside", "left"])
def test_a_box_without_room_holds_no_seam(box):
    assert propose_seams(np.zeros((320, 320, 3), np.uint8), [box]) == [[]]


def test_a_band_keeps_its_width_to_its_ends():
    line = np.array([[20.0, 50.0], [50.0, 50.0]])
    mask = seam_mask([Seam(line, 10, 1.0)], (100, 100))
    assert (mask.sum(axis=0)[20:50] == 10).all()
    assert seam_mask([], (4, 5)).shape == (4, 5)


def test_on_a_large_photo_seams_are_found_on_a_smaller_one_and_told_in_its_own_pixels():
    photo = make_scene(920_001, contents="taping").photo
    side = 2 * seams._SIDE_PX
    large = np.asarray(Image.fromarray(photo).resize((side, side)))
    small, factor = seams._shrunk(large)
    assert (small.shape[:2], factor) == ((seams._SIDE_PX,) * 2, 2)
    (found,), (expected,) = propose_seams(large, [[0, 0, side, side]]), propose_seams(small, [[0, 0, side / 2, side / 2]])
    assert len(found) == len(expected) >= 1
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.points_xy, theirs.points_xy * factor)
        assert ours.width_px == pytest.approx(theirs.width_px * factor)
    line = found[0].points_xy + 5
    moved, again = snap_seam(large, line, 40, [[0, 0, side, side]]), snap_seam(small, line / 2, 20, [[0, 0, side / 2, side / 2]])
    np.testing.assert_allclose(moved.points_xy, again.points_xy * factor)
    assert moved.width_px == pytest.approx(again.width_px * factor)


def test_a_line_is_clipped_to_a_box():
    ends = clip_line(np.array([5.0, 5.0]), np.array([1.0, 0.0]), (0, 0, 10, 10))
    np.testing.assert_allclose(ends, [[0, 5], [10, 5]])
    assert clip_line(np.array([5.0, 15.0]), np.array([1.0, 0.0]), (0, 0, 10, 10)) is None


def test_a_bent_line_snaps_piece_by_piece_and_a_dot_stays():
    photo = wall_with_line((0, 100), (320, 100), 3)
    snapped = snap_seam(photo, np.array([[10.0, 104.0], [160.0, 96.0], [310.0, 105.0]])).points_xy
    np.testing.assert_allclose(snapped[:, 1], 100, atol=1)
    dot = np.array([[5.0, 5.0], [6.0, 6.0]])
    np.testing.assert_array_equal(snap_seam(photo, dot).points_xy, dot)
    same = snap_seam(photo, dot[[0, 0]], boxes=[[0, 0, 320, 320]])  # pressed and let go in one place
    np.testing.assert_array_equal(same.points_xy, dot[[0, 0]])
    with pytest.raises(ValueError, match="at least 2 points"):
        snap_seam(photo, np.zeros((1, 2)))


def test_a_line_drawn_past_the_photo_is_cut_at_its_border():
    photo = wall_with_line((0, 100), (320, 100), 3)
    inside = np.array([[0.0, 103.0], [320.0, 97.0]])
    along = inside[1] - inside[0]
    past = np.array([inside[0] - 0.05 * along, inside[1] + 0.1 * along])
    np.testing.assert_allclose(snap_seam(photo, past).points_xy, snap_seam(photo, inside).points_xy, atol=1e-6)


def test_ends_six_pixels_off_snap_back_onto_diagonal_joints():
    scores, seed = [], 910_000
    while len(scores) < 20:
        seed += 1
        scene = make_scene(seed, contents="taping")
        for points, width_px in scene.joints:
            along = points[1] - points[0]
            ends = clip_line(points[0], along / np.hypot(*along), (0, 0, 640, 640))
            slope = np.degrees(np.arctan2(*np.abs(along)))
            if ends is None or not 10 < slope < 80 or np.hypot(*(ends[1] - ends[0])) < 200:
                continue
            if (ends[1] - points[1]) @ along > 0:  # it ends inside the photo
                ends[1] = points[1]
            normal = np.array((-along[1], along[0])) / np.hypot(*along)
            sloppy = ends + normal * np.random.default_rng(seed).choice([-6, 6], (2, 1))
            band = draw_band(snap_seam(scene.photo, sloppy).points_xy, width_px, (640, 640))
            scores.append(iou(count_pixels(band, draw_band(ends, width_px, (640, 640)))))
    assert np.mean(np.array(scores) >= 0.8) >= 0.9
    assert np.mean(scores) >= 0.92


def test_the_box_of_a_line_is_not_its_band():
    box = (0, 0, 100, 100)
    assert iou(count_pixels(fill_box(box, (100, 100)), draw_band(np.array([[0.0, 0], [100, 100]]), 10, (100, 100)))) < 0.2


def test_the_box_tells_the_width_where_edges_are_faint():
    """A band of 60 px from border to border with a clear line in its middle and edges that are barely there."""
    size_hw, ends = (640, 640), np.array([[0.0, 200.0], [640.0, 440.0]])
    photo = wall_with_line(*ends, 4, size_hw).astype(float)
    band = draw_band(ends, 60, size_hw)
    photo = np.clip(photo + band[..., None] * 0.6, 0, 255).astype(np.uint8)
    rows = np.flatnonzero(band.any(axis=1))
    box = [0.0, float(rows[0]), 640.0, float(len(rows))]
    line = np.array([[4.0, 206.0], [636.0, 434.0]])
    assert snap_seam(photo, line).width_px < 30
    assert snap_seam(photo, line, boxes=[box]).width_px == pytest.approx(60, abs=15)
    short = np.array([[4.0, 206.0], [84.0, 235.0]])
    assert snap_seam(photo, short, boxes=[box]).width_px < 30  # it does not cross the box
