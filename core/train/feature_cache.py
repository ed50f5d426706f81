"""The feature cache: what frozen layers made of a photo's view, in half precision, memory-mapped from disk.

With a frozen backbone the activations depend on checkpoint, photo and view alone, so they are computed once and every
later epoch trains the decoder from them. An entry is one file, written aside and renamed, and read only when its size is
what its shape demands: a partly written one is as good as missing. The oldest entries leave first.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.files import write_atomically

Shape = tuple[int, int, int]


class FeatureCache:
    """Entries of one shape (layers, tokens, channels), float16, below `folder`, for one checkpoint."""

    def __init__(self, folder: Path, checkpoint_key: str, shape: Shape, max_bytes: int) -> None:
        self.folder, self.checkpoint_key, self.shape, self.max_bytes = folder, checkpoint_key, shape, max_bytes
        self.entry_bytes = 2 * int(np.prod(shape))
        folder.mkdir(parents=True, exist_ok=True)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys that have no whole entry, each once, in order."""
        return [key for key in dict.fromkeys(keys) if not self._is_whole(self._path(key))]

    def make_room(self, keys: Iterable[str]) -> bool:
        """Delete the oldest other entries until those of `keys` fit the bound; False when they can't, or the disk is short."""
        wanted = {self._path(key) for key in keys}
        needed = self.entry_bytes * sum(not self._is_whole(path) for path in wanted)
        if self.entry_bytes * len(wanted) > self.max_bytes:
            return False
        others = sorted((path for path in self.folder.glob("*.f16") if path not in wanted), key=lambda p: p.stat().st_mtime)
        held = sum(path.stat().st_size for path in others) + self.entry_bytes * len(wanted)
        for path in others:
            if held <= self.max_bytes and shutil.disk_usage(self.folder).free > 1.05 * needed:
                break
            held -= path.stat().st_size
            path.unlink()
        return shutil.disk_usage(self.folder).free > 1.05 * needed

    def write(self, key: str, activations: tuple[Tensor, ...]) -> None:
        """activations: `layers` tensors (tokens, channels)."""
        content = torch.stack(activations).to(torch.float16).cpu().numpy()
        if content.shape != self.shape:
            raise ValueError(f"activations must be {self.shape}, got {content.shape}")
        write_atomically(self._path(key), content.tobytes(), lasting=False)

    def read(self, key: str) -> tuple[Tensor, ...]:
        """`layers` tensors (tokens, channels) float16, mapped from disk. Raises KeyError when there is no whole entry."""
        path = self._path(key)
        if not self._is_whole(path):
            raise KeyError(f"{key} is not in the feature cache; fill it before reading")
        mapped = torch.from_file(str(path), shared=False, size=self.entry_bytes // 2, dtype=torch.float16)
        return tuple(mapped.view(self.shape).unbind(0))

    def _is_whole(self, path: Path) -> bool:
        return path.is_file() and path.stat().st_size == self.entry_bytes

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(f'{self.checkpoint_key}-{key}'.encode()).hexdigest()[:40]}.f16"
