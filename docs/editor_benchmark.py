"""How long a stroke of the mask editor takes on a 4000x3000 photo: `python -m docs.editor_benchmark [WORKSPACE]`.

Starts the dashboard on loopback and draws in a real Chromium whose view of the photo is about 800 px wide. Prints, in ms,
what passes from the end of a stroke to the server's word that it is stored, how long the canvas takes to show a piece of a
stroke and to draw the whole view anew, the processor time of the dashboard a stroke, and the largest message.
Without WORKSPACE one with generated photos is made, which takes a minute.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from core.masks.mask import rle_area
from data.intake.preparation import prepare
from data.synthetic.export import write_roboflow_export
from data.workspace import Workspace
from docs.screenshots import CHROMIUM, CHROMIUM_FLAGS, await_desk, dashboard

STROKES = 40
_TIME_DRAWING = """() => { const view = desk.view, times = {piece: [], whole: []}, draw = view.draw.bind(view);
view.draw = () => { const kind = view.all ? "whole" : "piece", start = performance.now();
  draw(); times[kind].push(performance.now() - start); };
window.times = times; }"""


def measure(workspace: Path) -> dict[str, str]:
    store = Workspace.open(workspace).store
    emptiest = min(store.samples(), key=lambda sample: rle_area(store.label(sample.id).rle)).id  # a stroke on a label is none
    with dashboard(workspace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1340, "height": 860})
        page.goto(f"{address}/fix_masks?reviewer=Benchmark&sample={emptiest}", timeout=240_000)
        await_desk(page)
        page.wait_for_timeout(2000)
        page.evaluate(_TIME_DRAWING)
        page.evaluate("() => { desk.set('size', 40); desk.discard(); }")
        page.wait_for_function("() => desk.outbox.length === 0", timeout=60_000)
        page.evaluate("() => { desk.roundTrips.length = 0; }")
        box = page.locator(".stage").bounding_box()
        server = psutil.Process(_server_of(address))
        before = server.cpu_times()
        sizes = []
        for number in range(STROKES):
            x, y = box["x"] + 100 + 11 * number, box["y"] + 120 + 7 * number
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 90, y + 130, steps=12)
            page.mouse.move(x + 160, y - 60, steps=12)
            page.mouse.up()
            sizes.append(page.evaluate("() => JSON.stringify(desk.outbox).length"))
            page.wait_for_function("() => desk.outbox.length === 0", timeout=60_000)
            page.wait_for_timeout(300)
        after = server.cpu_times()
        for factor in (4, 0.5, 2, 0.1):
            page.evaluate("(factor) => desk.view.zoom(factor)", factor)
            page.wait_for_timeout(300)
        trips, times = page.evaluate("() => [desk.roundTrips, times]")
        view_px = page.evaluate("() => Math.round(desk.view.width * desk.view.smallest)")
        browser.close()
    trips.sort()
    return {
        "view of the photo": f"{view_px} px wide",
        "round trip, median": f"{statistics.median(trips):.0f} ms",
        "round trip, 90 of 100": f"{trips[int(0.9 * len(trips))]:.0f} ms",
        "a piece of a stroke shown in": f"{statistics.median(times['piece']):.1f} ms",
        "the whole view drawn in": f"{statistics.median(times['whole']):.0f} ms",
        "dashboard's processor time a stroke": f"{1000 * (after.user + after.system - before.user - before.system) / STROKES:.0f} ms",
        "largest message": f"{max(sizes) / 1000:.1f} kB",
    }


def _server_of(address: str) -> int:
    port = int(address.rpartition(":")[2])
    return next(
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN and connection.pid
    )


def make_workspace(root: Path) -> Path:
    write_roboflow_export(root / "raw", 3, cracks=(1, 1), taping=(1, 1), size_hw=(3000, 4000))
    workspace = Workspace.open(root / "workspace")
    store = workspace.store
    prepare(root / "raw", workspace)
    store.close()
    return workspace.root


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else make_workspace(Path(folder))
        for name, value in measure(root).items():
            print(f"{name:40} {value}")
