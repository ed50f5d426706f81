import json

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import part_boxes
from core.seams.search import clip_line
from data.synthetic.walls import make_scene
from training.studies.seams import _mean_distance, score_drawn, score_generated, summary_of_drawn


def test_proposals_reach_the_true_bands_where_boxes_do_not():
    table = score_generated(4, 920)
    assert table["iou"].mean() >= 0.70
    assert table["box_iou"].mean() < 0.5


@pytest.fixture
def drawn(tmp_path):
    """A photo with one joint whose band is known, as somebody would have drawn it, and one that holds nothing."""
    scene = make_scene(920_002, contents="both")
    points, width = scene.joints[0]
    along = (points[1] - points[0]) / np.hypot(*(points[1] - points[0]))
    ends = clip_line(points[0], along, (0, 0, 640, 640))
    (box,) = part_boxes(scene.masks["taping"])
    band = {"points_xy": ends.tolist(), "width_px": width, "box_xywh": box}
    known = {"split": "test", "style": "tape", "dark": False, "cut_out_over_joint": False}
    entries = [{"file_name": "a.jpg", **known, "bands": [band]}, {"file_name": "b.jpg", **known, "bands": []}]
    (tmp_path / "bands.json").write_text(json.dumps(entries))
    (tmp_path / "photos" / "train").mkdir(parents=True)
    for name in "ab":
        Image.fromarray(scene.photo).save(tmp_path / "photos" / "train" / f"{name}.jpg", quality=95)
    return tmp_path


def test_proposals_are_scored_against_drawn_bands(drawn):
    photos, bands = score_drawn(drawn / "bands.json", drawn / "photos")
    assert list(photos["file_name"]) == list(bands["file_name"]) == ["a.jpg"]
    assert bands["off_px"].iloc[0] < 6
    assert bands["width_ratio"].iloc[0] == pytest.approx(1, abs=0.2)
    assert photos["iou"].iloc[0] > 0.9 > photos["box_iou"].iloc[0]
    summary = summary_of_drawn(photos, bands)
    assert list(summary.index) == ["all", "test", "tape"]
    assert summary.loc["all", ["photos", "bands", "line right", "width right"]].tolist() == [1, 1, 1, 1]


def test_a_photo_that_is_not_there_is_named(drawn):
    with pytest.raises(RequestError, match=r"a\.jpg is not below"):
        score_drawn(drawn / "bands.json", drawn / "nowhere")


def test_the_distance_of_two_lines_is_its_mean_along_the_first():
    straight = np.array([(0.0, 0), (100, 0)])
    assert _mean_distance(straight, np.array([(0.0, 4), (100, 4)])) == pytest.approx(4)
    assert _mean_distance(straight, np.array([(0.0, 0), (100, 10)])) == pytest.approx(5, abs=0.1)
    assert _mean_distance(straight, np.array([(-50.0, 0), (40, 0), (150, 0)])) == pytest.approx(0, abs=1e-9)
