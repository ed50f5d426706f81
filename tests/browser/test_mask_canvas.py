"""Each tool of the mask canvas changes exactly the pixels it should, at full resolution, whatever the zoom."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from skimage import draw

from core.metrics.overlap import count_pixels, iou
from core.seams.seams import snap_seam
from data.synthetic.walls import make_scene
from training.scoring.stored_probs import mask_at

EMPTY = np.zeros((480, 640), bool)
LARGE = np.zeros((1500, 2000), bool)
TWELVE_MEGAPIXELS = np.zeros((3000, 4000), bool)
# a label, and the screen pixels per image pixel (None: the whole photo is seen)
VIEWS = [pytest.param((EMPTY, None), id="whole"), pytest.param((EMPTY, 7.3), id="zoomed in")]
LARGE_TOO = [*VIEWS, pytest.param((LARGE, 1.9), id="3-megapixels")]
EIGHT = np.ones((3, 3))


@pytest.fixture(params=VIEWS, scope="module")
def opened_view(request, browser, open_canvas):
    label, zoom = request.param
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    context.set_default_timeout(120_000)
    yield open_canvas(context.new_page(), label), zoom
    context.close()


@pytest.fixture
def view(opened_view):
    """A canvas at a zoom, empty, and a function from the view's own coordinates in 0..1 to image points."""
    opened, zoom = opened_view
    height, width = opened.label.shape
    opened.press("b")
    opened.run("(desk.discard(), desk.pending = {}, desk.view.fit(), window.strokes.length = 0)")
    if zoom:
        opened.zoom_to(width * 0.4, height * 0.6, zoom)
    left, top, wide, high = opened.run(
        "[desk.view.x, desk.view.y, desk.stage.clientWidth / desk.view.scale, desk.stage.clientHeight / desk.view.scale]"
    )
    low = np.maximum((left, top), 0)
    high_ = np.minimum((left + wide, top + high), (width, height))
    return opened, lambda x, y: tuple(low + np.array((x, y)) * (high_ - low))


def within(points, radius, size_hw):
    """Pixels whose centre lies within `radius` of the polyline."""
    inside = np.zeros(size_hw, bool)
    reach = np.array([np.min(points, axis=0) - radius - 1, np.max(points, axis=0) + radius + 2])
    (left, top), (right, bottom) = np.clip(reach, 0, size_hw[::-1]).astype(int)
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    near = inside[top:bottom, left:right]
    for a, b in pairwise(points):
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / max(d @ d, 1e-12), 0, 1)
        near |= (x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 <= radius**2
    return inside


@pytest.mark.parametrize("opened_view", LARGE_TOO, indirect=True, scope="module")
def test_brush_of_one_pixel_is_a_line_of_single_pixels(view):
    canvas, place = view
    canvas.run("desk.set('size', 1)")
    ends = np.floor(canvas.drag(place(0.2, 0.3), place(0.7, 0.55))).astype(int)
    expected = np.zeros_like(canvas.label)
    expected[draw.line(ends[0][1], ends[0][0], ends[1][1], ends[1][0])] = True
    assert np.array_equal(canvas.mask, expected)


@pytest.mark.parametrize("size", [5, 12])
def test_brush_covers_what_lies_within_half_its_size(view, size):
    canvas, place = view
    canvas.run("desk.set('size', argument)", size)
    ends = canvas.drag(place(0.2, 0.3), place(0.6, 0.4), place(0.7, 0.8))
    ends = np.floor(ends) + 0.5 if size % 2 else np.round(ends)
    assert np.array_equal(canvas.mask, within(ends, size / 2, canvas.label.shape))


def test_eraser_takes_away_what_the_brush_adds(view):
    canvas, place = view
    canvas.run("desk.set('size', 9)")
    canvas.drag(place(0.2, 0.2), place(0.8, 0.8))
    band = canvas.mask
    canvas.press("e")
    cut = np.floor(canvas.drag(place(0.2, 0.8), place(0.8, 0.2))) + 0.5
    assert np.array_equal(canvas.mask, band & ~within(cut, 4.5, band.shape))


@pytest.mark.parametrize("erase", [False, True], ids=["add", "take-away"])
def test_box(view, erase):
    canvas, place = view
    canvas.press("x")
    outer = canvas.drag(place(0.1, 0.1), place(0.9, 0.9))
    canvas.press("Shift+x" if erase else "x")
    inner = canvas.drag(place(0.6, 0.7), place(0.3, 0.2))
    expected = np.zeros_like(canvas.label)
    for corners, value in ((outer, True), (inner, not erase)):
        (x0, y0), (x1, y1) = np.ceil(np.sort(corners, axis=0) - 0.5).astype(int)
        expected[y0:y1, x0:x1] = value
    assert np.array_equal(canvas.mask, expected)


@pytest.mark.parametrize("closing", ["Enter", "first corner"])
def test_polygon(view, closing):
    canvas, place = view
    canvas.press("p")
    corners = np.array([canvas.click(*place(*p)) for p in ((0.2, 0.2), (0.83, 0.31), (0.4, 0.45), (0.61, 0.88))])
    if closing == "Enter":
        canvas.press("Enter")
    else:
        canvas.click(*corners[0])
    expected = draw.polygon2mask(canvas.label.shape, corners[:, ::-1] - 0.5)
    off = canvas.mask ^ expected  # skimage also sets some pixels whose centre lies exactly on an edge
    assert off.sum() <= 2


@pytest.mark.parametrize("opened_view", LARGE_TOO, indirect=True, scope="module")
def test_seam_is_a_band_of_its_width(view):
    canvas, place = view
    canvas.press("s")
    canvas.run("desk.set('seamWidth', 31)")
    points = [*canvas.drag(place(0.1, 0.2), place(0.5, 0.4)), canvas.click(*place(0.8, 0.9))]
    canvas.press("Enter")
    assert np.array_equal(canvas.mask, within(np.array(points), 15.5, canvas.label.shape))


RING = EMPTY.copy()
RING[100:300, 100:400] = True
RING[150:250, 150:350] = False
RING[400:420, 500:620] = True


def test_fill_closes_a_hole_and_refuses_what_is_open(canvas):
    opened = canvas(RING)
    opened.press("f")
    opened.click(250, 200)
    assert np.array_equal(opened.mask, ndimage.binary_fill_holes(RING))
    opened.click(500, 350)
    assert "not enclosed" in opened.page.locator(".notice").inner_text()
    assert np.array_equal(opened.mask, ndimage.binary_fill_holes(RING))
    opened.press("Shift+f")
    opened.click(550, 410)
    assert opened.mask[400:420].sum() == 0


def test_delete_takes_one_part(canvas):
    opened = canvas(RING)
    opened.press("d")
    opened.click(550, 410)
    parts, _ = ndimage.label(RING, EIGHT)
    assert np.array_equal(opened.mask, RING & (parts != parts[410, 550]))


def spots():
    probs = np.full(EMPTY.shape, 30, np.uint8)
    probs[50:90, 50:200] = 200
    probs[200:260, 300:500] = 140
    label = EMPTY.copy()
    label[60:120, 60:220] = True
    return label, probs


def test_taking_the_model_whole_by_part_and_where_both_agree(canvas):
    label, probs = spots()
    opened = canvas(label, probs=probs)
    opened.press("t")
    opened.click(400, 230)
    taken = label.copy()
    taken[200:260, 300:500] = True
    assert np.array_equal(opened.mask, taken)
    opened.press("Shift+m")
    assert np.array_equal(opened.mask, taken & (probs >= 128))
    opened.press("Control+z", "m")
    assert np.array_equal(opened.mask, probs >= 128)
    opened.run("desk.setThreshold(0.6)")
    opened.press("m")
    assert np.array_equal(opened.mask, probs >= 154)


def test_proposed_seams_are_shown_before_they_are_taken(canvas):
    box = EMPTY.copy()
    box[100:300, 100:500] = True
    opened = canvas(box, boxOnly=True)
    seam = {"points": [[100, 110], [500, 280]], "width": 24, "confidence": 0.8}
    opened.answer(id=1, seams=[seam])  # asked for by the box, before anybody wants it
    assert opened.page.locator(".shapes polyline.proposed").count() == 1
    assert "80% sure" in opened.page.locator(".shapes text.proposed").text_content()
    assert np.array_equal(opened.mask, box)
    opened.press("g")
    assert np.array_equal(opened.mask, within(np.array(seam["points"], float), 12, box.shape))
    assert opened.page.locator(".shapes .proposed").count() == 0
    opened.press("Control+z")
    assert np.array_equal(opened.mask, box)
    assert opened.page.locator(".shapes polyline.proposed").count() == 1


def test_where_no_seam_was_seen_taking_it_says_so_and_changes_nothing(canvas):
    box = EMPTY.copy()
    box[100:300, 100:500] = True
    opened = canvas(box, boxOnly=True)
    opened.press("g")  # before the answer: it waits for it
    opened.answer(id=1, seams=[])
    assert "No seam was seen" in opened.page.locator(".notice").inner_text()
    assert np.array_equal(opened.mask, box)


def test_a_seam_replaces_the_box_it_crosses_and_spares_the_seams_before(canvas):
    box = EMPTY.copy()
    box[50:400, 50:600] = True
    box[440:470, 10:200] = True
    opened = canvas(box, boxOnly=True)
    opened.run("desk.set('seamWidth', 20)")
    opened.press("s")
    first = opened.drag((60, 60), (590, 390))
    opened.press("Enter")
    second = opened.drag((60, 390), (590, 60))
    opened.press("Enter")
    expected = within(first, 10, box.shape) | within(second, 10, box.shape)
    expected[440:470, 10:200] = True
    assert np.array_equal(opened.mask, expected)


def test_dragging_a_corner_of_an_outline_moves_that_border_alone(canvas):
    label = EMPTY.copy()
    label[100:300, 100:400] = True
    label[94:101, 392:400] = True  # a bump far from the corner that moves
    opened = canvas(label)
    opened.press("v")
    opened.click(200, 200)
    opened.drag((100, 300), (60, 340))
    moved = opened.image_point(opened.at(60, 340))
    expected = draw.polygon2mask(label.shape, np.array([(100, 100), (100, 400), (300, 400), moved[::-1]]) - 0.5)
    expected[:100] = label[:100]
    assert (opened.mask ^ expected).sum() <= 2
    opened.press("Control+z")
    assert np.array_equal(opened.mask, label)


def test_opening_an_outline_changes_nothing_and_its_rings_are_exact(canvas):
    noise = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(EMPTY.shape), 6) > 0.02
    opened = canvas(noise)
    opened.press("v")
    y, x = np.argwhere(noise)[len(np.argwhere(noise)) // 2]
    opened.click(x + 0.5, y + 0.5)
    opened.run("desk.redrawOutline()")
    assert np.array_equal(opened.mask, noise)


def test_undo_and_redo_go_stroke_by_stroke(canvas):
    opened = canvas(RING)
    states = [opened.mask]
    opened.drag((20, 20), (200, 30))
    states.append(opened.mask)
    opened.press("x")
    opened.drag((300, 300), (350, 470))
    states.append(opened.mask)
    opened.press("d")
    opened.click(110, 110)
    states.append(opened.mask)
    for state in states[-2::-1]:
        opened.press("Control+z")
        assert np.array_equal(opened.mask, state)
    opened.press("Control+z")
    for state in states[1:]:
        opened.press("Control+y")
        assert np.array_equal(opened.mask, state)
    opened.press("z", "b")
    opened.drag((400, 20), (500, 30))
    opened.press("y")  # a new stroke ends what could be redone
    assert opened.mask[100, 100]


def test_a_label_arrives_as_it_is_stored(canvas):
    noise = np.random.default_rng(1).random((211, 307)) > 0.5
    assert np.array_equal(canvas(noise).mask, noise)


def test_a_dense_stroke_over_twelve_megapixels_stays_below_200_kb(canvas):
    opened = canvas(TWELVE_MEGAPIXELS)
    opened.press("x")
    opened.drag((30, 30), (3970, 2970))
    opened.press("Shift+x")
    opened.run("desk.set('size', 120)")
    opened.press("e")
    opened.drag(*[(200 + 600 * i, 2700 if i % 2 else 300) for i in range(7)])
    assert opened.page.evaluate("() => Math.max(...strokes.map((s) => JSON.stringify(s).length))") < 200_000


def test_live_numbers_are_those_of_the_evaluation(canvas):
    rng = np.random.default_rng(5)
    probs = np.clip(ndimage.gaussian_filter(rng.random(EMPTY.shape), 8) * 1800 - 780, 0, 255).astype(np.uint8)
    label = ndimage.gaussian_filter(rng.random(EMPTY.shape), 8) > 0.505
    opened = canvas(label, probs=probs)
    opened.drag((50, 50), (400, 300))
    for threshold in (0.1, 0.5, 0.83):
        opened.run("desk.setThreshold(argument)", threshold)
        shown = opened.page.locator(".numbers dd").first.inner_text().split()[0]
        expected = iou(count_pixels(mask_at(probs, threshold), opened.mask))
        assert float(shown) == pytest.approx(expected, abs=0.0006)
    assert opened.run("desk.area") == opened.mask.sum()


def test_parts_and_length(canvas):
    label = EMPTY.copy()
    label[within(np.array([(50.0, 50), (350, 50), (350, 400)]), 6, EMPTY.shape)] = True
    label[within(np.array([(450.0, 100), (600, 250)]), 3, EMPTY.shape)] = True
    opened = canvas(label)
    opened.run("desk.measure()")
    measured = opened.run("desk.measured")
    assert measured["parts"] == ndimage.label(label, EIGHT)[1] == 2
    assert measured["length"] == pytest.approx(300 + 350 + np.hypot(150, 150), rel=0.03)
    noise = canvas(np.random.default_rng(2).random((200, 200)) > 0.6)
    noise.run("desk.measure()")
    assert noise.run("desk.measured.parts") == ndimage.label(noise.label, EIGHT)[1]


def test_a_stroke_the_server_never_got_is_offered_again_after_a_reload(canvas, shown):
    opened = canvas(RING)
    opened.page.evaluate("() => { window.silent = true; }")
    opened.drag((20, 20), (200, 30))
    drawn = shown(opened.page, RING.shape)
    assert drawn.sum() > RING.sum()
    opened.files["/"] = opened.files["/"].replace(b'load: "one"', b'load: "two"')
    opened.page.reload()
    opened.ready()
    assert np.array_equal(opened.mask, drawn)
    assert len(opened.page.evaluate("() => strokes")) == 1


def test_a_shape_begun_survives_another_tool_and_a_reload(canvas, shown):
    opened = canvas(EMPTY)
    opened.press("p")
    corners = [opened.click(*corner) for corner in ((100, 100), (300, 120))]
    opened.press("b")
    opened.drag((500, 20), (520, 20))
    opened.page.reload()
    opened.ready()
    opened.press("p")
    corners.append(opened.click(200, 300))
    opened.press("Enter")
    expected = draw.polygon2mask(EMPTY.shape, np.array(corners)[:, ::-1] - 0.5)
    left = expected & ~shown(opened.page, EMPTY.shape)
    assert left.sum() <= 2
    assert expected.sum() > 10_000


def test_a_button_over_the_photo_is_pressed_and_draws_nothing(canvas):
    opened = canvas(RING)
    opened.drag((20, 20), (200, 30))
    opened.run("desk.offerDraft(new Date())")
    opened.page.get_by_role("button", name="Discard it").click()
    assert np.array_equal(opened.mask, RING)
    opened.press("Control+z")
    assert opened.mask.sum() > RING.sum()


@pytest.mark.parametrize("zoom", [None, 3.0], ids=["whole", "zoomed to the corner"])
def test_a_stroke_may_begin_outside_of_the_photo(canvas, zoom):
    opened = canvas(np.zeros((640, 640), bool))
    if zoom:
        opened.zoom_to(0, 0, zoom)
    ends = opened.drag((-3, -3), (60, 80))
    assert (ends[0] < -2).all()
    assert np.array_equal(opened.mask, within(np.floor(ends) + 0.5, 4.5, (640, 640)))
    assert opened.mask[0, 0]


def outer_box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]


def diagonal_joints(count):
    """Generated walls with one joint that runs diagonally: photo, truth, the box around it, its line in that box, its width."""
    seed = 7000
    while count:
        scene = make_scene(seed, (640, 640), "taping")
        seed += 1
        truth = scene.masks["taping"]
        if len(scene.joints) != 1 or truth.sum() < 2000:
            continue
        ends, width = scene.joints[0]
        along = ends[1] - ends[0]
        if not 5 < abs(np.degrees(np.arctan2(along[1], along[0]))) % 90 < 85:
            continue
        rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
        sides = [(columns[0], columns[-1] + 1), (rows[0], rows[-1] + 1)]
        spans = [np.sort((np.array(side) - ends[0][axis]) / along[axis]) for axis, side in enumerate(sides)]
        start, end = max(0, *(span[0] for span in spans)), min(1, *(span[1] for span in spans))
        box = np.zeros_like(truth)
        box[slice(*sides[1]), slice(*sides[0])] = True
        yield scene.photo, truth, box, np.array((ends[0] + start * along, ends[0] + end * along)), width
        count -= 1


def test_boxes_become_bands_in_four_actions_each(canvas):
    exact, sloppy, opened = [], [], None
    random = np.random.default_rng(0)
    for number, (photo, truth, box, line, width) in enumerate(diagonal_joints(6)):
        if opened is None:
            opened = canvas(box, photo=photo, boxOnly=True)
        else:
            opened.open_next(f"joint {number}", box, photo, boxOnly=True)
        opened.press("s")  # 1: the tool
        opened.drag(*line)  # 2: from end to end
        opened.run("desk.set('seamWidth', argument)", round(width))  # 3: the width, as it is seen
        opened.press("Enter")  # 4
        exact.append(iou(count_pixels(opened.mask, truth)))

        opened.press("Control+z")
        across = np.array((line[0] - line[1])[::-1] * (1, -1)) / np.hypot(*(line[1] - line[0]))
        opened.press("s")  # 1
        off = line + 6 * random.choice((-1, 1), 2)[:, None] * across
        drawn = opened.drag(*off)  # 2: each end 6 px off, outside of the photo where the joint leaves it
        opened.press("Shift+Enter")  # 3: line and width from the photo
        (question,) = opened.page.evaluate("() => questions.filter(({ what }) => what === 'snap')")
        assert np.allclose(question["points"], drawn)
        seam = snap_seam(photo, drawn, question["search"], [outer_box(box)])
        opened.answer(id=question["id"], points=seam.points_xy.tolist(), width=seam.width_px)
        opened.press("Enter")  # 4
        sloppy.append(iou(count_pixels(opened.mask, truth)))
    assert min(exact) >= 0.80
    assert min(sloppy) >= 0.80
