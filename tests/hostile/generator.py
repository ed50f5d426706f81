"""Hostile files: what people and accidents could send, made when it is needed; more than 300 of them.

Each case is a file or folder that some reader is given. In most of them a good item stands beside the bad one, and must come in.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HUGE, NAN, INF = 10**400, float("nan"), float("inf")
SIZE_HW = (48, 64)
GOOD, BAD = "good.png", "bad.png"


@dataclass(frozen=True)
class Case:
    """form: a key of FORMATS, or "prepare". write: makes it in an empty folder and returns what is read. keeps: whether the good item
    beside it must come in."""

    name: str
    form: str
    write: Callable[[Path], Path]
    keeps: bool = True


def cases() -> list[Case]:
    found = [*coco(), *yolo(), *cvat(), *label_studio(), *masks(), *archives(), *photos()]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "two cases have one name"
    return found


# -- COCO --------------------------------------------------------------------------------------------------------------


def _box(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    return [x0, y0, x1, y0, x1, y1, x0, y1]


GOOD_RING = _box(5, 5, 20, 20)


def document(image: Any = None, annotation: Any = None, category: Any = None) -> dict[str, Any]:
    """A good photo with a good shape, and another photo, shape and category that are replaced in part."""
    bad_image = {"id": 2, "file_name": BAD, "width": SIZE_HW[1], "height": SIZE_HW[0]} | (image or {})
    bad = {"id": 12, "image_id": 2, "category_id": 1, "segmentation": [_box(3, 3, 30, 30)], "bbox": [3, 3, 27, 27]}
    good_image = {"id": 1, "file_name": GOOD, "width": SIZE_HW[1], "height": SIZE_HW[0]}
    return {
        "images": [good_image, bad_image],
        "annotations": [{"id": 11, "image_id": 1, "category_id": 1, "segmentation": [GOOD_RING]}, bad | (annotation or {})],
        "categories": [{"id": 1, "name": "cracks"}, *([category] if category is not None else [])],
    }


def _json(content: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "labels.json"
        path.write_text(json.dumps(content) if not isinstance(content, str) else content, "utf-8")
        return path

    return write


def _raw(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return write


def zigzag(points: int, reach: float) -> list[float]:
    return [value for number in range(points) for value in ((number % 2) * reach, number * reach / points)]


def coco() -> Iterator[Case]:
    sides = (99_999, 30_000, HUGE, -1, 0, "400", "x", NAN, INF, 1e308, [], {}, None)
    shapes = {
        "polygon": {"segmentation": [_box(3, 3, 30, 30)]},
        "rle": {"segmentation": {"size": [99_999, 99_999], "counts": [99_999**2]}},
        "box": {"segmentation": [], "bbox": [1, 1, 90_000, 90_000]},
    }
    for number, side in enumerate(sides):
        for kind, shape in shapes.items():
            yield Case(f"coco size {number} {kind}", "coco", _json(document({"width": side, "height": side}, shape)))
    rings: list[Any] = [
        zigzag(200, 1e5), zigzag(20_000, 640), zigzag(20_000, 1e9), zigzag(40_000, 1e9), zigzag(4, 1e308),
        np.random.default_rng(0).uniform(0, 1e5, 100_000).tolist(), [NAN] * 8, [INF] * 8, [-INF, 0, 5, 5, 9, 0],
        [HUGE, 0, 5, 5, 9, 0], ["1", "2", "3", "4", "5", "6"], [True] * 6, [None] * 6, [[1, 2], [3, 4]], [1, 2, 3], [1, 2], [],
        {"x": 1}, "polygon", 7, [1e-300] * 8, [10.0] * 8, [-1e9, -1e9, 1e9, -1e9, 1e9, 1e9], [0, 0] * 5000, [{}] * 6,
    ]  # fmt: skip
    for number, ring in enumerate(rings):
        yield Case(f"coco ring {number}", "coco", _json(document(annotation={"segmentation": [ring], "bbox": None})))
        if number % 3 == 0:
            yield Case(f"coco bare ring {number}", "coco", _json(document(annotation={"segmentation": ring})))
    pixels = SIZE_HW[0] * SIZE_HW[1]
    counts: list[Any] = [
        "", "garbage", "\u2603" * 50, "o" * 100_000, "0" * 1_000_000, [-1, pixels + 1], [HUGE], [pixels + 1], [1] * 1_000_000,
        [[1]], None, {}, 7, [1.5, 2.5], [True], ["1"], [NAN], [0] * 100_000, "\x00\x01", "11111111111111111111",
    ]  # fmt: skip
    for number, runs in enumerate(counts):
        yield Case(
            f"coco counts {number}", "coco", _json(document(annotation={"segmentation": {"size": list(SIZE_HW), "counts": runs}}))
        )
    for number, size in enumerate(([], [1], [1, 2, 3], "48", None, [HUGE, 1], [-48, 64], [NAN, NAN], [64, 48], {}, [[48], [64]])):
        rle = {"size": size, "counts": [pixels]}
        yield Case(f"coco rle size {number}", "coco", _json(document(annotation={"segmentation": rle})))
    boxes = (
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        ["1", 2, 3, 4],
        [HUGE, 1, 2, 3],
        [NAN, 0, INF, 1],
        [-1e300, 0, 1e301, 4],
        {},
        None,
        [True] * 4,
        "box",
        [],
        [[1]] * 4,
    )
    for number, box in enumerate(boxes):
        yield Case(f"coco bbox {number}", "coco", _json(document(annotation={"segmentation": None, "bbox": box})))
    keys: tuple[Any, ...] = ([1], {"a": 1}, HUGE, "9" * 5000, "", None, True, NAN, -1, 1.5, "\ud800")
    for number, key in enumerate(keys):
        yield Case(f"coco image id {number}", "coco", _json(document({"id": key})))
        yield Case(f"coco annotation id {number}", "coco", _json(document(annotation={"id": key})))
        yield Case(f"coco image_id {number}", "coco", _json(document(annotation={"image_id": key})))
        yield Case(f"coco category_id {number}", "coco", _json(document(annotation={"category_id": key})))
        yield Case(f"coco category {number}", "coco", _json(document(category={"id": key, "name": "other"})))
    for number, name in enumerate(NAMES):
        yield Case(f"coco file_name {number}", "coco", _json(document({"file_name": name})))
        yield Case(
            f"coco category name {number}",
            "coco",
            _json(document(category={"id": 9, "name": name}, annotation={"category_id": 9})),
        )
    wholes: list[Any] = [
        [], "text", 7, None, {}, {"images": {}}, {"images": [], "annotations": {}}, {"images": [7, None, "x", []], "annotations": [7]},
        "{", "[" * 20_000, '{"images":' * 5000, "{\"images\": [" + "{}," * 50_000 + "{}]}", " " * 1_000_000, "NaN", "\ud83d",
    ]  # fmt: skip
    for number, whole in enumerate(wholes):
        text = whole if isinstance(whole, str) and whole != "text" else json.dumps(whole)
        yield Case(f"coco whole {number}", "coco", _raw("labels.json", text.encode("utf-8", "surrogatepass")), keeps=False)
    for number, content in enumerate((b"", b"\xff\xfe{}", bytes(range(256)) * 40, "{}".encode("utf-16"), b"\xef\xbb\xbf[]")):
        yield Case(f"coco bytes {number}", "coco", _raw("labels.json", content), keeps=False)


NAMES: tuple[Any, ...] = (
    "a" * 5000 + ".png", "../../etc/passwd", "/etc/passwd", "C:\\windows\\x.png", "bad\x00.png", "\ud800.png", "[/b][bold]x.png",
    "\x1b[31mred\x1b]0;title\x07.png", "\x07\x08\x1b.png", "\u202egnp.dab", "", ".", "..", None, ["bad.png"], 7, "http://[", "a" * 70_000,
    "=cmd|'/c calc'!A1", "bad.png\n\nnext", "**bold** <img src=x>",
)  # fmt: skip

# -- YOLO --------------------------------------------------------------------------------------------------------------


def _yolo(lines: str, names: str = "cracks\n", settings: str | None = None) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "labels").mkdir()
        (folder / "labels" / "good.txt").write_text("0 0.1 0.1 0.4 0.1 0.4 0.4\n")
        (folder / "labels" / "bad.txt").write_text(lines, "utf-8", "surrogatepass")
        if settings is None:
            (folder / "classes.txt").write_text(names, "utf-8", "surrogatepass")
        else:
            (folder / "data.yaml").write_text(settings)
        return folder

    return write


def yolo() -> Iterator[Case]:
    lines = (
        "9" * 5000 + " 0.1 0.1 0.4 0.1 0.4 0.4", "0 nan nan nan nan nan nan", "0 inf 0 0.1 0.1 0.2 0.2", "-1 0.1 0.1 0.4 0.1 0.4 0.4",
        "1e400 0.1 0.1 0.4 0.1 0.4 0.4", "nan 0.1 0.1 0.4 0.1 0.4 0.4", "0 0.1 0.1", "0 0.1 0.1 0.4", "0 5 5 9 9 9 5", "0",
        "0 " + "0.1 0.9 " * 100_000, "0 x y z", "\x00\x01\x02", "0 0.1,0.1 0.4,0.1 0.4,0.4", "crack 0.1 0.1 0.4 0.1 0.4 0.4",
        "0 " + "0.5 0.5 " * 5, "\ud800 0.1 0.1 0.4 0.1 0.4 0.4", "0 0.1 0.1 0.4 0.1 0.4 " + "4" * 5000,
    )  # fmt: skip
    for number, line in enumerate(lines):
        yield Case(f"yolo line {number}", "yolo", _yolo(line + "\n"))
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
    )
    settings = (
        bomb + "names: *m\n", "[" * 20_000, "{a: " * 5000, "names: !!python/object/apply:os.system ['true']\n", "names: 7\n", "names:\n",
        "names: [{a: 1}, [2], null]\n", "names: {x: cracks}\n", "- a\n", "names: {99999999999999999999999: cracks}\n", "\t\n", "names: [a, *b]\n",
        "names: {.nan: cracks}\n", "names: 'cracks\n",
    )  # fmt: skip
    for number, text in enumerate(settings):
        yield Case(f"yolo settings {number}", "yolo", _yolo("0 0.1 0.1 0.4 0.1 0.4 0.4", settings=text), keeps=False)
    for number, name in enumerate(NAMES):
        if isinstance(name, str) and "\x00" not in name and name:
            kept = name.isprintable() or "\ud800" not in name  # else the file is no text, and every class nameless
            yield Case(f"yolo class {number}", "yolo", _yolo("1 0.1 0.1 0.4 0.1 0.4 0.4", f"cracks\n{name}\n"), keeps=kept)


# -- CVAT --------------------------------------------------------------------------------------------------------------

_IMAGE = '<image id="1" name="good.png" width="64" height="48"><polygon label="cracks" points="5,5;20,5;20,20;5,20"/></image>'


def _cvat(inside: str, head: str = "") -> Callable[[Path], Path]:
    return _raw("annotations.xml", f"{head}<annotations>{_IMAGE}{inside}</annotations>".encode("utf-8", "replace"))


def cvat() -> Iterator[Case]:
    shapes = (
        '<polygon label="cracks" points="nan,nan;1,1;2,2"/>', '<polygon label="cracks" points="a,b;1,1;2,2"/>', '<polygon label="cracks"/>',
        '<polygon label="cracks" points=""/>', '<polygon label="cracks" points="1,2,3;4,5,6;7,8,9"/>',
        '<polygon label="cracks" points="' + ";".join(f"{n % 2 * 1e9},{n}" for n in range(20_000)) + '"/>',
        '<polygon label="cracks" points="' + ";".join(f"{n % 2 * 1e5},{n}" for n in range(40)) + '"/>', '<mask label="cracks"/>',
        '<mask label="cracks" rle="-1, 5" left="0" top="0" width="2" height="2"/>',
        f'<mask label="cracks" rle="{10**300}" left="0" top="0" width="2" height="2"/>',
        '<mask label="cracks" rle="' + "1," * 200_000 + '1" left="0" top="0" width="2" height="2"/>',
        '<mask label="cracks" rle="4" left="0" top="0" width="99999" height="99999"/>',
        '<mask label="cracks" rle="4" left="-1" top="0" width="2" height="2"/>', '<mask label="cracks" rle="x" left="0" top="0" width="2" height="2"/>',
        '<mask label="cracks" rle="4" left="' + "9" * 5000 + '" top="0" width="2" height="2"/>', "<skeleton/>", '<box label="cracks" xtl="1"/>',
        '<polygon label="&#x202e;[/b]" points="1,1;9,1;9,9"/>', "<a>" * 3000 + "</a>" * 3000,
    )  # fmt: skip
    for number, shape in enumerate(shapes):
        yield Case(f"cvat shape {number}", "cvat", _cvat(f'<image id="2" name="bad.png" width="64" height="48">{shape}</image>'))
    for number, (width, height) in enumerate(((HUGE, 1), (-1, -1), ("x", "y"), ("", ""), (99_999, 99_999), ("nan", "inf"))):
        inside = f'<image id="2" name="bad.png" width="{width}" height="{height}"><polygon label="cracks" points="1,1;9,1;9,9"/></image>'
        yield Case(f"cvat size {number}", "cvat", _cvat(inside))
    lol = '<!DOCTYPE l [<!ENTITY a "x">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{"".join([f"&{chr(97 + n)};"] * 10)}">' for n in range(9)
    )
    heads = (
        lol + "]>",
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">',
        "<?xml?>",
        "\ufffd",
    )
    for number, head in enumerate(heads):
        yield Case(f"cvat head {number}", "cvat", _cvat("<meta>&j;</meta>" if number == 0 else "", head), keeps=False)
    for number, content in enumerate(
        (b"", b"<", b"<annotations>", b"<a/>", b"\xff\xfe<\x00a\x00/\x00>\x00", b"<annotations><track/></annotations>")
    ):
        yield Case(f"cvat bytes {number}", "cvat", _raw("annotations.xml", content), keeps=False)


# -- Label Studio --------------------------------------------------------------------------------------------------------


def _task(image: Any, region: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": [region]}], **more}


def _region(value: Any = None, **more: Any) -> dict[str, Any]:
    points = {"points": [[10, 10], [40, 10], [40, 40]], "polygonlabels": ["cracks"]}
    return {
        "type": "polygonlabels",
        "original_width": 64,
        "original_height": 48,
        "value": points if value is None else value,
        **more,
    }


def label_studio() -> Iterator[Case]:
    good = _task(GOOD, _region())
    labels = {"polygonlabels": ["cracks"]}
    brush = {"format": "rle", "brushlabels": ["cracks"]}
    values: list[Any] = [
        {**labels, "points": None}, {**labels, "points": [[1]]}, {**labels, "points": [[NAN, 1], [2, 3], [4, 5]]}, {**labels, "points": "x"},
        {**labels, "points": [[HUGE, 1], [2, 3], [4, 5]]}, {**labels, "points": [[1e9, 0], [0, 1e9]] * 5000}, {**labels}, {**brush, "rle": None},
        {**brush, "rle": []}, {**brush, "rle": [-1, 300]}, {**brush, "rle": ["a"]}, {**brush, "rle": [255] * 100_000}, {**brush, "rle": [0] * 100_000},
        {**brush, "rle": {"a": 1}}, {"polygonlabels": [7, None, []], "points": []}, {"polygonlabels": "cracks", "points": []}, [], "x", 7, {},
    ]  # fmt: skip
    for number, value in enumerate(values):
        yield Case(f"label studio value {number}", "label-studio", _json([good, _task(BAD, _region(value))]))
    for number, size in enumerate(((HUGE, HUGE), (NAN, 1), (-1, -1), ("x", None), (99_999, 99_999), ([], {}))):
        region = _region(original_width=size[0], original_height=size[1])
        yield Case(f"label studio size {number}", "label-studio", _json([good, _task(BAD, region)]))
    for number, name in enumerate(NAMES):
        yield Case(f"label studio image {number}", "label-studio", _json([good, _task(name, _region())]))
    tasks: list[Any] = [
        7,
        None,
        "x",
        [],
        {},
        {"data": 7},
        {"data": {}},
        {"data": {"image": BAD}, "annotations": 7},
        _task(BAD, 7),
        _task(BAD, None),
    ]
    tasks += [
        {"data": {"image": BAD}, "annotations": [7, {"result": 7}]},
        _task(BAD, _region(), id=HUGE),
        _task(BAD, _region(), id="\ud800"),
    ]
    tasks += [_task(BAD, _region(image_rotation=NAN)), _task(BAD, _region(id=[1])), _task(BAD, _region(type=[]))]
    for number, task in enumerate(tasks):
        yield Case(f"label studio task {number}", "label-studio", _json([good, task]))
    yield Case("label studio deep", "label-studio", _raw("labels.json", b"[" * 20_000), keeps=False)


# -- pictures ------------------------------------------------------------------------------------------------------------


def png_with(width: int, height: int, rows: bytes = b"", colour: int = 0, depth: int = 8) -> bytes:
    """A PNG whose head says whatever it says."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(mode: str, size: tuple[int, int], form: str = "PNG", **keywords: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format=form, **keywords)
    return buffer.getvalue()


def _mask(content: bytes, name: str = "bad__segment_wall_crack.png") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        place = folder / "cracks" / "test"
        place.mkdir(parents=True)
        mask = np.zeros(SIZE_HW, np.uint8)
        mask[5:20, 5:20] = 255
        Image.fromarray(mask).save(place / "good__segment_wall_crack.png")
        (place / name).write_bytes(content)
        return folder

    return write


def masks() -> Iterator[Case]:
    whole = picture("L", (64, 48))
    contents = (
        b"", whole[:40], whole[:-20], png_with(50_000, 50_000), png_with(0, 0), png_with(2**31 - 1, 1), png_with(64, 48, b"\x00" * 7),
        png_with(64, 48, b"x" * 100_000), png_with(64, 48, colour=9), png_with(64, 48, depth=3), picture("RGBA", (4500, 4500)),
        picture("P", (64, 48)), picture("I;16", (64, 48)), picture("L", (64, 48), "JPEG"), b"text", whole + b"tail" * 1000,
        whole.replace(b"IDAT", b"IDAX"), picture("1", (64, 48)), picture("RGB", (8000, 6000)),
    )  # fmt: skip
    for number, content in enumerate(contents):
        yield Case(f"mask {number}", "masks", _mask(content))
    for number, name in enumerate(("bad" * 70 + ".png", "[b]bold[b]__x.png", "bad\x1b[31m.png", "=1+1.png")):
        yield Case(f"mask name {number}", "masks", _mask(whole, name))


def photos() -> Iterator[Case]:
    jpeg = picture("RGB", (64, 48), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 99
    contents: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"", "cut jpeg": lambda: jpeg[:200], "text": lambda: b"text", "eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "head of 90000": lambda: png_with(90_000, 90_000), "zero": lambda: png_with(0, 0), "svg": lambda: b"<svg/>", "99 MP RGBA": lambda: picture("RGBA", (11_000, 9_000)),
        "99 MP float": lambda: picture("F", (11_000, 9_000), "TIFF", compression="tiff_lzw"), "79 MP grey": lambda: picture("L", (10_000, 7_900)),
        "odd exif": lambda: picture("RGB", (64, 48), "JPEG", exif=exif), "garbage exif": lambda: jpeg[:2] + b"\xff\xe1\x00\x20Exif\x00\x00" + b"\xff" * 24 + jpeg[2:],
        "gif": lambda: picture("P", (64, 48), "GIF"), "ico": lambda: picture("RGBA", (32, 32), "ICO"), "zlib": lambda: png_with(64, 48, b"") [:-30] + b"\x00" * 18,
    }  # fmt: skip
    for name, content in contents.items():
        yield Case(f"photo {name}", "prepare", _export(content, document()))
    yield Case("prepare leads out", "prepare", _export(lambda: jpeg, document({"file_name": "../../../etc/passwd"})))
    yield Case("prepare 99999 square", "prepare", _export(lambda: jpeg, document({"width": 99_999, "height": 99_999})))


def _export(content: Callable[[], bytes], labels: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        place = folder / "cracks" / "train"
        place.mkdir(parents=True)
        Image.fromarray(np.random.default_rng(5).integers(0, 255, (*SIZE_HW, 3), np.uint8)).save(place / GOOD)
        (place / BAD).write_bytes(content())
        (place / "_annotations.coco.json").write_text(json.dumps(labels))
        return folder

    return write


# -- archives --------------------------------------------------------------------------------------------------------------


def _zip(fill: Callable[[zipfile.ZipFile], None], spoil: Callable[[bytes], bytes] = lambda b: b) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        buffer, path = io.BytesIO(), folder / "labels.zip"
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            fill(archive)
        path.write_bytes(spoil(buffer.getvalue()))
        return path

    return write


def archives() -> Iterator[Case]:
    good = json.dumps(document())

    def with_good(name: str, content: bytes | str) -> Callable[[zipfile.ZipFile], None]:
        def fill(archive: zipfile.ZipFile) -> None:
            archive.writestr("labels.json", good)
            archive.writestr(name, content)

        return fill

    def link(archive: zipfile.ZipFile) -> None:
        archive.writestr("labels.json", good)
        entry = zipfile.ZipInfo("bad.png")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")

    def zeros(archive: zipfile.ZipFile) -> None:
        with archive.open("labels.json", "w", force_zip64=True) as entry:
            for _ in range(400):
                entry.write(b"\x00" * 1_000_000)

    def blanks(archive: zipfile.ZipFile) -> None:
        archive.writestr("labels.json", "[" + " " * 150_000_000 + "]")

    for name, place in (
        ("climbs", "../../evil.txt"),
        ("absolute", "/tmp/evil.txt"),
        ("windows", "..\\..\\evil.txt"),
        ("odd name", "a" * 300 + ".png"),
    ):
        yield Case(f"zip {name}", "coco", _zip(with_good(place, "x")), keeps=name != "odd name")
    yield Case("zip link", "coco", _zip(link))
    yield Case("zip bomb", "coco", _zip(zeros), keeps=False)
    yield Case("zip of blanks", "coco", _zip(blanks), keeps=False)
    plain = with_good("x.txt", "x" * 5000)
    spoils: dict[str, Callable[[bytes], bytes]] = {
        "cut": lambda b: b[: len(b) // 2], "empty": lambda b: b"", "text": lambda b: b"text", "damaged": lambda b: b[:60] + bytes(40) + b[100:],
        "tail": lambda b: b[:-4] + b"\xff\xff\xff\xff", "encrypted": lambda b: b[:6] + b"\x01" + b[7:], "method": lambda b: b[:8] + b"\x63" + b[9:],
    }  # fmt: skip
    for name, spoil in spoils.items():
        yield Case(f"zip {name}", "coco", _zip(plain, spoil), keeps=False)
