"""Photos in: each is read once, on all cores, kept under its content's hash, and described by what grouping needs of it."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from core.errors import PhotoError
from core.files import write_atomically
from core.photos import Photo, exif_orientation, read_photo
from core.progress import Progress, silent
from data.intake.duplicates import view_hashes
from data.store.records import ImageRecord
from data.workspace import Workspace

_FEW = 64
"""So few photos are read sooner than processes are started."""
_BATCH = 200
"""So many are recorded at a time: what a killed import has taken is not read again."""


@dataclass(frozen=True)
class Taken:
    """A photo file that was looked at. image: as the workspace keeps it; None where it cannot be read, and error says why.
    orientation: EXIF's, of the file."""

    image: ImageRecord | None
    orientation: int = 1
    error: str = ""


def take_photos(paths: Sequence[Path], workspace: Workspace, on_progress: Progress = silent) -> dict[Path, Taken]:
    """Copy photos into the workspace, upright RGB, and record them. What is there already, by content, is not read again."""
    known = {digest: image for digest, image in workspace.store.images().items() if image.view_hashes is not None}
    taken: dict[Path, Taken] = {}
    fresh: list[ImageRecord] = []
    for done, (path, one) in enumerate(zip(paths, _looked_at(paths, workspace.images, known), strict=True), 1):
        taken[path] = one if one.image is None or one.image.hash not in known else replace(one, image=known[one.image.hash])
        if one.image is not None and one.image.hash not in known:
            known[one.image.hash] = one.image
            fresh.append(one.image)
        if len(fresh) == _BATCH:
            workspace.store.add_images(fresh)
            fresh.clear()
        on_progress("copy photos", done, len(paths))
    workspace.store.add_images(fresh)
    return taken


def _looked_at(paths: Sequence[Path], folder: Path, known: Iterable[str]) -> Iterable[Taken]:
    """In the order of the paths; of what is known, image holds the hash alone."""
    if len(paths) <= _FEW:
        return map(partial(_take, folder=folder, known=frozenset(known)), paths)
    return _in_processes(paths, folder, frozenset(known))


def _in_processes(paths: Sequence[Path], folder: Path, known: frozenset[str]) -> Iterable[Taken]:
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_begin, initargs=(folder, known)) as pool:
        yield from pool.map(_take_here, paths, chunksize=16)


def _begin(folder: Path, known: frozenset[str]) -> None:
    """Once a process: what is known is too much to be sent with every photo."""
    _here.update(folder=folder, known=known)


_here: dict = {}


def _take_here(path: Path) -> Taken:
    return _take(path, **_here)


def _take(path: Path, folder: Path, known: frozenset[str]) -> Taken:
    """Plain files are copied byte by byte, others as PNG."""
    try:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        orientation = exif_orientation(path)
        if digest in known:
            return Taken(ImageRecord(digest, "", 0, 0), orientation)
        photo = read_photo(content, path.name)
    except PhotoError as error:
        return Taken(None, error=str(error))
    except OSError as error:
        return Taken(None, error=f"{path.name} cannot be read ({error.strerror or error}); check the path")
    suffix = _plain_suffix(content)
    if suffix is None:
        content, suffix = _png(photo), ".png"
        digest = hashlib.sha256(content).hexdigest()
    target = folder / f"{digest}{suffix}"
    if not target.is_file():
        write_atomically(target, content)
    height, width = photo.shape[:2]
    return Taken(ImageRecord(digest, f"images/{target.name}", height, width, view_hashes(photo).tobytes()), orientation)


def _plain_suffix(content: bytes) -> str | None:
    """Of a file that shows its pixels to every reader alike: upright RGB without transparency; None for any other."""
    with Image.open(io.BytesIO(content)) as image:
        plain = image.format in ("JPEG", "PNG") and image.mode == "RGB" and not image.getexif().get(0x0112, 1) > 1
        return (".jpg" if image.format == "JPEG" else ".png") if plain and "transparency" not in image.info else None


def _png(photo: Photo) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="PNG")
    return buffer.getvalue()
