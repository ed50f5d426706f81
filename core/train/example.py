"""What training is given: a photo with a label, before anything is a tensor."""

from dataclasses import dataclass
from pathlib import Path

from core.masks.mask import Mask, Rle, decode_rle
from core.photos import Photo, read_photo


@dataclass(frozen=True)
class Example:
    """One sample as training sees it: where the photo lies, its class, its label, and the pixels whose label is not trusted."""

    sample_id: int
    name: str
    class_name: str
    photo_path: Path
    rle: Rle
    ignore: Rle | None = None

    @property
    def image_key(self) -> str:
        """A workspace names a photo by its content's hash, so the file's stem is its key."""
        return self.photo_path.stem

    def read(self) -> tuple[Photo, Mask]:
        """Photo (H, W, 3) uint8 and mask (H, W) bool. Raises PhotoError."""
        return read_photo(self.photo_path), decode_rle(self.rle)
