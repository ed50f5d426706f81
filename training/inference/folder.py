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
from core.models.predictor import Prediction, Predictor, TextToMask
from core.photos import PHOTO_SUFFIXES, Photo, looks_like_picture, read_photo
from core.progress import Progress, silent
from training.inference.mask_files import mask_names, write_masks

_MOST_LANES = 4
"""Photos predicted at once on a CPU; its cores are shared out among them."""


def photos_in(folder: Path) -> list[Path]:
    """Whatever looks like a picture in a folder, by name; what cannot be read is named when it is scored.

    Raises RequestError when there is none.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file() and looks_like_picture(path))
    if not paths:
        raise RequestError(f"{folder} holds no photos; its files should end in {', '.join(PHOTO_SUFFIXES)}")
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
    """Yields each photo with its written masks, or with what was wrong with it, in order. prompts: each once."""
    names = mask_names([path.name for path in paths], prompts)
    loader: DataLoader = DataLoader(_Photos(paths), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
    threads, lanes = torch.get_num_threads(), _lanes(predictor)

    def finish(path: Path, photo: torch.Tensor | PhotoError) -> list[Path] | PhotoError:
        if isinstance(photo, PhotoError):
            return photo
        targets = [out / names[path.name, prompt] for prompt in prompts]
        return write_masks(predictor.predict(photo.numpy(), prompts), thresholds, targets)

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


def predict_alone(predictor: TextToMask, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
    """As in a folder, bit for bit: a sum that is shared out among more cores is rounded otherwise, so it gets as many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads // _lanes(predictor))
    try:
        return predictor.predict(photo, prompts)
    finally:
        torch.set_num_threads(threads)


def _lanes(predictor: TextToMask) -> int:
    on_cpu = isinstance(predictor, Predictor) and predictor.on_cpu
    return min(_MOST_LANES, torch.get_num_threads()) if on_cpu else 1


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
