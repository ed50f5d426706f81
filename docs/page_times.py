"""How soon every page answers: `python -m docs.page_times WORKSPACE` walks all pages in a real Chromium, as a person does, by
the links at the side, and prints the seconds to a page's heading and until nothing on it changes any more. Then it draws, saves
and accepts at the desk, on a copy of the database: seconds from the key to the answer."""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from data.workspace import Workspace
from docs.screenshots import CHROMIUM, CHROMIUM_FLAGS, await_desk, dashboard, settle

QUIET_SECONDS = 0.6
"""For so long `settle` sees nothing change before it returns."""
_LINKS = "[data-testid=stSidebarNav] a"
_HEADING = "() => document.querySelector('[data-testid=stMainBlockContainer] h1')?.innerText ?? ''"


def page_times(browser: Browser, address: str, rounds: int) -> dict[str, tuple[float, float]]:
    """By page: median seconds from the click to its heading, and to rest. The first round warms up and does not count."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    settle(page)
    names = [text.strip().splitlines()[-1] for text in page.locator(_LINKS).all_inner_texts()]  # an icon's name stands before
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for round_ in range(rounds + 1):
        for place in [*range(1, len(names)), 0]:  # the first is open already
            seconds = _visit(page, place)
            if round_:
                times[names[place]].append(seconds)
    page.close()
    medians = {}
    for name in names:
        first, still = zip(*times[name], strict=True)
        medians[name] = (statistics.median(first), statistics.median(still))
    return medians


def _visit(page: Page, place: int) -> tuple[float, float]:
    before = page.evaluate(_HEADING)
    began = time.perf_counter()
    page.locator(_LINKS).nth(place).click()
    page.wait_for_function(f"(before) => ![before, ''].includes(({_HEADING})())", arg=before, polling=20)
    first = time.perf_counter() - began
    settle(page)
    return first, max(first, time.perf_counter() - began - QUIET_SECONDS)


def desk_times(browser: Browser, address: str, sample_id: int, rounds: int) -> dict[str, float]:
    """Median seconds of a save, until the desk says so, and of an accept, until the next sample can be drawn on."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{address}/fix_masks?sample={sample_id}&reviewer=Clock")
    times: dict[str, list[float]] = {"save": [], "accept and next": []}
    for _ in range(rounds + 1):
        await_desk(page)
        here = page.evaluate("() => desk.data.key")
        box = page.locator(".stage").bounding_box()
        assert box is not None
        for tool, start, end in (("b", 0.3, 0.4), ("e", 0.4, 0.3)):  # inside a label the one changes nothing, outside the other
            page.keyboard.press(tool)
            page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + start * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + end * box["height"], steps=8)
            page.mouse.up()
        page.wait_for_function("() => desk.outbox.length === 0")
        settle(page)  # a person draws for seconds, in which the sample after this one is made ready
        began = time.perf_counter()
        page.get_by_role("button", name="Save").click()
        page.locator(".status", has_text="saved, revision").wait_for()
        times["save"].append(time.perf_counter() - began)
        settle(page)
        began = time.perf_counter()
        page.keyboard.press("A")
        page.wait_for_function("(here) => desk.ready && desk.data.key !== here", arg=here, polling=20)
        times["accept and next"].append(time.perf_counter() - began)
    page.close()
    return {name: statistics.median(of_name[1:]) for name, of_name in times.items()}


def _copy(workspace: Path, target: Path) -> Path:
    """The database copied, so that what is saved harms nobody; the rest is only looked at."""
    with sqlite3.connect(workspace / "qa.db") as source, sqlite3.connect(target / "qa.db") as copy:
        source.backup(copy)
    for folder in (path for path in workspace.iterdir() if path.is_dir()):
        (target / folder.name).symlink_to(folder.resolve(), target_is_directory=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="How soon every page answers")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with sync_playwright() as playwright, dashboard(arguments.workspace) as address:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        print(f"{'page':24} {'first content':>14} {'at rest':>10}")
        for name, (first, still) in page_times(browser, address, arguments.rounds).items():
            print(f"{name:24} {first:12.2f} s {still:8.2f} s")
        browser.close()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        copy = _copy(arguments.workspace, Path(folder))
        first_sample = min(sample.id for sample in Workspace.open(copy).store.samples() if sample.review_state != "accepted")
        with dashboard(copy) as address:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            for name, seconds in desk_times(browser, address, first_sample, arguments.rounds).items():
                print(f"{name:24} {seconds:12.2f} s")
            browser.close()


if __name__ == "__main__":
    main()
