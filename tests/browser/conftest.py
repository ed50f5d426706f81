"""One Chromium for all browser tests, and the mask canvas alone on a page: no Streamlit, a server of three lines."""

import base64
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from core.masks.mask import Mask, encode_rle, mask_png
from core.masks.strokes import apply_patch
from core.photos import Photo
from dashboard import mask_canvas
from dashboard.mask_editor import stroke_of
from docs.screenshots import CHROMIUM, CHROMIUM_FLAGS

PATIENCE_MS = 120_000  # a busy machine is slow, not wrong

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # of the whole session, not of this folder alone
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


PAGE = """<!doctype html><html><style>:root {{ --st-text-color: #222; --st-background-color: #fff; --st-primary-color: #06c;
--st-secondary-background-color: #eee; }} body {{ margin: 0 8px }} {css}</style><div id="root">{html}</div><script type="module">
import mount from "/module.js";
const root = document.getElementById("root");
const blank = {{ load: "one", key: "sample", revision: 1, acked: {{}}, locked: null, drawn: false, saved: null, answer: null }};
const data = {{ ...blank, ...{data} }};
window.strokes = []; window.questions = []; window.silent = false;
window.show = (changes) => mount({{ parentElement: root, data: Object.assign(data, changes) && {{ ...data }}, setTriggerValue }});
function setTriggerValue(event, message) {{
  if (window.silent) return;
  for (const stroke of message.strokes) if (stroke.n > (data.acked[stroke.load] ?? 0)) {{
    window.strokes.push(stroke);
    data.acked[stroke.load] = stroke.n;
  }}
  if (message.ask) window.questions.push(message.ask);
  setTimeout(() => window.show({{ drawn: true }}));
}}
show({{}});
</script></html>"""


_BITS = """() => { const bits = document.querySelector(".stage")?.desk.bitmap.bits ?? desk.bitmap.bits;
const packed = new Uint8Array(Math.ceil(bits.length / 8));
for (let i = bits.indexOf(1); i >= 0; i = bits.indexOf(1, i + 1)) packed[i >> 3] |= 128 >> (i & 7);
let text = ""; for (const byte of packed) text += String.fromCharCode(byte);
return btoa(text); }"""


def mask_on(page, size_hw: tuple[int, int]) -> Mask:
    """The mask the page's editor shows, (H, W) bool."""
    packed = np.frombuffer(base64.b64decode(page.evaluate(_BITS)), np.uint8)
    return np.unpackbits(packed, count=size_hw[0] * size_hw[1]).astype(bool).reshape(size_hw)


def _png(photo: Photo) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


class Canvas:
    """The mask canvas on a label. Points are (x, y) of the image; strokes are stored as the server would store them."""

    def __init__(self, page, label: Mask, probs=None, photo: Photo | None = None, **data) -> None:
        self.page, self.files = page, {"/module.js": mask_canvas.module.encode(), "/blank.html": b" "}
        data = self._sample(label, probs, photo, data)
        css, html = ((mask_canvas.HERE / f"editor.{kind}").read_text("utf-8") for kind in ("css", "html"))
        self.files["/"] = PAGE.format(css=css, html=html, data=json.dumps(data)).encode()
        page.unroute_all()
        page.route("http://canvas.test/**", self._serve)
        page.goto("http://canvas.test/blank.html")  # what an earlier editor keeps when it is left is forgotten here
        page.mouse.up()
        page.evaluate("() => localStorage.clear()")
        page.goto("http://canvas.test/")
        self.ready()

    def open_next(self, load: str, label: Mask, photo: Photo, **data) -> None:
        """Another sample in the same editor, as after "Next"."""
        data = self._sample(label, None, photo, data) | {"load": load, "key": load, "answer": None, "drawn": False}
        self.page.evaluate("(data) => { questions.length = 0; show(data); }", data)
        self.page.wait_for_function(
            "(load) => { const { desk } = document.querySelector('.stage'); return desk.load === load && desk.ready; }", arg=load
        )

    def _sample(self, label: Mask, probs, photo: Photo | None, data: dict) -> dict:
        self.label = label
        self.files |= {
            "/photo.png": mask_png(label) if photo is None else _png(photo),
            "/label.json": json.dumps(encode_rle(label)).encode(),
        }
        if probs is not None:
            self.files["/probs.bin"] = zlib.compress(probs.tobytes())
            data |= {"probs": "/probs.bin", "threshold": 0.5}
        return {"photo": "/photo.png", "label": "/label.json", "probs": None, "draft": None, "boxOnly": False} | data

    def _serve(self, route) -> None:
        path = "/" + route.request.url.removeprefix("http://canvas.test/").partition("?")[0]
        kind = {"js": "text/javascript", "json": "application/json", "png": "image/png", "/": "text/html", "html": "text/html"}
        body = self.files.get(path)
        route.fulfill(
            status=200 if body else 404,
            body=body or b"",
            headers={"cache-control": "no-store"},
            content_type=kind.get(path.rpartition(".")[2], "application/octet-stream"),
        )

    def ready(self) -> None:
        self.page.wait_for_function("() => document.querySelector('.stage').desk?.ready")

    def run(self, script: str, argument=None):
        """`script` is an expression of `desk` and `argument`."""
        return self.page.evaluate(
            f"([argument]) => {{ const desk = document.querySelector('.stage').desk; return {script}; }}", [argument]
        )

    @property
    def mask(self) -> Mask:
        """What is on the screen; held against the strokes, drawn on the label as the store draws them."""
        mask = mask_on(self.page, self.label.shape)
        stored = self.label.copy()
        for text in self.run("window.strokes.filter(({load}) => load === desk.load)"):
            apply_patch(stored, stroke_of(text).patch)
        assert np.array_equal(stored, mask)
        return mask

    def answer(self, **answer) -> None:
        """The server's answer to the question asked last."""
        assert self.page.evaluate("() => questions.at(-1)?.id") == answer["id"]
        self.page.evaluate("(answer) => show({answer})", answer)

    def at(self, x: float, y: float) -> tuple[int, int]:
        """The screen pixel that shows the image point."""
        left, top = self.run("[desk.stage.getBoundingClientRect().left, desk.stage.getBoundingClientRect().top]")
        u, v = self.run("desk.view.toStage(argument)", [x, y])
        return round(left + u), round(top + v)

    def image_point(self, screen: tuple[int, int]) -> tuple[float, float]:
        """The image point that screen pixel hits: where a stroke there lands."""
        return tuple(self.run("desk.view.toImage({clientX: argument[0], clientY: argument[1]})", list(screen)))

    def drag(self, *points: tuple[float, float]) -> np.ndarray:
        """Press at the first point, move through the others, release; returns where it really went, (N, 2)."""
        screen = [self.at(*point) for point in points]
        self.page.mouse.move(*screen[0])
        self.page.mouse.down()
        for place in screen[1:]:
            self.page.mouse.move(*place)
        self.page.mouse.up()
        return np.array([self.image_point(place) for place in screen])

    def click(self, x: float, y: float, **options) -> np.ndarray:
        place = self.at(x, y)
        self.page.mouse.click(*place, **options)
        return np.array(self.image_point(place))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def zoom_to(self, x: float, y: float, scale: float) -> None:
        self.run("(desk.view.zoom(argument[2] / desk.view.scale), desk.view.centre(argument[0], argument[1]))", [x, y, scale])


@pytest.fixture(scope="session")
def shown():
    """`mask_on`, for tests of the whole dashboard."""
    return mask_on


@pytest.fixture(scope="session")
def canvas_page(browser):
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def open_canvas():
    """`Canvas`, for a page of one's own."""
    return Canvas


@pytest.fixture
def canvas(canvas_page):
    """Call it with a label (H, W) bool to get a `Canvas`; all are on one page, one after the other."""
    return lambda label, **options: Canvas(canvas_page, label, **options)
