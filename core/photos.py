"""Photos in: any picture becomes (H, W, 3) uint8 RGB, upright, or one clear sentence says why not."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import PhotoError

MAX_PIXELS = 80_000_000
"""Larger pictures are refused before they are decoded; their owner scales them down first."""
_MOST_BYTES = 480_000_000
_BYTES_A_PIXEL = {"RGB": 6, "L": 7, "1": 7, "P": 7, "YCbCr": 9, "CMYK": 10, "LA": 12, "PA": 12, "I;16": 8, "I": 10, "F": 10}
"""What decoding and turning a picture into RGB takes at once, by mode; 12 for the others, such as RGBA."""

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".hif", ".avif")
"""What photos are called, in lower case."""
_RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".raf", ".rw2", ".rwl", ".pef", ".srw", ".raw", ".3fr")
"""A camera's raw files: Pillow reads the preview in some of them as if it were the photo."""
_UNREAD_SUFFIXES = (*_RAW_SUFFIXES, ".svg", ".jxl", ".xcf")

Photo = NDArray[np.uint8]
pillow_heif.register_heif_opener()
Image.init()
_FORMATS: list[str] | tuple[str, ...] = [
    name for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "HEIF", "AVIF", "JPEG2000", "PPM") if name in Image.OPEN
]
"""What is opened at all. EPS is a program, others are read by nobody's phone."""
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit gives way to MAX_PIXELS, checked before anything is decoded
_ORIENTATION_TAG = 0x0112


def read_photo(source: Path | bytes | BinaryIO, name: str | None = None, *, at_least_px: int | None = None) -> Photo:
    """Read a photo upright (EXIF orientation applied). Returns (H, W, 3) uint8 RGB.

    at_least_px: the reader will shrink it to this shorter side anyway, so a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
    size as long as it stays larger; decoding then takes a fraction of the time.

    16-bit pictures are scaled to 8 bits by their type's range, palettes and CMYK converted, transparency laid on white.
    Of several frames the first is taken. Raises PhotoError for what is missing, empty, truncated, not a picture, of a kind
    that is not read (a camera's raw file) or over MAX_PIXELS.
    """
    name = name or (source.name if isinstance(source, Path) else "the photo")
    try:
        if isinstance(source, Path):
            content = source.read_bytes()
        else:
            content = source if isinstance(source, bytes) else source.read()
    except OSError as error:
        raise PhotoError(f"{name} cannot be read ({error.strerror or error}); check the path") from error
    if not content:
        raise PhotoError(f"{name} is empty (0 bytes); export or copy it again")
    if name.lower().endswith(_UNREAD_SUFFIXES):
        raise PhotoError(f"{name} is of a kind that this tool does not read; save it as JPEG or PNG")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            most = min(MAX_PIXELS, _MOST_BYTES // _BYTES_A_PIXEL.get(image.mode, 12))
            if width * height > most:
                megapixels, limit = width * height / 1e6, most / 1e6
                kind = "" if most == MAX_PIXELS else f" for a picture of mode {image.mode}"
                raise PhotoError(f"{name} has {megapixels:.0f} megapixels, the limit is {limit:.0f}{kind}; scale it down")
            if at_least_px is not None:
                image.draft(None, (at_least_px, at_least_px))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(_to_rgb(image))
    except UnidentifiedImageError as error:
        raise PhotoError(f"{name} is not a picture this tool can read; save it as JPEG or PNG") from error
    except PhotoError:
        raise
    except Exception as error:  # Pillow's decoders raise what they like on damaged files: zlib's, struct's, IndexError
        raise PhotoError(f"{name} is damaged ({error}); export or copy it again") from error


def looks_like_picture(path: Path) -> bool:
    """Whether somebody would call the file a picture, by its suffix or by its first bytes; readable or not."""
    if path.name.lower().endswith((*PHOTO_SUFFIXES, *_UNREAD_SUFFIXES)):
        return True
    try:
        with Image.open(path, formats=_FORMATS):
            return True
    except Exception:  # as in `read_photo`
        return False


def photo_size_hw(path: Path) -> tuple[int, int]:
    """(height, width) after EXIF orientation, from the header alone. Raises PhotoError."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION_TAG, 1) >= 5
    except Exception as error:  # as in `read_photo`
        raise PhotoError(f"{path.name} is not a picture this tool can read ({error})") from error
    return (width, height) if turned else (height, width)


def exif_orientation(path: Path) -> int:
    """1 to 8 as EXIF counts: how viewers turn the stored picture; 1, as it is, also where the file says nothing usable."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # as in `read_photo`
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # 16-bit, 32-bit and float greys
        return Image.fromarray(_to_8_bits(image)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        on_white = Image.new("RGB", rgba.size, "white")
        on_white.paste(rgba, mask=rgba.getchannel("A"))
        return on_white
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W), a strip at a time: as float64 a large picture would take eight times its size."""
    width, height = image.size
    grey, rows = np.empty((height, width), np.uint8), max(1, 4_000_000 // max(width, 1))
    strips = [(top, min(top + rows, height)) for top in range(0, height, rows)]

    def strip(top: int, bottom: int) -> NDArray[np.float64]:
        return np.asarray(image.crop((0, top, width, bottom)), dtype=np.float64)

    if image.mode.startswith("I"):
        full = 65535.0
    else:
        full = max(1.0, *(float(np.nanmax(np.where(np.isfinite(part := strip(*s)), part, 0.0), initial=1.0)) for s in strips))
    for top, bottom in strips:
        values = np.nan_to_num(strip(top, bottom), posinf=full, neginf=0.0) / full * 255
        grey[top:bottom] = np.clip(values, 0, 255).round()
    return grey
