import os

import pytest
import torch

from core.train import feature_cache
from core.train.feature_cache import FeatureCache

SHAPE = (2, 3, 4)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features", "checkpoint", SHAPE, 10 * 48)


def layers(value):
    return tuple(torch.full(SHAPE[1:], value + layer) for layer in range(SHAPE[0]))


def test_entries_come_back_in_half_precision(cache):
    cache.write("a", tuple(layer / 3 for layer in layers(1.0)))
    first, second = cache.read("a")
    assert first.dtype == torch.float16
    assert torch.equal(first, torch.full(SHAPE[1:], 1 / 3).half())
    assert torch.equal(second, torch.full(SHAPE[1:], 2 / 3).half())


def test_only_whole_entries_are_read(cache):
    cache.write("a", layers(1.0))
    (path,) = cache.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-2])  # a crash in the middle of writing
    assert cache.missing(["a", "b", "a"]) == ["a", "b"]
    with pytest.raises(KeyError, match="fill it"):
        cache.read("a")


def test_other_checkpoints_have_other_entries(cache):
    cache.write("a", layers(1.0))
    assert FeatureCache(cache.folder, "another", SHAPE, 480).missing(["a"]) == ["a"]


def test_the_oldest_leave_first_and_the_wanted_stay(cache):
    for age, key in enumerate(["oldest", "old", "new"]):
        cache.write(key, layers(1.0))
        os.utime(cache._path(key), (age, age))
    assert cache.make_room(["old", *map(str, range(8))])
    assert cache.missing(["oldest", "old", "new"]) == ["oldest"]


def test_no_room_is_said_and_nothing_deleted_for_nothing(cache, monkeypatch):
    cache.write("a", layers(1.0))
    assert not cache.make_room(map(str, range(11)))
    assert cache.missing(["a"]) == []
    short = type("usage", (), {"free": 10})
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _: short)
    assert not cache.make_room(["b"])


def test_the_wrong_shape_is_a_mistake(cache):
    with pytest.raises(ValueError, match=r"must be \(2, 3, 4\)"):
        cache.write("a", layers(1.0)[:1])
    assert list(cache.folder.iterdir()) == []
