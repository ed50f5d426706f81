"""tools.js and the desk's strokes without a screen: what press, drag and release do, and what of it goes to the server."""

import numpy as np
import pytest
from scipy import ndimage

from core.masks.mask import draw_band, fill_box
from core.masks.strokes import Patch, apply_patch

SIZE_HW = (40, 60)
EMPTY = np.zeros(SIZE_HW, bool)
TWO = EMPTY.copy()
TWO[5:20, 5:30] = True
TWO[10:15, 10:20] = False  # a hole
TWO[30:36, 40:58] = True
EIGHT = np.ones((3, 3))

# The editor's own Desk on a view that draws nothing: image points are screen points times `scale`.
DESK = """
var desk;
function setTimeout() {}
function clearTimeout() {}
const performance = { now: () => 0 };
const kept = new Map();
const localStorage = {
  getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text), removeItem: (key) => kept.delete(key),
};
function sit(label, changes) {
  kept.clear();
  const nothing = () => {};
  desk = Object.assign(Object.create(Desk.prototype), {
    data: { key: "sample", locked: null, boxOnly: false }, load: "one", ready: true, number: 0, sentAt: new Map(), sent: [], said: [],
    settings: { ...SETTINGS, size: 5, seamWidth: 6 }, done: [], undone: [], outbox: [], pending: {}, stroke: null, outline: null,
    questions: new Map(), question: 0, label,
    bitmap: { ...label, bits: label.bits.slice() }, base: { ...label, bits: label.bits.slice() },
    area: areaOf(label.bits), areaBefore: areaOf(label.bits), probs: null, threshold: 0.5, view: { scale: 1, recolour: nothing },
    replaces: false, refresh: nothing, drawShapes: nothing, showOptions: nothing, showStatus: nothing, measure: nothing,
  }, changes);
  desk.send = (message) => desk.sent.push(JSON.parse(JSON.stringify(message)));
  desk.say = (text) => desk.said.push(text);
}
function drag(points, event = {}) {
  const { handler } = desk;
  handler.down(desk, points[0], event);
  for (const point of points.slice(1)) if (desk.stroke) handler.move?.(desk, point, event);
  if (desk.stroke) handler.up?.(desk, points.at(-1), event);
  desk.stroke = null;
}
const strokes = () => desk.sent.flatMap((message) => message.strokes).filter(({ n }, i, all) => all.findIndex((s) => s.n === n) === i);
"""


@pytest.fixture(scope="session")
def engine(js):
    js.define(DESK)
    return js


class Desk:
    def __init__(self, js, label, **changes):
        self.js, self.label = js, label
        js("(sit(a, b), 0)", label, changes)

    def use(self, tool, *points, erase=False, **settings):
        self.js("(Object.assign(desk.settings, a), 0)", {"tool": tool, "erase": erase, **settings})
        self.js("(drag(a), 0)", points)
        return self

    @property
    def mask(self):
        """The bitmap; the strokes that were sent, drawn on the label as the server draws them, are the same."""
        shown, stored = self.js("desk.bitmap"), self.label.copy()
        for stroke in self.js("strokes().map(patchFromText)"):
            patch = Patch(*(stroke[key] for key in ("x", "y", "w", "h", "added", "removed")))
            apply_patch(stored, patch)
        assert np.array_equal(stored, shown)
        assert np.array_equal(self.js("desk.base"), shown)
        assert self.js("desk.area") == shown.sum()
        return shown


@pytest.fixture
def desk(engine):
    return lambda label=EMPTY, **changes: Desk(engine, label, **changes)


@pytest.mark.parametrize(("size", "point"), [(5, (12.5, 30.5)), (6, (13.0, 30.0)), (1, (12.5, 30.5))])
def test_a_brush_of_odd_size_sits_on_a_pixel_of_even_size_on_a_corner(engine, size, point):
    assert engine("brushPoint([12.6, 30.2], a)", size) == list(point)


def test_brush_and_eraser_draw_bands(desk):
    at = desk().use("brush", (10.2, 10.7), (40.1, 25.3), size=5)
    band = draw_band(np.array([(10.5, 10.5), (40.5, 25.5)]), 5, SIZE_HW)
    assert np.array_equal(at.mask, band)
    at.use("eraser", (20, 5), (20, 30), size=4)
    assert np.array_equal(at.mask, band & ~draw_band(np.array([(20.0, 5), (20, 30)]), 4, SIZE_HW))


def test_a_stroke_that_leaves_the_photo_is_cut_at_its_edge(desk):
    at = desk().use("brush", (-30, 20.5), (90, 20.5), size=3)
    assert np.array_equal(np.flatnonzero(at.mask.all(axis=1)), [19, 20, 21])


@pytest.mark.parametrize("erase", [False, True])
def test_a_box_is_the_same_from_every_corner(desk, erase):
    for start, end in (((10, 5), (31, 22)), ((31, 22), (10, 5)), ((10, 22), (31, 5))):
        at = desk(~EMPTY if erase else EMPTY).use("box", start, end, erase=erase)
        assert np.array_equal(at.mask, fill_box((10, 5, 21, 17), SIZE_HW) ^ erase)


def test_a_polygon_closes_at_its_first_corner_and_needs_three(desk, engine):
    at = desk()
    for corner in ((10, 5), (50, 5), (50, 35), (10, 35)):
        at.use("polygon", corner)
    assert not at.mask.any()
    at.use("polygon", (11, 6))  # near the first
    assert np.array_equal(at.mask, fill_box((10, 5, 40, 30), SIZE_HW))
    two = desk().use("polygon", (10, 5)).use("polygon", (50, 5))
    engine("(desk.finish(false), 0)")
    assert not two.mask.any()


def test_a_double_click_is_one_corner(engine):
    assert engine("distinct([[1, 1], [1.5, 1], [9, 9]], 1)") == [[1, 1], [9, 9]]
    assert engine("distinct([[1, 1], [1.5, 1], [9, 9]], 8)") == [[1, 1], [1.5, 1], [9, 9]]


def test_filling_closes_a_hole_and_refuses_the_wall(desk, engine):
    at = desk(TWO).use("fill", (12, 12))
    assert np.array_equal(at.mask, ndimage.binary_fill_holes(TWO))
    at.use("fill", (1, 1))
    assert "not enclosed" in engine("desk.said[0]")
    assert np.array_equal(at.mask, ndimage.binary_fill_holes(TWO))
    at.use("fill", (45, 32), erase=True)
    assert not at.mask[30:].any()


def test_a_part_is_deleted_by_a_click_close_to_it(desk):
    assert np.array_equal(desk(TWO).use("delete", (39, 32)).mask, TWO & (np.arange(40) < 25)[:, None])
    assert np.array_equal(desk(TWO).use("delete", (1, 38)).mask, TWO)  # nothing near


def test_taking_over_parts_of_the_model_and_where_both_agree(desk, engine):
    probs = np.full(SIZE_HW, 20, np.uint8)
    probs[2:8, 2:50], probs[25:39, 45:55] = 200, 140
    at = desk(TWO, probs=None)
    engine("(desk.probs = a, desk.inside = histogram(a, desk.bitmap.bits), desk.total = histogram(a), 0)", probs)
    at.use("take", (50, 27))
    taken = TWO.copy()
    taken[25:39, 45:55] = True
    assert np.array_equal(at.mask, taken)
    assert engine("desk.inside") == np.bincount(probs[taken], minlength=256).tolist()  # the live numbers keep up
    engine("(desk.takeModel(true), 0)")
    assert np.array_equal(at.mask, taken & (probs >= 128))
    engine("(desk.takeModel(false), 0)")
    assert np.array_equal(at.mask, probs >= 128)


def test_there_is_nothing_to_take_without_a_prediction(desk, engine):
    at = desk(TWO).use("take", (50, 27))
    assert engine("desk.said") == ["There is no prediction of this sample."]
    assert np.array_equal(at.mask, TWO)


def test_a_seam_replaces_the_box_it_crosses_and_spares_the_seams_before(desk, engine):
    box = fill_box((5, 5, 40, 30), SIZE_HW) | fill_box((50, 2, 8, 8), SIZE_HW)
    at = desk(box, replaces=True)
    lines = [np.array([(6.0, 6), (44, 34)]), np.array([(6.0, 34), (44, 6)])]
    for start, end in lines:
        at.use("seam", start, end, seamWidth=6)
        engine("(desk.finish(false), 0)")
    expected = fill_box((50, 2, 8, 8), SIZE_HW)
    for line in lines:
        expected |= draw_band(line, 6, SIZE_HW)
    assert np.array_equal(at.mask, expected)


def test_the_nearest_pixel_is_found_within_reach(engine, desk):
    desk(TWO)
    assert engine("nearest(desk, [36.5, 33.5], (i) => desk.bitmap.bits[i])") == [40, 33]
    assert engine("nearest(desk, [25.5, 33.5], (i) => desk.bitmap.bits[i])") is None


def test_dragging_a_corner_moves_that_border_alone(desk, engine):
    at = desk(fill_box((20, 10, 20, 15), SIZE_HW)).use("outline", (25, 15))
    at.use("outline", (20, 10), (14, 10))
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    left = 14 + (y - 10) * 6 / 15  # the border from the moved corner to the one below
    assert np.array_equal(at.mask, (y > 10) & (y < 25) & (x >= left) & (x < 40))


def test_undo_and_redo_go_stroke_by_stroke(desk, engine):
    at = desk(TWO)
    states = [at.mask]
    for tool, points in (("brush", [(5, 25), (50, 25)]), ("box", [(40, 2), (55, 9)]), ("delete", [(45, 32)])):
        states.append(at.use(tool, *points).mask)
    for state in states[-2::-1]:
        engine("(desk.undo(), 0)")
        assert np.array_equal(at.mask, state)
    engine("(desk.undo(), 0)")  # there is nothing left to undo
    for state in states[1:]:
        engine("(desk.redo(), 0)")
        assert np.array_equal(at.mask, state)
    assert engine("strokes().map((s) => s.undo)") == [False] * 3 + [True] * 3 + [False] * 3


def test_the_server_gets_every_stroke_until_it_says_that_it_has_it(desk, engine):
    at = desk().use("brush", (5, 5), (50, 5)).use("brush", (5, 15), (50, 15))
    assert [[s["n"] for s in message["strokes"]] for message in engine("desk.sent")] == [[1], [1, 2]]
    engine("(desk.update({...desk.data, load: 'one', acked: {one: 1}}), 0)")
    at.use("brush", (5, 25), (50, 25))
    assert [s["n"] for s in engine("desk.sent.at(-1).strokes")] == [2, 3]
    engine("(desk.update({...desk.data, load: 'one', acked: {one: 3}}), 0)")
    assert engine("[desk.outbox.length, kept.get('sample') ?? null]") == [0, None]


def test_strokes_the_server_never_got_are_drawn_again_on_the_next_opening(desk, engine):
    drawn = desk(TWO).use("brush", (5, 25), (50, 25)).mask
    left = engine("kept.get('sample')")
    at = desk(TWO, load="two")
    engine("(kept.set('sample', a), desk.recall(), 0)", left)
    assert np.array_equal(at.mask, drawn)
    assert engine("strokes().map((s) => [s.load, s.n])") == [["two", 1]]


def test_nobody_draws_on_a_locked_sample(desk, engine):
    desk(TWO, data={"key": "sample", "locked": "Bob has it."})
    engine("(desk.takeModel(false), 0)")
    assert engine("[desk.said, desk.sent]") == [["Bob has it."], []]
