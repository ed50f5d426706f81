import json
import shutil

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import rle_area
from data.exchange.coco import ANNOTATION_FILE
from data.intake.duplicates import find_leaks, source_stem
from data.intake.preparation import prepare
from data.workspace import Workspace


def test_photos_are_stored_by_content_and_nothing_else_is(workspace, store):
    assert len(store.samples()) >= 20
    for sample in store.samples():
        with Image.open(workspace.photo_path(sample.image_path)) as photo:
            assert photo.size[::-1] == sample.size_hw
    assert {path.name for path in workspace.root.iterdir() if path.is_dir()} == {"images", "runs"}


def test_importing_again_adds_nothing_and_keeps_what_people_fixed(workspace, store, raw_export):
    before = store.samples()
    fixed = store.save_label(1, np.zeros(store.sample(1).size_hw, bool), based_on=1, author="ann", tool="drawn")
    prepare(raw_export, workspace)
    assert len(store.samples()) == len(before)
    assert store.label(1) == fixed


def test_copies_share_a_group_and_a_split(store):
    by_stem: dict = {}
    for sample in store.samples():
        by_stem.setdefault(source_stem(sample.file_name), set()).add((sample.group, sample.split))
    samples = store.samples()
    assert 0 < len(by_stem) < len(samples)  # some photos are copies
    assert all(len(places) == 1 for places in by_stem.values())
    assert find_leaks(samples) == []


def test_a_broken_part_is_reported_and_the_rest_comes_in(raw_export, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(raw_export, raw)
    (raw / "taping" / "train" / ANNOTATION_FILE).write_text("{")
    photo = next((raw / "cracks" / "train").glob("*.jpg"))
    photo.write_bytes(photo.read_bytes()[:300])
    workspace = Workspace.open(tmp_path / "ws")
    store = workspace.store
    report = prepare(raw, workspace)
    refused = {problem.item: problem.reason for problem in report.problems if problem.action == "refused"}
    assert "not JSON" in refused[ANNOTATION_FILE]
    assert any("damaged" in reason for reason in refused.values())
    assert store.samples(class_name="cracks")
    assert store.last_import() == report
    store.close()


def test_flat_folders_and_mapped_names(tmp_path):
    folder = tmp_path / "raw" / "walls"
    folder.mkdir(parents=True)
    Image.effect_noise((40, 30), 60).save(folder / "a.png")
    document = {
        "images": [{"id": 0, "file_name": "a.png", "height": 30, "width": 40}],
        "annotations": [{"id": 0, "image_id": 0, "bbox": [0, 0, 10, 5], "segmentation": []}],
        "categories": [],
    }
    (folder / ANNOTATION_FILE).write_text(json.dumps(document))
    workspace = Workspace.open(tmp_path / "ws")
    store = workspace.store
    report = prepare(tmp_path / "raw", workspace, class_of_folder={"walls": "cracks"})
    (sample,) = store.samples()
    assert (sample.class_name, sample.box_only, rle_area(store.label(1).rle)) == ("cracks", True, 50)
    assert (report.rows[0]["box_only"], report.rows[0]["sizes"]) == (1, "40x30 (1)")
    with pytest.raises(RequestError, match="holds no COCO export"):
        prepare(tmp_path / "raw", workspace)
    store.close()


def test_real_exports_come_in_whole(sample_data, tmp_path):
    workspace = Workspace.open(tmp_path / "ws")
    store = workspace.store
    report = prepare(sample_data, workspace)
    rows = {(row["class"], row["split"]): row for row in report.rows}
    assert rows["cracks", "train"]["images"] == 76
    assert rows["cracks", "train"]["polygon"] == 207
    assert rows["taping", "train"]["box_only"] == 17
    assert len(store.samples()) == 107
    assert report.problems == []
    store.close()
