import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import RequestError
from core.masks.strokes import Patch, apply_patch, patch_between

MASKS = st.tuples(st.integers(1, 12), st.integers(1, 300)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@given(MASKS)
def test_a_patch_makes_one_mask_of_the_other_and_twice_is_no_harm(masks):
    before, after = masks
    patch = patch_between(before, after)
    if patch is None:
        assert np.array_equal(before, after)
        return
    drawn = before.copy()
    for _ in range(2):
        apply_patch(drawn, patch)
        assert np.array_equal(drawn, after)


def test_a_patch_touches_only_its_pixels_on_another_mask():
    before, after, other = (np.zeros((4, 6), bool) for _ in range(3))
    after[1, 2:4] = True
    other[:, 3:] = True
    apply_patch(other, patch_between(before, after))
    assert other.sum() == 4 * 3 + 1


def test_runs_longer_than_a_byte():
    patch = Patch(0, 0, 400, 1, added=bytes([0xAC, 0x02, 100]), removed=b"")  # 300 untouched, 100 set
    mask = np.zeros((1, 400), bool)
    apply_patch(mask, patch)
    assert np.flatnonzero(mask).tolist() == list(range(300, 400))


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        pytest.param(Patch(5, 0, 4, 1, b"\x00\x04", b""), "the mask is 8x3", id="leaves-the-mask"),
        pytest.param(Patch(0, 0, 2, 1, b"\x00\x09", b""), "runs of 9 px in 2x1", id="runs-too-long"),
        pytest.param(Patch(0, 0, 2, 1, b"\x80", b""), "cut off", id="number-cut-off"),
    ],
)
def test_what_no_editor_sends_is_refused(patch, why):
    with pytest.raises(RequestError, match=why):
        apply_patch(np.zeros((3, 8), bool), patch)
