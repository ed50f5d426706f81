"""Sizes in the picture: the widest place with its number, and a scale bar."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.photos import Photo
from core.sizes.band_size import BandSize

_INK, _RIM = (255, 255, 255), (0, 0, 0)


def paint_size(photo: Photo, size: BandSize | None, px_per_mm: float | None) -> Photo:
    """The photo with a circle around the widest place, its width beside it, and a scale bar at the bottom left.

    photo: (H, W, 3) uint8. size: `core.sizes.band_size.band_size` of its mask, None for a clean wall: only the bar is painted.
    px_per_mm: None gives numbers in px.
    """
    image = Image.fromarray(photo)
    draw = ImageDraw.Draw(image)
    height, width = photo.shape[:2]
    unit = max(1, round(min(height, width) / 320))  # line width; text grows with the photo
    font = ImageFont.load_default(size=14 * unit)
    if size is not None:
        x, y = size.widest_xy
        reach = size.width_max_px / 2 + 2 * unit
        circle = (x - reach, y - reach, x + reach, y + reach)
        draw.ellipse(circle, outline=_RIM, width=3 * unit)
        draw.ellipse(circle, outline=_INK, width=unit)
        number = length_text(size.width_max_px, px_per_mm)
        _, _, text_width, text_height = draw.textbbox((0, 0), number, font=font, stroke_width=unit)
        left = x + reach + 4 * unit if x + reach + 4 * unit + text_width <= width else x - reach - 4 * unit - text_width
        top = min(max(y - text_height / 2, 0), height - text_height)
        draw.text((max(left, 0), top), number, fill=_INK, font=font, stroke_width=unit, stroke_fill=_RIM)
    bar_px = round_length(width / 4, px_per_mm)
    left, bottom = 8 * unit, height - 8 * unit
    draw.rectangle((left - unit, bottom - 4 * unit, left + bar_px + unit, bottom + unit), fill=_RIM)
    draw.rectangle((left, bottom - 3 * unit, left + bar_px, bottom), fill=_INK)
    draw.text(
        (left, bottom - 6 * unit),
        length_text(bar_px, px_per_mm),
        fill=_INK,
        font=font,
        anchor="ls",
        stroke_width=unit,
        stroke_fill=_RIM,
    )
    return np.asarray(image)


def round_length(most_px: float, px_per_mm: float | None) -> float:
    """The longest 1, 2 or 5 times a power of ten (mm, or px without a scale) that is no longer than `most_px`; in px."""
    scale = px_per_mm or 1.0
    most = most_px / scale
    power = 10.0 ** math.floor(math.log10(most))
    return scale * max(step * power for step in (1, 2, 5) if step * power <= most)


def length_text(length_px: float, px_per_mm: float | None, in_m: bool = False) -> str:
    """`1.83 m`, `12.5 mm`, or `12.5 px` where the photo has no scale: three digits that count. in_m: m also below one."""
    if px_per_mm is None:
        return f"{length_px:.3g} px" if length_px < 1000 else f"{length_px:.0f} px"
    length_mm = length_px / px_per_mm
    return f"{length_mm / 1000:.3g} m" if in_m or length_mm >= 1000 else f"{length_mm:.3g} mm"
