"""codec.js beside the Python it must agree with: patches, strokes as text, COCO's run lengths."""

import base64

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from core.masks.mask import encode_rle
from core.masks.strokes import Patch, apply_patch, patch_between
from dashboard.mask_editor import stroke_of, text_of
from data.store.drafts import Stroke

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=20) | st.tuples(st.integers(1, 3), st.integers(200, 400))
MASKS = SHAPES.flatmap(lambda shape: arrays(bool, shape))
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))
WHOLE = "[0, 0, b.width, b.height]"


@given(st.binary(max_size=40))
def test_the_bridge_of_these_tests_speaks_base64(js, content):
    text = base64.b64encode(content).decode()
    assert js("btoa(String.fromCharCode(...a))", list(content)) == text
    assert js("Array.from(atob(a), (letter) => letter.charCodeAt(0))", text) == list(content)


@given(st.lists(st.integers(0, 2**34)))
@example([127, 128, 16383, 16384])
def test_run_lengths_come_back(js, lengths):
    assert js("unpackRuns(packRuns(a))", lengths) == lengths


@given(PAIRS)
def test_a_stroke_of_the_browser_is_what_the_server_draws_and_the_other_way(js, masks):
    before, after = masks
    theirs, ours = js(f"diffPatch(a, b, {WHOLE})", before, after), patch_between(before, after)
    if ours is None:
        assert theirs is None
        return
    assert (theirs.x, theirs.y, theirs.width, theirs.height) == (ours.x, ours.y, ours.width, ours.height)
    drawn = before.copy()
    apply_patch(drawn, theirs)
    assert np.array_equal(drawn, after)
    assert np.array_equal(js("(applyPatch(a, b), applyPatch(a, b), a)", before, ours), after)


@given(PAIRS)
def test_a_reversed_patch_takes_it_back(js, masks):
    before, after = masks
    patch = js(f"diffPatch(a, b, {WHOLE})", before, after)
    if patch is not None:
        assert np.array_equal(js("(applyPatch(a, reversePatch(b)), a)", after, patch), before)


@given(PAIRS, st.data())
def test_only_what_lies_in_the_box_is_compared(js, masks, data):
    before, after = masks
    height, width = before.shape
    x0, y0 = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    x1, y1 = data.draw(st.integers(x0, width)), data.draw(st.integers(y0, height))
    expected = before.copy()
    expected[y0:y1, x0:x1] = after[y0:y1, x0:x1]
    patch, drawn = js("diffPatch(a, b, c)", before, after, [x0, y0, x1, y1]), before.copy()
    if patch is not None:
        apply_patch(drawn, patch)
    assert np.array_equal(drawn, expected)


@given(PAIRS, st.sampled_from(["brush", "seam"]), st.booleans())
def test_strokes_are_the_same_text_on_both_sides(js, masks, tool, undo):
    ours = patch_between(*masks)
    if ours is None:
        return
    text = text_of(Stroke(tool, undo, ours))
    sent = js("({...patchToText(a), tool: b, undo: c})", ours, tool, undo)
    assert sent == text
    assert stroke_of(sent) == Stroke(tool, undo, ours)
    read = js("patchFromText(a)", text)
    assert Patch(read["x"], read["y"], read["w"], read["h"], read["added"], read["removed"]) == ours


@given(MASKS)
@example(np.zeros((3, 5), bool))
@example(np.ones((3, 5), bool))
def test_a_label_arrives_as_pycocotools_wrote_it(js, mask):
    assert np.array_equal(js("decodeCoco(a)", encode_rle(mask)), mask)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_label_of_long_and_short_runs_arrives(js, share):
    mask = np.random.default_rng(4).random((300, 200)) < share
    mask[:, 50:150] &= np.random.default_rng(5).random((300, 100)) < 0.001  # a run of about 30,000
    assert np.array_equal(js("decodeCoco(a)", encode_rle(mask)), mask)
