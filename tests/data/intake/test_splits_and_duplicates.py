import io
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from core.photos import read_photo
from data.intake.duplicates import find_leaks, group_photos, source_stem, view_hashes
from data.intake.splits import Candidate, assign_splits
from data.synthetic.walls import make_scene

SETTINGS = {"train": 0.70, "val": 0.15, "keep_source": False, "seed": 42}


def samples_of(candidates, splits):
    return [SimpleNamespace(id=c.sample_id, group=c.group, split=splits[c.sample_id]) for c in candidates]


def test_published_random_split():
    classes = ["taping"] * 1186 + ["cracks"] * 5369
    candidates = [Candidate(i, name, f"g{i}", "train") for i, name in enumerate(classes)]
    splits = assign_splits(candidates, by_group=False, **SETTINGS)
    assert Counter(splits.values()) == {"train": 4588, "val": 982, "test": 985}
    assert Counter(classes[i] for i, split in splits.items() if split == "test") == {"taping": 179, "cracks": 806}
    assert splits == assign_splits(candidates[::-1], by_group=False, **SETTINGS)
    assert splits != assign_splits(candidates, by_group=False, **{**SETTINGS, "seed": 1})


@given(st.lists(st.tuples(st.sampled_from(["cracks", "taping"]), st.integers(0, 25)), min_size=1, max_size=120))
def test_no_group_crosses_a_split(drawn):
    candidates = [Candidate(i, name, f"g{group}", "train") for i, (name, group) in enumerate(drawn)]
    splits = assign_splits(candidates, by_group=True, **SETTINGS)
    assert find_leaks(samples_of(candidates, splits)) == []
    assert set(splits) == set(range(len(drawn)))


def test_groups_keep_the_shares_near():
    candidates = [Candidate(i, "cracks", f"g{i // 3}", "train") for i in range(600)]
    counts = Counter(assign_splits(candidates, by_group=True, **SETTINGS).values())
    assert counts["train"] == pytest.approx(420, abs=6)
    assert counts["val"] == pytest.approx(90, abs=6)


def test_the_exports_own_splits_can_be_kept():
    candidates = [Candidate(1, "cracks", "g", "val"), Candidate(2, "cracks", "g", "test")]
    splits = assign_splits(candidates, by_group=True, **{**SETTINGS, "keep_source": True})
    assert splits == {1: "val", 2: "test"}
    assert [leak.splits for leak in find_leaks(samples_of(candidates, splits))] == [("test", "val")]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("IMG_1_jpg.rf.0a1b2c.jpg", "IMG_1_jpg"), ("a/b_png.rf.ff.png", "b_png"), ("001.jpg", None), ("x.rf.jpg", None)],
)
def test_roboflow_names(name, stem):
    assert source_stem(name) == stem


def test_copies_are_found_and_different_walls_are_not():
    walls = [make_scene(seed, (160, 200)).photo for seed in range(8)]
    copies = []
    for number, wall in enumerate(walls[:4]):
        image = ImageEnhance.Brightness(Image.fromarray(np.rot90(wall[:, :: -1 if number % 2 else 1], number))).enhance(1.1)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=70)
        copies.append(read_photo(buffer.getvalue()))
    groups = group_photos([None] * 12, np.stack([view_hashes(photo) for photo in walls + copies]))
    assert groups[:4].tolist() == groups[8:].tolist()
    assert len(set(groups[:8])) == 8


def test_names_alone_make_a_group():
    hashes = np.random.default_rng(0).integers(0, 256, (3, 8, 32), np.uint8)
    assert len(set(group_photos(["a", None, "a"], hashes))) == 2


def test_real_photos_are_all_different(sample_data):
    photos = [read_photo(path) for path in sorted(sample_data.glob("*/valid/*.jpg"))]
    groups = group_photos([None] * len(photos), np.stack([view_hashes(photo) for photo in photos]))
    assert len(set(groups)) == len(photos)
