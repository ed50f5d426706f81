"""Photos by name: which names they get on the way out, and which photo or file a name means on the way back."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Generic, TypeVar
from unicodedata import normalize

from core.errors import AnnotationError
from core.photos import PHOTO_SUFFIXES
from data.store.records import Sample

Item = TypeVar("Item")
_LONGEST_PATH = 4000
_LONGEST_STEM_BYTES = 180
"""File systems take names of 255 bytes; prompts and suffixes come behind."""
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before an uploaded file's name


def export_names(samples: Sequence[Sample]) -> dict[str, str]:
    """File names by image hash: as imported, with the stored file's suffix; where photos share a stem, their hash is before.

    Stems are compared without case, as some file systems do.
    """
    first = {sample.image_hash: sample for sample in reversed(samples)}
    names = {image_hash: _stored_name(sample) for image_hash, sample in first.items()}
    shared = Counter(PurePosixPath(name).stem.casefold() for name in names.values())
    return {
        image_hash: name if shared[PurePosixPath(name).stem.casefold()] == 1 else f"{image_hash[:8]}_{name}"
        for image_hash, name in names.items()
    }


class Names(Generic[Item]):
    """What a name means among those that are known: as it is spelt or without its folders, and each in any case.

    Folders may be parted by either slash, and letters composed or not (NFC, NFD). any_suffix: a name may lack its picture's
    suffix or have another, and have the prefix of a Label Studio upload. The first spelling that anything answers to counts.
    """

    def __init__(self, *, any_suffix: bool = False) -> None:
        self._any_suffix = any_suffix
        self._known: dict[tuple[str, str], set[Item]] = defaultdict(set)

    def add(self, name: str, item: Item) -> None:
        for spelling in self._spellings(name):
            self._known[spelling].add(item)
            self._known[spelling[0] + " in any case", _folded(spelling[1])].add(item)

    def find(self, name: str) -> Item | None:
        """None when nothing answers to the name; raises AnnotationError when more than one does."""
        for kind, spelling in self._spellings(name, asked=self._any_suffix):
            for key in ((kind, spelling), (kind + " in any case", _folded(spelling))):
                hits = self._known.get(key, set())
                if len(hits) > 1:
                    raise AnnotationError(f"{len(hits)} photos are called {spelling}; put the photos beside the labels")
                if hits:
                    return next(iter(hits))
        return None

    def _spellings(self, name: str, *, asked: bool = False) -> Iterator[tuple[str, str]]:
        path = _clean(name)
        yield "path", path
        base = path.rpartition("/")[2]
        for file_name in dict.fromkeys((base, _UPLOAD_PREFIX.sub("", base)) if asked else (base,)):
            yield "base", file_name
            if self._any_suffix and asked:  # it may be a stem already, of one that looks like a whole name
                yield "stem", file_name
            if self._any_suffix:
                yield "stem", picture_stem(file_name)


class PhotoFinder:
    """Finds the workspace's photo a name means."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._hashes = {sample.image_hash for sample in samples}
        self._names = Names[str](any_suffix=True)
        for image_hash, name in export_names(samples).items():
            self._names.add(name, image_hash)
        for sample in samples:
            for name in (_base(sample.file_name), _stored_name(sample), _base(sample.image_path)):
                self._names.add(name, sample.image_hash)
                self._names.add(f"{sample.image_hash[:8]}_{name}", sample.image_hash)

    def find(self, name: str, photo: Path | None = None) -> str:
        """The image hash. photo: the file, when it came along; its content decides before its name.

        Raises AnnotationError when no photo or more than one answers to the name (see `Names`).
        """
        if photo is not None and (digest := hashlib.sha256(photo.read_bytes()).hexdigest()) in self._hashes:
            return digest
        found = self._names.find(name)
        if found is None:
            raise AnnotationError(f"no photo of this workspace is called {_base(name) or name}; import the photo first")
        return found


class FileFinder:
    """Finds the file below a folder that a name in an export means; never one outside of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: Names[Path] | None = None

    def find(self, name: str) -> Path:
        """Raises AnnotationError when the name leads out of the folder, and when no file or more than one answers to it."""
        plain = name.replace("\\", "/")
        out = PurePosixPath(plain).is_absolute() or PureWindowsPath(name).is_absolute() or ".." in plain.split("/")
        if out or "\0" in name:
            raise AnnotationError(f"its file_name {name!r} leads out of the export; only names inside the folder are read")
        if len(name) > _LONGEST_PATH:
            raise AnnotationError(f"its file_name has {len(name)} letters; no file is called so")
        exact = self._folder / name
        path = exact if _is_file(exact) else self._index().find(name)
        if path is None:
            raise AnnotationError("its file is missing; put it beside the annotations or export again")
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise AnnotationError(f"its file_name {name!r} is a link out of the export; only files inside are read")
        return path

    def beside(self, name: str) -> Path | None:
        """The file if it came along and is unmistakable."""
        try:
            return self.find(name)
        except (AnnotationError, OSError, ValueError):
            return None

    def _index(self) -> Names[Path]:
        if self._names is None:  # most exports spell their names as they are
            self._names = Names()
            for path in self._folder.rglob("*"):
                if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith("._") and path.is_file():
                    self._names.add(path.relative_to(self._folder).as_posix(), path)
        return self._names


def picture_stem(name: str) -> str:
    """`wall.01.JPG` -> `wall.01`; a suffix that no picture has is part of the name: `wall.01` -> `wall.01`."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in PHOTO_SUFFIXES else name


def _stored_name(sample: Sample) -> str:
    """The name it was imported under, its suffix changed where the photo had to be stored in another format."""
    name, suffix = PurePosixPath(_base(sample.file_name)), PurePosixPath(sample.image_path).suffix
    same = name.suffix.lower().replace("jpeg", "jpg") == suffix
    stem = name.stem.encode(errors="replace")
    if len(stem) > _LONGEST_STEM_BYTES:
        digest = hashlib.sha256(stem).hexdigest()[:8]
        return f"{stem[: _LONGEST_STEM_BYTES - 9].decode(errors='ignore')}_{digest}{suffix}"
    return name.name if same else f"{name.stem}{suffix}"


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _clean(name: str) -> str:
    return normalize("NFC", str(PurePosixPath(name.replace("\\", "/"))))


def _folded(name: str) -> str:
    return normalize("NFC", name.casefold())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long
        return False
