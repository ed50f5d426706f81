"""The main job in a real Chromium: launch a training, watch a point arrive, open the worst sample, draw a band, save it."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.masks.mask import decode_rle, draw_band
from data.intake.preparation import prepare
from data.workspace import Workspace
from docs.screenshots import PAGES, await_desk, dashboard, settle
from training.runs.runs import progress_of, run_folder


@pytest.fixture(scope="module")
def loop(raw_export, tmp_path_factory):
    """A workspace, its store and the dashboard's address: one server for the tests of this file."""
    workspace = Workspace.open(tmp_path_factory.mktemp("loop") / "workspace")
    store = workspace.store()
    prepare(raw_export, workspace, store)
    with dashboard(workspace.root) as address:
        yield workspace, store, address
    store.close()


@pytest.fixture
def page(loop, browser):
    opened = browser.new_page(viewport={"width": 1280, "height": 1100}, base_url=loop[2])
    yield opened
    opened.close()


def test_train_look_fix_save(page, loop, tiny_checkpoint):
    workspace, store, _ = loop
    page.goto("/train")
    settle(page)
    for key, value in (("train_quick_epochs", "2"), ("train_quick_size_px", "64")):
        box = page.locator(f".st-key-{key} input")
        box.fill(value)
        box.press("Enter")
    checkpoint = page.locator(".st-key-checkpoint_quick input")
    checkpoint.fill(str(tiny_checkpoint))
    checkpoint.press("Enter")
    settle(page)
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url(re.compile("run="), timeout=60_000)
    run = store.runs()[0]
    expect(page.locator(".js-plotly-plot").nth(1).locator(".point").first).to_be_attached(timeout=120_000)
    assert progress_of(run_folder(workspace, run.id).read_events()).epochs
    expect(page.get_by_role("button", name="Browse failures")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Browse failures").click()
    settle(page)
    page.locator("[class*=st-key-open_] button").first.click()
    settle(page)
    worst = store.scores(run.id, "test").sort_values("iou").iloc[0]
    expect(page.get_by_role("heading", name=worst.file_name)).to_be_visible()
    page.get_by_role("button", name="Fix this mask").click()
    settle(page)
    sample = store.sample(int(re.search(r"sample=(\d+)", page.url)[1]))
    assert sample.id == worst.sample_id
    before = decode_rle(store.label(sample.id).rle)

    name = page.get_by_label("Your name")
    name.fill("Ann")
    name.press("Enter")
    await_desk(page)
    page.wait_for_function("() => desk.data.reviewer === 'Ann' && desk.ready && !desk.data.locked", timeout=60_000)
    page.evaluate("() => { desk.replaces = false; desk.set('seamWidth', 10); desk.view.fit(); }")
    page.keyboard.press("s")
    height, width = before.shape
    line = np.array([(0.2 * width, 0.3 * height), (0.8 * width, 0.7 * height)])
    box = page.locator(".stage").bounding_box()
    start, end = (page.evaluate("(point) => desk.view.toStage(point)", list(point)) for point in line)
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=8)
    page.mouse.up()
    page.keyboard.press("Enter")
    expect(page.locator(".status")).to_have_text("draft saved", timeout=30_000)
    page.keyboard.press("Control+s")
    expect(page.locator(".status")).to_have_text("saved, revision 2", timeout=30_000)

    saved = store.label(sample.id)
    assert (saved.number, saved.author, saved.tool) == (2, "Ann", "editor")
    added = decode_rle(saved.rle) & ~before
    thin, wide = draw_band(line, 8, before.shape), draw_band(line, 12, before.shape)
    assert (decode_rle(saved.rle) | ~thin).all()  # the whole line is in the mask
    assert not (added & ~wide).any()  # and nothing far from it
    assert not (before & ~decode_rle(saved.rle)).any()  # what was there stays


def test_every_page_opens_without_an_error(page):
    for name in PAGES:
        page.goto(f"/{name}" if name != "overview" else "/")
        settle(page)
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
        expect(page.locator("h1").first).to_be_visible()
