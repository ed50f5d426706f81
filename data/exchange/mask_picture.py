"""Which pixels a picture of a mask sets: told from its mode, palette, alpha and values, or refused because they do not tell.

White on black, ones among zeros, one colour on black and one thing on transparency are masks; so is white with grey edges,
as resizing leaves it. Class indexes, several colours and "ignore" beside a class are not: the picture alone does not say
which of them is meant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.ndimage import maximum_filter, minimum_filter

from core.errors import AnnotationError
from core.masks.mask import Mask

WHITE, ONE, OPAQUE = "white", "value 1", "opacity"
_VOID = (224, 224, 192)
"""What Pascal VOC's palette gives to index 255, the border that belongs to no class."""
_MOST_NAMED, _MOST_COLOURED_PX = 6, 16_000_000


@dataclass(frozen=True)
class MaskPicture:
    """mask: (H, W) bool. mark: what its set pixels have in the file, "" where none is set."""

    mask: Mask
    mark: str


class UnclearMask(AnnotationError):
    """What is in the picture may be a mask in more than one way."""


def read_mask_picture(file: Path) -> MaskPicture:
    """A PNG's mask, upright. Raises UnclearMask that says what was found, AnnotationError for what is no PNG or damaged."""
    try:
        with Image.open(file) as opened:
            if opened.format != "PNG":
                raise AnnotationError(f"it is {opened.format} inside, which may change a mask's values; save it as PNG")
            if opened.mode not in ("L", "1", "I;16", "I") and opened.width * opened.height > _MOST_COLOURED_PX:
                limit = _MOST_COLOURED_PX / 1e6
                raise AnnotationError(
                    f"it has more than {limit:.0f} megapixels in mode {opened.mode}; save it as one grey channel"
                )
            bits = _bits(file)
            image = ImageOps.exif_transpose(opened)
    except AnnotationError:
        raise
    except Exception as error:  # Pillow's decoders raise what they like on damaged files
        raise AnnotationError(f"it is damaged ({error}); export it again") from error
    rgba = image.convert("RGBA") if _alpha_varies(image) else None
    if bits == 16 and not image.mode.startswith("I"):
        found = None  # Pillow keeps the upper 8 bits of colours
    else:
        found = _by_colour(image) if rgba is None else _by_alpha(np.array(rgba))
    if found is None:
        depth = ", 16 bits a channel" if bits == 16 else ""
        raise UnclearMask(
            f"it is a picture of mode {image.mode}{depth} with {_described(image)}, which does not tell the mask beyond "
            "doubt; save it as one grey channel, 255 where the class is and 0 elsewhere"
        )
    return found


def _bits(file: Path) -> int:
    """A channel's bits, from the PNG's first chunk."""
    with file.open("rb") as opened:
        return opened.read(25)[24]


def _by_alpha(rgba: NDArray[np.uint8]) -> MaskPicture | None:
    """The mask of a picture, (H, W, 4), that shows one colour on transparency."""
    colour, alpha = rgba[..., :3], rgba[..., 3]
    hidden = colour[alpha == 0]
    shown = colour[alpha > alpha.max() / 2] if alpha.any() else hidden
    if (shown != shown[:1]).any():
        return None
    if alpha.any() and not shown.any() and (hidden == 255).all(axis=1).any():
        return None  # black on hidden white: the colours say the opposite
    found = _by_grey(alpha, 255)
    return found and MaskPicture(found.mask, found.mark and OPAQUE)


def _by_colour(image: Image.Image) -> MaskPicture | None:
    if image.mode.startswith("I"):
        return _by_grey(np.array(image), 65535)
    if image.mode in ("L", "1"):
        return _by_grey(np.array(image.convert("L")), 255)
    colour = np.array(image.convert("RGBA").convert("RGB"))
    if (colour == colour[..., :1]).all():
        return _by_grey(colour[..., 0], 255)
    found = _colours(colour)
    if len(found) != 2 or any(found[0]) or found[1] == _VOID:
        return None
    return MaskPicture(np.any(colour > 0, axis=2), _hex(found[1]))


def _by_grey(values: NDArray[np.integer], top: int) -> MaskPicture | None:
    """values: (H, W), 0 to top."""
    found = np.unique(values).tolist()
    if found in ([0], [top]):
        return MaskPicture(values > 0, WHITE if found[0] else "")
    if len(found) == 2 and found[0] == 0:
        return MaskPicture(values > 0, {top: WHITE, 1: ONE}.get(found[1], f"value {found[1]}"))
    scaled = values.astype(float) * 255 / top
    return MaskPicture(scaled >= 128, WHITE) if _is_white_with_grey_edges(scaled) else None


def _is_white_with_grey_edges(values: NDArray[np.floating]) -> bool:
    """Black and white with a minority of steps in between that are nowhere flat. values: (H, W), 0 to 255.

    A class index or a trimap's grey fills areas with one value, or leaves one or two values; soft edges do neither.
    """
    between = (values > 16) & (values < 239)
    steps = np.unique(values[between & (values > 32)])
    if values.min() > 16 or values.max() < 239 or len(steps) < 4 or between.mean() > 1 / 3:
        return False
    flat = minimum_filter(values, 3, mode="constant") == maximum_filter(values, 3, mode="constant")
    return not (flat & between).any()


def _alpha_varies(image: Image.Image) -> bool:
    if image.mode.startswith("I") or not (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
        return False
    low, high = image.convert("RGBA").getchannel("A").getextrema()
    return low != high or not high


def _colours(rgb: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The distinct colours of (..., 3), the darkest channel order first."""
    packed = np.unique(rgb.reshape(-1, 3).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32))
    return [(int(value) >> 16, int(value) >> 8 & 255, int(value) & 255) for value in packed]


def _described(image: Image.Image) -> str:
    """`the values 0, 1, 2`; `the palette colours 0 #000000, 1 #800000`; `the colours #000000, #ff0000`, and the alpha."""
    pixels = np.array(image)
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        indexes = np.unique(pixels).tolist()
        named = [f"{index} {_hex(palette[index])}" if index < len(palette) else str(index) for index in indexes]
        words = f"the palette colours {_listed(named)}"
    elif pixels.ndim == 2:
        words = f"the values {_listed(map(str, np.unique(pixels).tolist()))}"
    else:
        words = f"the colours {_listed(map(_hex, _colours(np.array(image.convert('RGB')))))}"
    if _alpha_varies(image):
        alpha = np.unique(np.array(image.convert("RGBA"))[..., 3]).tolist()
        words += f" and the alpha values {_listed(map(str, alpha))}"
    return words


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _hex(colour: Iterable[int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)
