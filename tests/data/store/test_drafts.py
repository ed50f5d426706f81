import numpy as np
import pytest

from core.masks.mask import decode_rle
from core.masks.strokes import patch_between
from data.store.drafts import Draft, Stroke


def stroke(before, rows, value=True, tool="brush", undo=False):
    """A stroke that sets whole rows."""
    after = before.copy()
    after[rows] = value
    return Stroke(tool, undo, patch_between(before, after)), after


@pytest.fixture
def drawn(store):
    sample = store.samples()[0]
    label = decode_rle(store.label(sample.id).rle)
    first, once = stroke(label, slice(10, 14), not label[10:14].all())
    second, twice = stroke(once, slice(50, 52), not once[50:52].all())
    store.add_strokes(sample.id, "Ann", 1, [first])
    store.add_strokes(sample.id, "Ann", 1, [second])
    return sample, label, twice


def test_a_draft_is_its_strokes_on_the_label(store, drawn):
    sample, label, mask = drawn
    draft = store.draft(sample.id, "Ann")
    assert draft.based_on == 1
    assert np.array_equal(draft.draw_on(label), mask)
    assert store.draft(sample.id, "Bob") is None


def test_dropping_a_draft_spares_the_stroke_drawn_meanwhile(store, drawn):
    sample, _, mask = drawn
    draft = store.draft(sample.id, "Ann")
    late, _ = stroke(mask, slice(70, 71), not mask[70:71].all())
    store.add_strokes(sample.id, "Ann", 2, [late])
    store.drop_draft(draft)
    left = store.draft(sample.id, "Ann")
    assert left.strokes == [late]
    assert left.based_on == 2


def test_rebasing_keeps_both_what_i_changed_and_what_they_did(store, drawn):
    sample, label, mine = drawn
    theirs = ~label
    store.rebase_draft(store.draft(sample.id, "Ann"), label, 2)
    draft = store.draft(sample.id, "Ann")
    assert (draft.based_on, len(draft.strokes)) == (2, 1)
    assert np.array_equal(draft.draw_on(theirs), np.where(mine != label, mine, theirs))


@pytest.mark.parametrize(
    ("tools", "provenance"),
    [
        (["brush", "seam"], "drawn"),
        (["model"], "accepted proposal"),
        (["proposal", "eraser"], "edited proposal"),
        (["model", "undo", "brush"], "drawn"),
        (["model", "discard", "box"], "drawn"),
        (["brush", "undo"], "drawn"),
        (["edited proposal"], "edited proposal"),
    ],
    ids=" ".join,
)
def test_provenance_follows_the_strokes_that_count(tools, provenance):
    empty = np.zeros((4, 4), bool)
    patch = patch_between(empty, ~empty)
    strokes = [Stroke(tool, tool == "undo", patch) for tool in tools]
    draft = Draft(1, "Ann", 1, strokes, 1, None)
    assert draft.provenance == provenance
