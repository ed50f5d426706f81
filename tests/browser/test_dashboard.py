"""The whole loop in a real Chromium, from page to page: import, train, failures, fix, accept, next, retrain, before and after."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from playwright.sync_api import expect

from core.masks.mask import decode_rle, draw_band
from core.models.names import ALLOWED_VARIABLE
from data.exchange.export import export_bytes
from data.intake.preparation import prepare
from data.workspace import Workspace
from docs.screenshots import PAGES, await_desk, dashboard, settle
from training.review.before_after import fixed_samples, unscored_splits

PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def loop(raw_export, tiny_checkpoint, tmp_path_factory):
    """A workspace, its store and the dashboard's address: one server for the tests of this file."""
    patch = pytest.MonkeyPatch()
    patch.setenv(ALLOWED_VARIABLE, str(tiny_checkpoint))
    workspace = Workspace.open(tmp_path_factory.mktemp("loop") / "workspace")
    store = workspace.store
    prepare(raw_export, workspace)
    with dashboard(workspace.root) as address:
        yield workspace, store, address
    store.close()
    patch.undo()


@pytest.fixture
def page(loop, browser):
    opened = browser.new_page(viewport={"width": 1280, "height": 1100}, base_url=loop[2])
    opened.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def other_labels(loop):
    """The workspace's labels as another tool would send them back: of two test samples a corner is labelled too."""
    workspace, store, _ = loop
    corrected = store.samples(split="test")[:2]
    with TemporaryDirectory() as folder:
        copy = Workspace.open(Path(shutil.copytree(workspace.root, Path(folder) / "copy")))
        elsewhere = copy.store
        for sample in corrected:
            mask = decode_rle(elsewhere.label(sample.id).rle)
            mask[:12, :12] = True
            elsewhere.save_label(sample.id, mask, based_on=1, author="Zoe", tool="elsewhere")
        content = export_bytes(copy, "coco")
        elsewhere.close()
    return content, [sample.id for sample in corrected]


def visit(page, title, heading=None):
    """Another page by its link in the side bar, as a person goes there: the session goes on."""
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=heading or title, level=1)).to_be_visible()
    settle(page)


def trained(page, store):
    """Wait for the run that was just launched to end; returns its id."""
    page.wait_for_url(re.compile("run="))
    expect(page.get_by_role("button", name="Browse failures")).to_be_visible()
    run = store.runs()[0]
    assert (run.id, run.status) == (re.search("run=([^&]+)", page.url)[1], "finished")
    return run.id


def desk_of(page, name):
    """Wait for the desk to be open for drawing under this name; returns the sample's id."""
    settle(page)
    await_desk(page)
    page.wait_for_function("(name) => desk.data.reviewer === name && desk.ready && !desk.data.locked", arg=name)
    expect(page.get_by_label("Your name")).to_have_value(name)
    return int(re.search(r"sample=(\d+)", page.url)[1])


def draw(page, line, tool="seam"):
    """Along the line, in pixels of the photo; a seam is 10 px wide and ends with Enter."""
    page.evaluate(
        "(tool) => { desk.replaces = false; desk.set('seamWidth', 10); desk.set('tool', tool); desk.view.fit(); }", tool
    )
    strokes = page.evaluate("() => desk.number")
    box = page.locator(".stage").bounding_box()
    start, end = (page.evaluate("(point) => desk.view.toStage(point)", list(point)) for point in line)
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=8)
    page.mouse.up()
    if tool == "seam":
        page.keyboard.press("Enter")
    page.wait_for_function("(before) => desk.number === before + 1 && desk.outbox.length === 0", arg=strokes)
    expect(page.locator(".status")).to_have_text("draft saved")


def test_the_whole_loop_page_by_page_as_a_person_walks_it(page, loop, shown, tiny_checkpoint, other_labels):
    workspace, store, _ = loop
    page.goto("/overview")
    expect(page.get_by_role("heading", name="Drywall QA", level=1)).to_be_visible()

    visit(page, "Import and export")
    name = page.get_by_label("Your name")
    name.fill("Ann")
    name.press("Enter")
    content, corrected = other_labels
    page.locator("input[type=file]").set_input_files({"name": "labels.zip", "mimeType": "application/zip", "buffer": content})
    page.get_by_role("button", name="Save 2 labels as new revisions").click()
    expect(page.get_by_text("2 labels saved as new revisions.")).to_be_visible()
    assert [(store.label(i).number, store.label(i).author) for i in corrected] == [(2, "Ann")] * 2

    visit(page, "Train")
    for key, value in (("train_quick_epochs", "1"), ("train_quick_size_px", "64"), ("checkpoint_quick", str(tiny_checkpoint))):
        box = page.locator(f".st-key-{key} input")
        box.fill(value)
        box.press("Enter")
    settle(page)
    page.get_by_role("button", name="Launch").click()
    first = trained(page, store)
    expect(page.locator(".js-plotly-plot").nth(1).locator(".point").first).to_be_attached()

    page.get_by_role("button", name="Browse failures").click()
    page.locator("[class*=st-key-open_] button").first.click()
    worst = store.sample(int(store.scores(first, "test").sort_values("iou")["sample_id"].iloc[0]))
    expect(page.get_by_role("heading", name=worst.file_name)).to_be_visible()
    page.get_by_role("button", name="Fix this mask").click()
    assert desk_of(page, "Ann") == worst.id
    before, number = decode_rle(store.label(worst.id).rle), store.label(worst.id).number
    height, width = before.shape
    line = np.array([(0.2 * width, 0.3 * height), (0.8 * width, 0.7 * height)])
    draw(page, line)
    page.keyboard.press("Control+s")
    expect(page.locator(".status")).to_have_text(f"saved, revision {number + 1}")
    saved = store.label(worst.id)
    assert (saved.number, saved.author, saved.tool) == (number + 1, "Ann", "editor")
    added = decode_rle(saved.rle) & ~before
    thin, wide = draw_band(line, 8, before.shape), draw_band(line, 12, before.shape)
    assert (decode_rle(saved.rle) | ~thin).all()  # the whole line is in the mask
    assert not (added & ~wide).any()  # and nothing far from it
    assert not (before & ~decode_rle(saved.rle)).any()  # what was there stays
    page.keyboard.press("a")
    page.wait_for_url(lambda url: f"sample={worst.id}&" not in f"{url}&")
    following = desk_of(page, "Ann")
    assert store.sample(worst.id).review_state == "accepted"
    label = decode_rle(store.label(following).rle)
    tool = "eraser" if label[height // 2, width // 2] else "brush"
    draw(page, line, tool)

    visit(page, "Queue")
    expect(page.get_by_label("Your name")).to_have_value("Ann")
    page.get_by_role("button", name="Take the next").click()
    assert desk_of(page, "Ann") == following  # she has it still, and what she drew
    once = shown(page, label.shape)
    assert not np.array_equal(once, label)
    draw(page, line * (-1, 1) + (width, 0), tool)
    twice = shown(page, label.shape)
    assert not np.array_equal(once, twice)
    page.keyboard.press("a")
    page.wait_for_url(lambda url: f"sample={following}&" not in f"{url}&")
    desk_of(page, "Ann")
    assert next((r.state, r.reviewer) for r in store.reviews(following)) == ("accepted", "Ann")
    assert (store.label(following).author, store.draft(following, "Ann")) == ("Ann", None)
    assert np.array_equal(decode_rle(store.label(following).rle), twice)

    visit(page, "Before and after")
    page.get_by_label("Freeze under the name").fill("fixed")
    page.get_by_label("Freeze under the name").press("Enter")
    page.get_by_role("button", name="Freeze the labels").click()
    expect(page.get_by_text("labels frozen as fixed")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Train again").click()
    second = trained(page, store)
    assert store.run(second).label_set == "fixed"

    visit(page, "Before and after")
    if unscored_splits(workspace, first, second):  # whose sample the queue gave her, a model decided
        page.get_by_role("button", name="Score them").click()
    expect(page.get_by_text("What each fix bought")).to_be_visible()
    settle(page)
    fixed = fixed_samples(store, store.run(first), store.run(second))
    assert fixed == {worst.id, following}
    expect(page.get_by_text(f"{len(fixed)} labels differ between labels-1 and fixed")).to_be_visible()


def test_a_browser_keeps_the_name_for_the_next_time(loop, browser):
    context = browser.new_context(base_url=loop[2])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/queue")
    name = page.get_by_label("Your name")
    name.fill("Zoë B; c=d")
    name.press("Enter")
    page.wait_for_function("() => document.cookie.includes('drywall_qa_reviewer')")
    page.goto("/reviewers")
    expect(page.get_by_label("Your name")).to_have_value("Zoë B; c=d")
    page.get_by_label("Your name").fill("")
    page.get_by_label("Your name").press("Enter")
    page.wait_for_function("() => !document.cookie.includes('drywall_qa_reviewer')")
    context.close()


def test_every_page_opens_without_an_error(page):
    for name in PAGES:
        page.goto(f"/{name}")
        settle(page)
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
        expect(page.locator("h1").first).to_be_visible()
