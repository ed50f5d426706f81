"""Scoring a folder of photos: decoded ahead in worker processes, predicted one by one, masks written by threads.

Memory stays flat however many photos there are: a few are decoded ahead, a few masks wait to be written.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from core.errors import PhotoError, RequestError
from core.photos import Photo, read_photo
from core.precision import in_fastest_dtype
from core.predictor import Predictor, TextToMask
from training.inference import write_masks

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
_WAITING = 8


def photos_in(folder: Path) -> list[Path]:
    """The photos of a folder, by name. Raises RequestError when there are none or two would write the same mask."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    if not paths:
        raise RequestError(f"{folder} holds no photos; its files should end in {', '.join(sorted(PHOTO_SUFFIXES))}")
    seen: dict[str, Path] = {}
    for path in paths:
        if (other := seen.setdefault(path.stem, path)) is not path:
            raise RequestError(f"{path.name} and {other.name} would write the same masks; rename one of them")
    return paths


def in_fastest(predictor: TextToMask) -> TextToMask:
    """The same predictor in bf16, where that is measured to pay and to change nothing (`core.precision`)."""
    if not isinstance(predictor, Predictor):
        return predictor
    return Predictor(in_fastest_dtype(predictor.segmenter), predictor.inference)


def score_folder(
    paths: Sequence[Path], predictor: TextToMask, prompts: Sequence[str], thresholds: Sequence[float], out: Path, workers: int = 1,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Iterator[tuple[Path, list[Path] | PhotoError]]:  # fmt: skip
    """Yields each photo with its written masks, or with what was wrong with it, in order."""
    loader: DataLoader = DataLoader(
        _Photos(paths), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    waiting: deque[tuple[Path, Future | PhotoError]] = deque()
    with ThreadPoolExecutor(2) as writers:
        for number, photo in enumerate(loader):
            on_progress("score photos", number, len(paths))
            path = paths[number]
            if isinstance(photo, PhotoError):
                waiting.append((path, photo))
            else:
                found = predictor.predict(photo.numpy(), prompts)
                waiting.append((path, writers.submit(write_masks, path.name, found, thresholds, out)))
            if len(waiting) > _WAITING:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())


def _finished(path: Path, result: Future | PhotoError) -> tuple[Path, list[Path] | PhotoError]:
    return path, result if isinstance(result, PhotoError) else result.result()


class _Photos(Dataset):
    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor | PhotoError:
        try:
            photo: Photo = read_photo(self.paths[index])
        except PhotoError as error:
            return error
        return torch.from_numpy(photo.copy())
