"""How soon every page answers: `python -m docs.page_times WORKSPACE` walks all pages in a real Chromium, as a person does, by
the links at the side, and prints the seconds to a page's heading and until nothing on it changes any more."""

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from docs.screenshots import CHROMIUM, CHROMIUM_FLAGS, dashboard, settle

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


if __name__ == "__main__":
    main()
