"""Photos by name: which names they get on the way out, and which photo a name or a file means on the way back."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from core.errors import AnnotationError
from data.store.records import Sample

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


class PhotoFinder:
    """Finds the workspace's photo a name means."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._hashes = {sample.image_hash for sample in samples}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        for image_hash, name in export_names(samples).items():
            self._add(name, image_hash)
        for sample in samples:
            for name in (_base(sample.file_name), _stored_name(sample), _base(sample.image_path)):
                self._add(name, sample.image_hash)
                self._add(f"{sample.image_hash[:8]}_{name}", sample.image_hash)

    def _add(self, name: str, image_hash: str) -> None:
        self._by_name[name].add(image_hash)
        self._by_name[PurePosixPath(name).stem].add(image_hash)

    def find(self, name: str, photo: Path | None = None) -> str:
        """The image hash. photo: the file, when it came along; its content decides before its name.

        A name may lack folder or suffix. Raises AnnotationError when no photo or more than one answers to it.
        """
        if photo is not None and (digest := hashlib.sha256(photo.read_bytes()).hexdigest()) in self._hashes:
            return digest
        base = _base(name)
        uploaded = _UPLOAD_PREFIX.sub("", base)
        for candidate in (base, PurePosixPath(base).stem, uploaded, PurePosixPath(uploaded).stem):
            hits = self._by_name.get(candidate, set())
            if len(hits) > 1:
                raise AnnotationError(f"{len(hits)} photos are called {candidate}; put the photos beside the labels")
            if hits:
                return next(iter(hits))
        raise AnnotationError(f"no photo of this workspace is called {base or name}; import the photo first")


def _stored_name(sample: Sample) -> str:
    """The name it was imported under, its suffix changed where the photo had to be stored in another format."""
    name, suffix = PurePosixPath(_base(sample.file_name)), PurePosixPath(sample.image_path).suffix
    same = name.suffix.lower().replace("jpeg", "jpg") == suffix
    return name.name if same else f"{name.stem}{suffix}"


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
