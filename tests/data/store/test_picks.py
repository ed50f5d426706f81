"""Tags and saved views."""

import pytest

from core.errors import RequestError


def test_tags_are_put_on_and_taken_off(store):
    store.tag([1, 2, 2, 3], "door  frames")
    store.tag([3], "dark")
    store.tag([], "nobody")
    assert store.tags() == {"dark": 1, "door frames": 3}
    store.untag([2, 6], "door frames")
    assert store.tagged("door frames") == [1, 3]
    with pytest.raises(RequestError, match="a tag needs a name"):
        store.tag([1], "  ")


def test_a_view_is_kept_under_its_name_and_replaced(store):
    store.save_view("worst cracks", "failures", {"class": "cracks", "iou": "0-0.3"}, "ann")
    saved = store.save_view("worst cracks", "failures", {"class": "cracks", "iou": "0-0.2"}, "bob")
    store.save_view("other", "queue", {}, "ann")
    assert store.views("failures") == [saved]
    assert (saved.query, saved.author) == ({"class": "cracks", "iou": "0-0.2"}, "bob")
    store.drop_view("worst cracks")
    assert store.views("failures") == []
    with pytest.raises(RequestError, match="name is missing"):
        store.save_view("x", "failures", {}, " ")
