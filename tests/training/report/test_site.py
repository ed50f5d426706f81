"""The report of a site, from a tiny run: what stands in it, its order, its table."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from core.errors import RequestError
from core.masks.mask import draw_band
from core.models.predictor import Prediction
from core.sizes.band_size import BandSize
from data.synthetic.walls import make_scene
from data.workspace import Workspace
from training.report import site
from training.report.site import ClassFound, PhotoFound, _class_found, read_scales, table_of, write_site_report
from training.runs.opened import OpenedRun


@pytest.fixture(scope="module")
def run(trained_once):
    opened = OpenedRun(Workspace(trained_once[0]), trained_once[1])
    yield opened
    opened.store.close()


def png(seed):
    buffer = io.BytesIO()
    Image.fromarray(make_scene(seed, (96, 128)).photo).save(buffer, format="PNG")
    return buffer.getvalue()


def test_pdf_html_and_table_hold_every_photo(run, tmp_path):
    photos = [("hall_1.png", png(1)), ("hall_2.png", png(2)), ("=cmd.png", b"no picture")]
    paths = write_site_report(run, photos, tmp_path / "out", title="North hall", px_per_mm=2.0, scales={"hall_2.png": 4.0})
    assert [path.name for path in paths] == ["report.pdf", "report.html", "findings.csv"]
    text = "".join(page.extract_text() for page in PdfReader(paths[0]).pages)
    html = paths[1].read_text("utf-8")
    for words in ("North hall", "hall_1.png", "hall_2.png", "is not a picture"):
        assert words in html
        assert words.replace(" ", "") in text.replace(" ", "").replace("\n", "")
    assert html.count("data:image/jpeg") == 2 * 3
    rows = list(csv.DictReader(io.StringIO(paths[2].read_bytes().decode("utf-8-sig"))))
    assert {row["photo"].lstrip("'") for row in rows} == {"hall_1.png", "hall_2.png", "=cmd.png"}
    assert not any(row["photo"].startswith("=") for row in rows)
    assert {row["px_per_mm"] for row in rows if row["photo"] == "hall_2.png"} == {"4.0"}


def found(width_px, confidence=0.95, hinted=0.0):
    size = BandSize(100.0, width_px / 2, width_px, (5.0, 5.0)) if width_px else None
    return ClassFound(size, 0.01 if width_px else 0.0, confidence, hinted)


def photo(name, cracks, px_per_mm=None, trouble=""):
    return PhotoFound(name, px_per_mm, {} if trouble else {"cracks": cracks, "taping": found(0)}, (), trouble)


def test_what_needs_a_person_stands_first_then_the_widest_crack():
    photos = [
        photo("clean", found(0)),
        photo("thin", found(2)),
        photo("wide", found(12)),
        photo("unsure", found(3, confidence=0.6)),
        photo("sees more", found(0, hinted=0.01)),
        photo("broken", None, trouble="broken is empty"),
        photo("wide on a fine photo", found(40), px_per_mm=10.0),
    ]
    order = [one.name for one in sorted(photos, key=lambda one: one.order)]
    assert order == ["broken", "unsure", "sees more", "wide", "wide on a fine photo", "thin", "clean"]
    assert photos[3].doubts == ["cracks: 60% sure of what it marks"]


def test_sizes_are_in_mm_and_m_where_a_scale_is_known():
    table = table_of([photo("a", found(12), px_per_mm=4.0), photo("b", found(12))]).set_index(["photo", "class"])
    assert table.loc[("a", "cracks"), "width_max_mm"] == 3.0
    assert table.loc[("a", "cracks"), "length_m"] == pytest.approx(0.025)
    assert np.isnan(table.loc[("b", "cracks"), "width_max_mm"])
    assert table.loc[("b", "cracks"), "width_max_px"] == 12
    assert not table.loc[("a", "taping"), "found"]


def test_a_crack_of_known_width_is_measured():
    mask = draw_band(np.array([[20.0, 40], [180, 90]]), 8, (120, 200))
    probs = np.where(mask, 0.9, 0.05).astype(np.float32)
    one = _class_found(Prediction("p", probs, False), mask, 0.5)
    assert one.size.width_max_px == pytest.approx(8, abs=1)
    assert one.confidence == pytest.approx(0.9)
    assert one.doubtful == ""
    assert _class_found(Prediction("p", np.full((9, 9), 0.4, np.float32), False), np.zeros((9, 9), bool), 0.5).doubtful


@pytest.mark.parametrize(("photos", "scale", "words"), [([], None, "takes 1 to"), ([("a", b"")], -1.0, "must be a positive")])
def test_what_cannot_be_reported_is_said(run, tmp_path, photos, scale, words):
    with pytest.raises(RequestError, match=words):
        write_site_report(run, photos, tmp_path, px_per_mm=scale)


def test_scales_come_from_a_table(tmp_path):
    path = tmp_path / "scales.csv"
    path.write_text("photo,px_per_mm\na.jpg,2.5\n")
    assert read_scales(path) == {"a.jpg": 2.5}
    path.write_text("file,scale\na.jpg,2.5\n")
    with pytest.raises(RequestError, match="columns photo and px_per_mm"):
        read_scales(path)
    assert site.SURE == 0.8
