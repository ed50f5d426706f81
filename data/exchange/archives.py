"""Exports as they arrive: a ZIP archive unpacked for the time it is read, and the folder in it that matters."""

import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import RequestError

BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What zipfile raises for a damaged archive, a compression that it does not know and a password that it was not given."""
_MOST_UNPACKED_BYTES, _MOST_ENTRIES = 50_000_000_000, 500_000
_PLENTY_BYTES, _MOST_RATIO = 200_000_000, 60
"""Beyond the first an archive must not unpack to so many times its size: photos and masks hardly shrink, labels tenfold."""
_SPLITS = ("train", "valid", "val", "test")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A ZIP archive in a temporary folder; anything else as it is.

    Names that lead out of the archive stay inside it. Raises RequestError when it cannot be unpacked.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "export"  # what lies beside it is nobody's export
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
                size = sum(entry.file_size for entry in entries)
                if size > _MOST_UNPACKED_BYTES or (size > _PLENTY_BYTES and size > _MOST_RATIO * path.stat().st_size):
                    raise RequestError(f"{path} would unpack to {size / 1e9:.1f} GB; unpack it and name the folder")
                if len(entries) > _MOST_ENTRIES:
                    raise RequestError(
                        f"{path} holds {len(entries)} files, the limit is {_MOST_ENTRIES}; name the folder instead"
                    )
                for entry in entries:
                    entry.filename = entry.filename.replace("\\", "/")  # as Windows wrote it
                    if not is_junk(Path(entry.filename)):
                        archive.extract(entry, folder)
        except BROKEN_ARCHIVE as error:
            raise RequestError(f"{path} cannot be unpacked ({error}); export it again") from error
        folder.mkdir(exist_ok=True)
        yield folder


def innermost(path: Path) -> Path:
    """The one folder in a folder, as often as that is so. A class's folder (splits or pictures alone) is none: its name counts."""
    while path.is_dir():
        inside = [entry for entry in path.iterdir() if not is_junk(entry)]
        if len(inside) != 1 or not inside[0].is_dir() or _is_class_folder(inside[0]):
            return path
        path = inside[0]
    return path


def is_junk(path: Path) -> bool:
    """What macOS and Windows leave in folders and archives."""
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name in (".DS_Store", "Thumbs.db")


def _is_class_folder(path: Path) -> bool:
    return all(
        entry.name.lower() in _SPLITS if entry.is_dir() else entry.suffix.lower() == ".png"
        for entry in path.iterdir()
        if not is_junk(entry)
    )
