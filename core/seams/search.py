"""Where joints may run in a box: the Radon transform of the box, read with the joints' cross-sections of `core.seams.bands`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import downscale_local_mean

from core.masks.mask import fill_box
from core.seams.bands import band_models, explained

_COARSE_PX = 160  # the longer side of a box in the Radon transform


@dataclass(frozen=True)
class Line:
    """A line through a box. ends_xy: (2, 2) on the box's sides. strength: grey levels squared times px of area, explained."""

    ends_xy: NDArray[np.floating]
    width_px: float
    strength: float
    contrast: float  # strength over what a line elsewhere in the box reaches


class BoxSearch:
    """One box of a photo, downscaled once; `strongest` finds a line, `forget` removes it for the next search."""

    def __init__(self, grey: NDArray[np.floating], valid: NDArray[np.bool_], box: Sequence[float], scale: float) -> None:
        left, top, width, height = box
        margin = 16 * scale
        x0, y0 = int(max(left - margin, 0)), int(max(top - margin, 0))
        x1 = int(min(np.ceil(left + width + margin), grey.shape[1]))
        y1 = int(min(np.ceil(top + height + margin), grey.shape[0]))
        self.box, self.factor, self.origin = tuple(box), max(1, round(max(x1 - x0, y1 - y0) / _COARSE_PX)), (x0, y0)
        block = (self.factor, self.factor)
        weight = downscale_local_mean(valid[y0:y1, x0:x1].astype(float), block)
        values = downscale_local_mean(grey[y0:y1, x0:x1] * valid[y0:y1, x0:x1], block) / np.maximum(weight, 0.05)
        blur = 80 * scale / self.factor
        smooth = [ndimage.gaussian_filter(field, blur, mode="constant") for field in (values * weight, weight)]
        rest = values - smooth[0] / np.maximum(smooth[1], 1e-3)
        spread = 1.5 * np.median(np.abs(rest[weight > 0.5])) if (weight > 0.5).any() else 1.0
        self.rest, self.weight = np.clip(rest, -4 * spread - 6, 4 * spread + 6), weight * (weight > 0.5)
        inside = fill_box(
            ((left - x0) / self.factor, (top - y0) / self.factor, width / self.factor, height / self.factor), self.weight.shape
        )
        self.inside = inside.astype(float)
        self.half_window = max(6, round(62 * scale / self.factor))
        self.models = band_models(self.half_window, scale / self.factor, step=1.25)
        self.angles = self._angles()
        self.radius = int(np.hypot(*self.weight.shape) / 2) + 2

    def _angles(self) -> NDArray[np.floating]:
        """Directions in degrees. A seam in a long box runs its long way, between its diagonals; in a squarish one, any."""
        _, _, width, height = self.box
        step = 0.75
        if max(width, height) < 2.2 * min(width, height):
            return np.arange(0, 180, step)
        reach = np.degrees(np.arctan2(min(width, height), max(width, height))) + 2
        return (0 if width > height else 90) + np.arange(-reach, reach + step, step)

    def strongest(self) -> Line | None:
        """The line that explains most of what is left, or None when nothing is left to look at."""
        length, within, total = self._projected(self.weight, self.inside * self.weight, self.rest * self.weight)
        seen = (within > 0.25 * within.max(axis=1, keepdims=True)) & (within > 3)
        seen_angles = seen.any(axis=1)
        if not seen_angles.any():
            return None
        mean = np.where(seen, total / np.maximum(length, 1e-6), 0)
        gains = explained(_extended(mean, seen, self.half_window), self.models, self.half_window)
        strength = gains.max(axis=0) * within * seen * self.factor**2  # (angles, offsets)
        row, column = np.unravel_index(int(strength.argmax()), strength.shape)
        elsewhere = float(np.median(strength.max(axis=1)) if len(self.angles) > 60 else np.median(strength[seen]))
        angle = np.radians(self.angles[row])
        along, normal = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
        point = ((column - self.radius) * normal + np.array(self.weight.shape[::-1]) / 2) * self.factor + self.origin
        ends = clip_line(point, along, self.box)
        if ends is None:
            return None
        width_px = self.models[int(gains[:, row, column].argmax())].width_px * self.factor
        return Line(ends, width_px, float(strength[row, column]), float(strength[row, column] / max(elsewhere, 1e-9)))

    def _projected(self, *fields: NDArray[np.floating]) -> list[NDArray[np.floating]]:
        """The Radon transform of each, (angles, offsets), every pixel shared by the two nearest offsets.

        Faster than `skimage.transform.radon`, which turns the whole square picture for each angle.
        """
        height, width = self.weight.shape
        y, x = np.mgrid[:height, :width] + 0.5 - np.array((height / 2, width / 2))[:, None, None]
        bins = 2 * self.radius + 1
        results: list[NDArray[np.floating]] = [np.empty((len(self.angles), bins)) for _ in fields]
        for row, angle in enumerate(np.radians(self.angles)):
            offset = (y * np.cos(angle) - x * np.sin(angle) + self.radius).ravel()
            low = offset.astype(int)
            share = offset - low
            for field, result in zip(fields, results, strict=True):
                upper = field.ravel() * share
                result[row] = np.bincount(low, field.ravel() - upper, bins) + np.bincount(low + 1, upper, bins)
        return results

    def forget(self, mask: NDArray[np.bool_]) -> None:
        """mask: (H, W) of the whole photo; those pixels take no part any more."""
        x0, y0 = self.origin
        height, width = self.weight.shape
        part = mask[y0 : y0 + height * self.factor, x0 : x0 + width * self.factor]
        small = downscale_local_mean(part.astype(float), (self.factor, self.factor))
        self.weight = self.weight * (small < 0.01)


def clip_line(point: NDArray[np.floating], along: NDArray[np.floating], box: Sequence[float]) -> NDArray[np.floating] | None:
    """The piece of a line inside a box, (2, 2) xy, or None when it passes by."""
    low, high = np.array(box[:2]), np.array(box[:2]) + box[2:]
    begin, end = -np.inf, np.inf
    for axis in range(2):
        if abs(along[axis]) < 1e-9:
            if not low[axis] <= point[axis] <= high[axis]:
                return None
            continue
        one, other = sorted(((low[axis] - point[axis]) / along[axis], (high[axis] - point[axis]) / along[axis]))
        begin, end = max(begin, one), min(end, other)
    return None if end - begin < 2 else np.stack([point + begin * along, point + end * along])


def _extended(values: NDArray[np.floating], seen: NDArray[np.bool_], pad: int) -> NDArray[np.floating]:
    """Each row's first and last seen value carried on over its unseen ends and over `pad` more on both sides."""
    first, last = seen.argmax(axis=1), seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    columns = np.clip(np.arange(-pad, values.shape[1] + pad), first[:, None], last[:, None])
    return np.take_along_axis(values, columns, axis=1)
