"""The mask editor on the real dashboard: drafts, two reviewers at once, a killed server, a queue by keyboard alone."""

import os
import signal
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.masks.mask import decode_rle
from data.intake.preparation import prepare
from data.synthetic.export import write_roboflow_export
from data.workspace import Workspace
from docs.screenshots import ROOT, await_desk, dashboard
from training.commands.dashboard import server_command

PATIENCE_MS = 120_000


def open_desk(context, address: str, sample_id: int, name: str = "Ann") -> Page:
    page = context.new_page()
    page.goto(f"{address}/fix_masks?sample={sample_id}&reviewer={name}")
    await_desk(page)
    return page


def stroke(page: Page, *points: tuple[float, float]) -> None:
    """Drag through points in 0..1 of the stage."""
    box = page.locator(".stage").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def draw(page: Page, *points: tuple[float, float]) -> None:
    """`stroke`; returns when the server has it."""
    strokes = page.evaluate("() => desk.number")
    stroke(page, *points)
    assert page.evaluate("() => desk.number") == strokes + 1
    page.wait_for_function("() => desk.outbox.length === 0")


def current(store, sample_id: int) -> np.ndarray:
    return decode_rle(store.label(sample_id).rle)


@pytest.fixture(scope="module")
def desk_workspace(tmp_path_factory):
    """Sixty small walls."""
    root = tmp_path_factory.mktemp("desk")
    write_roboflow_export(root / "raw", 5, cracks=(50, 2), taping=(8, 2), size_hw=(96, 128))
    workspace = Workspace.open(root / "workspace")
    store = workspace.store
    prepare(root / "raw", workspace)
    yield workspace, store
    store.close()


@pytest.fixture(scope="module")
def address(desk_workspace):
    with dashboard(desk_workspace[0].root) as where:
        yield where


@pytest.fixture
def context(browser):
    opened = browser.new_context(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield opened
    opened.close()


def test_a_draft_survives_a_reload_with_its_undo(shown, context, address, desk_workspace):
    _, store = desk_workspace
    sample = store.samples(class_name="cracks")[-1]
    page = open_desk(context, address, sample.id)
    draw(page, (0.4, 0.4), (0.6, 0.4))
    one = shown(page, sample.size_hw)
    draw(page, (0.4, 0.6), (0.6, 0.6))
    two = shown(page, sample.size_hw)
    assert two.sum() > one.sum()
    page.reload()
    await_desk(page)
    expect(page.locator(".notice")).to_contain_text("restored")
    assert np.array_equal(shown(page, sample.size_hw), two)
    page.keyboard.press("Control+z")
    assert np.array_equal(shown(page, sample.size_hw), one)
    page.wait_for_function("() => desk.outbox.length === 0")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".status")).to_have_text("saved, revision 2")
    saved = store.label(sample.id)
    assert (saved.author, saved.tool, saved.provenance) == ("Ann", "editor", "drawn")
    assert np.array_equal(decode_rle(saved.rle), one)
    assert store.draft(sample.id, "Ann") is None


def test_of_two_reviewers_the_second_save_is_refused_and_nothing_is_lost(shown, context, browser, address, desk_workspace):
    _, store = desk_workspace
    sample = store.samples(class_name="cracks")[-2]
    before = current(store, sample.id)
    ann = open_desk(context, address, sample.id, "Ann")
    draw(ann, (0.4, 0.3), (0.6, 0.3))

    elsewhere = browser.new_context(viewport={"width": 1280, "height": 800})
    elsewhere.set_default_timeout(PATIENCE_MS)
    bob = open_desk(elsewhere, address, sample.id, "Bob")
    expect(bob.locator(".locked")).to_contain_text("Ann has this sample now")
    stroke(bob, (0.4, 0.6), (0.6, 0.6))
    assert np.array_equal(shown(bob, sample.size_hw), before)
    expect(bob.get_by_role("button", name="Save")).to_be_disabled()
    store.take(sample.id, "Ann", minutes=-1)  # her lease runs out over lunch
    bob.reload()
    await_desk(bob)
    draw(bob, (0.4, 0.6), (0.6, 0.6))
    bobs = shown(bob, sample.size_hw)
    bob.get_by_role("button", name="Save").click()
    expect(bob.locator(".status")).to_have_text("saved, revision 2")

    draw(ann, (0.3, 0.8), (0.7, 0.8))  # back, and none the wiser
    anns = shown(ann, sample.size_hw)
    ann.get_by_role("button", name="Save").click()
    expect(ann.get_by_text("Bob saved revision 2")).to_be_visible()
    expect(ann.get_by_test_id("stMain").locator("img")).to_have_count(3)  # hers, his, and both
    saved = store.label(sample.id)
    assert (saved.number, saved.author) == (2, "Bob")
    assert np.array_equal(decode_rle(saved.rle), bobs)
    assert np.array_equal(store.draft(sample.id, "Ann").draw_on(before), anns)

    bob.get_by_role("button", name="Next").click()  # he is done with it
    bob.wait_for_url(lambda url: f"sample={sample.id}&" not in f"{url}&")
    elsewhere.close()
    ann.get_by_role("button", name="Keep mine on top of theirs").click()
    await_desk(ann)
    ann.wait_for_function("() => !desk.data.locked")
    ann.get_by_role("button", name="Save").click()
    expect(ann.locator(".status")).to_have_text("saved, revision 3")
    assert np.array_equal(current(store, sample.id), np.where(anns != before, anns, bobs))
    assert np.array_equal(decode_rle(store.label(sample.id, 2).rle), bobs)


def test_a_queue_of_fifty_by_keyboard_alone(context, address, desk_workspace):
    _, store = desk_workspace
    cracks = [sample.id for sample in store.samples(class_name="cracks")][:50]
    page = open_desk(context, address, cracks[0], "Kim")
    for done in range(50):
        sample_id = int(page.evaluate("() => desk.data.key.split(':')[1]"))
        page.keyboard.press("A")
        page.wait_for_function(f"() => desk.ready && desk.data.key.split(':')[1] !== '{sample_id}'")
        if done == 0:
            assert store.sample(sample_id).review_state == "accepted"
    decided = [store.sample(sample.id).review_state for sample in store.samples()]
    assert decided.count("accepted") == 50


def test_a_line_of_known_length_gives_the_scale(context, address, desk_workspace):
    _, store = desk_workspace
    sample = store.samples(class_name="cracks")[-4]
    page = open_desk(context, address, sample.id)
    page.get_by_role("radio", name="Sizes").or_(page.get_by_role("button", name="Sizes")).first.click()
    canvas = page.locator("canvas.upper-canvas")
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 380, box["y"] + 310, steps=5)
    page.mouse.up()
    length = page.get_by_label("Length of the line in mm")
    length.fill("50")
    length.press("Enter")
    page.get_by_role("button", name="Set the scale").click()
    expect(page.get_by_text("px a mm")).to_be_visible()
    drawn_px = 350 * sample.size_hw[1] / box["width"]
    assert store.sample(sample.id).px_per_mm == pytest.approx(drawn_px / 50, rel=0.02)


def test_a_killed_server_has_kept_the_save_and_the_draft(shown, context, desk_workspace):
    workspace, store = desk_workspace
    sample = store.samples(class_name="cracks")[-3]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = serve(workspace, port)
    page = open_desk(context, f"http://127.0.0.1:{port}", sample.id)
    draw(page, (0.4, 0.4), (0.6, 0.4))
    first = shown(page, sample.size_hw)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".status")).to_have_text("saved, revision 2")
    draw(page, (0.4, 0.7), (0.6, 0.7))
    second = shown(page, sample.size_hw)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    assert np.array_equal(current(store, sample.id), first)
    server = serve(workspace, port)
    try:
        page.reload()
        await_desk(page)
        assert np.array_equal(shown(page, sample.size_hw), second)
    finally:
        server.kill()
        server.wait()


def serve(workspace: Workspace, port: int) -> subprocess.Popen:
    command = server_command(workspace.root, port)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
            return process
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the dashboard did not start")
