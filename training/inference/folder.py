"""Scoring a folder of photos: decoded ahead in worker processes, then each predicted and written by one of a few threads.

Photos side by side on a core each need no waiting for one another at every product, as one photo on all cores does, and
what no product is in (resizing, PNG) is spread as well. Memory stays flat however many photos there are.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from core.errors import PhotoError, RequestError
from core.models.predictor import Predictor, TextToMask
from core.photos import Photo, read_photo
from core.progress import Progress, silent
from training.inference.predictors import write_masks

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
_MOST_LANES = 4
"""Photos predicted at once on a CPU; its cores are shared out among them."""


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


def score_folder(
    paths: Sequence[Path],
    predictor: TextToMask,
    prompts: Sequence[str],
    thresholds: Sequence[float],
    out: Path,
    workers: int = 1,
    on_progress: Progress = silent,
) -> Iterator[tuple[Path, list[Path] | PhotoError]]:
    """Yields each photo with its written masks, or with what was wrong with it, in order."""
    loader: DataLoader = DataLoader(_Photos(paths), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
    threads = torch.get_num_threads()
    lanes = min(_MOST_LANES, threads) if isinstance(predictor, Predictor) and predictor.on_cpu else 1

    def finish(path: Path, photo: torch.Tensor | PhotoError) -> list[Path] | PhotoError:
        if isinstance(photo, PhotoError):
            return photo
        return write_masks(path.name, predictor.predict(photo.numpy(), prompts), thresholds, out)

    waiting: deque[tuple[Path, Future[list[Path] | PhotoError]]] = deque()
    try:
        with ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads // lanes,)) as pool:
            for number, photo in enumerate(loader):
                on_progress("score photos", number, len(paths))
                waiting.append((paths[number], pool.submit(finish, paths[number], photo)))
                if len(waiting) > 2 * lanes:
                    path, found = waiting.popleft()
                    yield path, found.result()
            for path, found in waiting:
                yield path, found.result()
    finally:
        torch.set_num_threads(threads)  # threads that begin later take the number that was set last


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
