"""Which format an exported file has, from the names in it and the first character of its JSON."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from data.exchange.archives import BROKEN_ARCHIVE, is_junk


def guess_format(path: Path) -> str | None:
    """A key of `data.exchange.formats.FORMATS` for a file or a ZIP archive of files; None where nothing speaks for one."""
    if path.suffix.lower() != ".zip":
        return _guess([path.name], lambda _: _head(path.read_bytes()[:64]))
    try:
        with zipfile.ZipFile(path) as archive:
            return _guess(archive.namelist(), lambda name: _head(archive.open(name).read(64)))
    except BROKEN_ARCHIVE:
        return None


def _guess(names: list[str], head: Callable[[str], bytes]) -> str | None:
    """The surest sign first: exports of several tools carry pictures or a second file along."""
    files = {name: file for name in names if not is_junk(file := Path(name.replace("\\", "/")))}
    for name, file in files.items():
        if file.suffix.lower() == ".json":
            return {b"[": "label-studio", b"{": "coco"}.get(head(name))
    present = {file.name.lower() for file in files.values()}
    suffixes = {file.suffix.lower() for file in files.values()}
    if ".xml" in suffixes:
        return "cvat"
    if present & {"classes.txt", "data.yaml"}:
        return "yolo"
    return "masks" if ".png" in suffixes else None


def _head(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
