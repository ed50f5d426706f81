"""Pictures of every page on a workspace, taken in a real Chromium: `make screenshots WORKSPACE=...`."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from data.workspace import Workspace
from training.commands.dashboard import server_command

ROOT = Path(__file__).parent.parent
CHROMIUM = os.environ.get("DRYWALL_QA_CHROMIUM", "/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = (
    "overview",
    "data_report",
    "exchange",
    "train",
    "metrics",
    "failures",
    "before_after",
    "queue",
    "fix_masks",
    "reviewers",
    "prompt_lab",
    "site_report",
    "people",
)
DARK_PAGES = ("failures", "fix_masks", "metrics")


@contextmanager
def dashboard(workspace: Path, theme: str = "light") -> Iterator[str]:
    """Start the dashboard on a free port; yields its address and ends it again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = server_command(workspace, port, theme_base=theme)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/healthz", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def settle(page: Page) -> None:
    """Wait until Streamlit has run its script and the pictures are there."""
    page.wait_for_selector("[data-testid=stMainBlockContainer]", timeout=60_000)
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'", timeout=120_000
    )
    page.evaluate("() => { window.looked = undefined; }")
    page.wait_for_function(_STILL, timeout=120_000, polling=100)


_STILL = """() => { const seen = document.querySelector("[data-testid=stMainBlockContainer]");
  const busy = document.querySelector("[data-testid=stApp]").dataset.testScriptState !== "notRunning"
    || seen.querySelector("[data-stale=true], [data-testid=stSkeleton]") || [...seen.querySelectorAll("img")].some((i) => !i.complete);
  const now = performance.now(), looks = seen.innerText;
  if (busy || looks !== window.looked) [window.looked, window.stillSince] = [looks, now];
  return !busy && now - window.stillSince >= 600; }"""
"""Nothing runs, loads or changes any more, and has not for 0.6 s."""

_FIND_DESK = """() => { for (const each of document.querySelectorAll("*")) {
  const stage = each.shadowRoot?.querySelector(".stage");
  if (stage?.desk) { window.desk = stage.desk; return stage.desk.ready; } } return false; }"""


def await_desk(page: Page) -> None:
    """Wait until the mask editor shows its sample; scripts on the page then find it as `desk`."""
    page.wait_for_function(_FIND_DESK, timeout=120_000)


def main(workspace: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reviewed = max(Workspace.open(workspace).store.samples(), key=lambda sample: sample.revision).id
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        for theme, pages in (("light", PAGES), ("dark", DARK_PAGES)):
            with dashboard(workspace, theme) as address:
                for name in pages:
                    page = browser.new_page(viewport={"width": 1280, "height": 800})
                    page.goto(f"{address}/{name}?reviewer=Ann" if name != "overview" else address)
                    settle(page)
                    if name == "exchange":
                        page.get_by_text("Labels out").click()
                        settle(page)
                    page.screenshot(path=folder / (f"{name}.png" if theme == "light" else f"{name}_{theme}.png"))
                    if name == "failures" and theme == "light":
                        page.locator("[class*=st-key-open_] button").first.click()
                        page.wait_for_url("**/*sample=*")
                        settle(page)
                        page.screenshot(path=folder / "failures_sample.png")
                    if name == "fix_masks" and theme == "light":
                        page.goto(f"{address}/{name}?reviewer=Ann&sample={reviewed}")
                        for below in ("History", "Sizes"):
                            _below_the_desk(page, below)
                            page.screenshot(path=folder / f"{below.lower()}.png")
                    page.close()
        browser.close()


def _below_the_desk(page: Page, view: str) -> None:
    settle(page)
    page.get_by_role("radio", name=view).or_(page.get_by_role("button", name=view)).first.click()
    settle(page)
    page.get_by_text("History", exact=True).first.evaluate("(choice) => choice.scrollIntoView({block: 'start'})")
    settle(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "images")
