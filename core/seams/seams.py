"""Seams: the true line of a taped joint inside the box that labels it, found in the photo, with a width and a confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.special import expit

from core.masks.mask import Mask, draw_band
from core.photos import Photo
from core.seams.bands import BARE, COVERED, Fit, continuous_line, covered_share, fit_band, normal_of, recess_width
from core.seams.search import BoxSearch, Line, clip_line

SEARCH_VERSION = 3
"""Raise it when `propose_seams` finds other seams than before: what workspaces keep of them is then looked for anew."""
LEAST_CONFIDENCE = 0.2
"""Below it nothing was seen in the box, and no seam is proposed."""
_SIDE_PX = 1280
"""Larger photos are shrunk to this side before a joint is looked for: it is wide enough to be found there, and sooner."""
Points = NDArray[np.floating]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Seam:
    """points_xy: (N, 2) float, pixels, (0.5, 0.5) is the first pixel's centre. confidence: in [0, 1]; from 0.5 on the
    band is more likely right than wrong."""

    points_xy: Points
    width_px: float
    confidence: float


def seam_mask(seams: Sequence[Seam], size_hw: tuple[int, int]) -> Mask:
    """(H, W) bool: every seam drawn as a band of one width from end to end. Nothing is set without seams."""
    mask = np.zeros(size_hw, bool)
    for seam in seams:
        mask |= draw_band(seam.points_xy, seam.width_px, size_hw)
    return mask


def snap_seam(photo: Photo, points_xy: Points, search_px: float = 12.0, boxes: Sequence[Sequence[float]] = ()) -> Seam:
    """Move a roughly drawn line onto the middle of the joint it follows, and say how wide that is there.

    points_xy: (N, 2), N >= 2; each end moves across by search_px at most, and one off the photo is cut at its border, for
    beyond it there is nothing to fit to. Of more points, each piece between two is fitted and the pieces' ends are averaged;
    the longest piece says the width. A piece shorter than 8 px stays as it is; a line of such pieces alone has the
    confidence 0 and no known width, 0.
    boxes: [x, y, width, height] of joints. Faint edges leave the width open; where a line of two points runs from end to
    end of a box, the box says how far its band reaches.
    """
    if points_xy.ndim != 2 or points_xy.shape[1] != 2 or len(points_xy) < 2:
        raise ValueError(f"a line needs at least 2 points (N, 2), got {points_xy.shape}")
    photo, factor = _shrunk(photo)
    points_xy = _cut_at_border(points_xy / factor, photo.shape[:2])
    search_px, boxes = search_px / factor, [[side / factor for side in box] for box in boxes]
    grey, scale = photo.mean(axis=-1), min(photo.shape[:2]) / 640
    box = _box_along(points_xy, boxes, search_px) if len(points_xy) == 2 else None
    total, count = np.zeros(points_xy.shape), np.zeros((len(points_xy), 1))
    longest, width_px, confidence = _SHORTEST_PX, 0.0, 0.0
    for first in range(len(points_xy) - 1):
        piece = points_xy[first : first + 2].astype(float)
        length = float(np.hypot(*(piece[1] - piece[0])))
        if length >= _SHORTEST_PX:
            fits = fit_band(grey, piece, search_px, search_px, scale)
            fit = fits[0] if box is None else _fitting(fits, box, photo.shape[:2], scale)
            piece = fit.ends_xy
            if length >= longest:
                longest, width_px = length, _width_px(grey, fit, scale) if box is None else fit.width_px
                confidence = fit.explained / (fit.explained + fit.residual + 1e-9)
        total[first : first + 2] += piece
        count[first : first + 2] += 1
    return Seam(factor * total / count, factor * width_px, confidence)


def _shrunk(photo: Photo) -> tuple[Photo, float]:
    """The photo with a longer side of _SIDE_PX at most, and how many times smaller that is."""
    factor = max(1.0, max(photo.shape[:2]) / _SIDE_PX)
    if factor == 1:
        return photo, factor
    size = (round(photo.shape[1] / factor), round(photo.shape[0] / factor))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX)), factor


def _cut_at_border(points_xy: Points, size_hw: tuple[int, int]) -> Points:
    """The line, its first and last point moved along it to the photo's border where they lie outside."""
    points, size = points_xy.astype(float), np.array(size_hw[::-1])
    for end, beside in ((0, 1), (-1, -2)):
        along = points[beside] - points[end]
        if ((points[end] < 0) | (points[end] > size)).any() and along.any():
            cut = clip_line(points[end], along / np.hypot(*along), (0, 0, *size))
            if cut is not None:
                points[end] = min(cut, key=lambda at: float(np.hypot(*(at - points[end]))))
    return points


def propose_seams(photo: Photo, boxes_xywh: Sequence[Sequence[float]]) -> list[list[Seam]]:
    """The joints inside each box, best first; none where nothing is seen, or the box is smaller than 4 px either way.

    boxes_xywh: [x, y, width, height] in pixels; they may leave the photo and are clipped to it.
    """
    photo, factor = _shrunk(photo)
    grey, valid = _without_black(photo)
    found = [_seams_in(grey, valid, [side / factor for side in box]) for box in boxes_xywh]
    return [[Seam(factor * seam.points_xy, factor * seam.width_px, seam.confidence) for seam in seams] for seams in found]


def _seams_in(grey: NDArray[np.floating], valid: NDArray[np.bool_], box_xywh: Sequence[float]) -> list[Seam]:
    """grey, valid: from `_without_black`."""
    x, y, width, height = box_xywh
    left, top = max(float(x), 0.0), max(float(y), 0.0)
    right, bottom = min(x + width, grey.shape[1]), min(y + height, grey.shape[0])
    scale = min(grey.shape) / 640
    if min(right - left, bottom - top) < 4 or max(right - left, bottom - top) < 40 * scale:
        return []
    box = (left, top, right - left, bottom - top)
    search = BoxSearch(grey, valid, box, scale)
    candidates: list[_Candidate] = []
    for _ in range(_MOST_CANDIDATES):
        if (line := search.strongest()) is None:
            break
        tilt_px = max(4.0 * scale, 2.0 * search.factor)
        fits, seen, banded = _fits_near(grey, valid, line, box, tilt_px, scale)
        if not any(_same_line(fits[0], candidate.fits[0], scale) for candidate in candidates):
            strongest = candidates[0].line.strength if candidates else line.strength
            candidates.append(_Candidate(line, fits, box, strongest, seen, banded))
        width_px = max(1.2 * fits[0].width_px, 24 * scale)
        search.forget(draw_band(fits[0].ends_xy, width_px, grey.shape))
    chosen, misfit = _best_set(candidates, box, grey.shape, scale)
    seams = [
        # logistic in both, fitted on generated photos 7000 to 7025 to whether the boxes' IoU reaches 0.7
        Seam(fit.ends_xy, _width_px(grey, fit, scale), float(expit(0.23 * candidate.value - 0.03 * misfit - 0.17)))
        for candidate, fit in chosen
    ]
    return sorted((s for s in seams if s.confidence >= LEAST_CONFIDENCE), key=lambda seam: -seam.confidence)


def _width_px(grey: NDArray[np.floating], fit: Fit, scale: float) -> float:
    """Of the fit, or of the recess around a line that has no edges of its own."""
    recess = recess_width(grey, fit.ends_xy, scale) if fit.kind == BARE else None
    return recess or fit.width_px


def _fits_near(
    grey: NDArray[np.floating], valid: NDArray[np.bool_], line: Line, box: Box, tilt_px: float, scale: float
) -> tuple[list[Fit], float, bool]:
    """The fits near a line, the share of its length on which the best is seen, and whether the edges of a band are seen too.

    A stamp, a shadow or a row of screws beside a joint explains more than the joint, but not all along; then the thin line
    that is seen all along is taken, unless what was found is a band with two edges that are.
    """
    fits = fit_band(grey, line.ends_xy, tilt_px, 26 * scale, scale)
    best = fits[0]
    ends, seen, here = continuous_line(grey, valid, best.ends_xy, max(tilt_px, 14 * scale), 26 * scale, scale)
    across = best.width_px / 2 * normal_of(best.ends_xy)
    edges = min(continuous_line(grey, valid, best.ends_xy + side * across, 1, 8, scale)[2] for side in (-1, 1))
    is_cover = best.kind == COVERED and covered_share(grey, best.ends_xy, best.width_px, scale) >= _COVERED_ALL_ALONG
    if is_cover or (best.kind != BARE and edges >= _CLEARLY_SEEN):
        return fits, max(here, edges), True
    inside = _run_on(ends, box)
    if seen < max(_CLEARLY_SEEN, here + 0.1) or inside is None:
        return fits, here, False
    return fit_band(grey, inside, scale, scale, scale), seen, False


def _run_on(ends_xy: Points, box: Box) -> Points | None:
    """The line as long as the box lets it be, (2, 2), or None when it passes by."""
    along = ends_xy[1] - ends_xy[0]
    return clip_line(ends_xy[0], along / np.hypot(*along), box)


_COVERED_ALL_ALONG = 0.85  # the same of a band of tape or compound
_EDGES_UNSEEN = 30.0  # what a band costs beside a bare line whose edges are not seen (see `_losses`)
_FULLNESS = 0.05  # how much it counts that bands fill their box: people leave room around what they label
_CLEARLY_SEEN = 0.5  # share of its length on which a thin line is seen that is taken for the joint's
_SHORTEST_PX = 8.0  # of a piece that is snapped
_MOST_SEAMS, _MOST_CANDIDATES = 3, 4
_TIGHTNESS_PX = 3.0  # of a 640-px photo: how closely a box is taken to fit its joints


def _without_black(photo: Photo) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Grey with black corners and cut-outs, which augmentation leaves, filled from beside them; and which pixels are real."""
    valid = ndimage.binary_erosion(photo.max(axis=-1) > 8, iterations=3, border_value=1)
    grey = photo.mean(axis=-1)
    if valid.all() or not valid.any():
        return grey, np.ones_like(valid)
    nearest = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return grey[tuple(nearest)], valid


def _same_line(fit: Fit, other: Fit, scale: float) -> bool:
    """Whether a fit slid over to a line that was found before."""
    away = np.abs((fit.ends_xy - other.ends_xy[0]) @ normal_of(other.ends_xy))
    return bool((away <= max(other.width_px / 2, 10 * scale)).all())


def _box_along(line: Points, boxes: Sequence[Sequence[float]], search_px: float) -> Box | None:
    """The smallest box that the line crosses from end to end, give or take search_px."""
    length = float(np.hypot(*(line[1] - line[0])))
    if length < _SHORTEST_PX:
        return None
    crossed = []
    for x, y, width, height in boxes:
        low, high = np.array((x, y)) - search_px, np.array((x + width, y + height)) + search_px
        ends = clip_line(line[0], (line[1] - line[0]) / length, (x, y, width, height))
        if ends is None or (line < low).any() or (line > high).any():
            continue
        if np.hypot(*(ends[1] - ends[0])) <= length + 4 * search_px:
            crossed.append((width * height, (float(x), float(y), float(width), float(height))))
    return min(crossed)[1] if crossed else None


def _fitting(fits: list[Fit], box: Box, size_hw: tuple[int, int], scale: float) -> Fit:
    """The fit that is clear in the photo and whose band fills the box."""
    overhangs = np.stack([_overhang(fit, box) for fit in fits])
    return fits[int((_losses(fits) + 2 * _misfit(overhangs, box, size_hw, scale)).argmin())]


def _losses(fits: list[Fit], edges: float = 2.0) -> NDArray[np.floating]:
    """What each explains less than the best, in units of what the best leaves open; a bare line needs no edges and is cheaper."""
    top = max(fit.explained for fit in fits)
    spare = np.array([0.0 if fit.kind == BARE else edges for fit in fits])
    return np.array([(top - fit.explained) / (0.015 * top + 2) for fit in fits]) + spare


class _Candidate:
    """A line with its fits: what each width loses against the best, and how far its band would leave the box.

    value: in favour of there being a joint: how cleanly its cross-section is explained, how far it stands out from other
    lines of the box, and less where the strongest line of the box is far stronger. The weights were set by hand on
    generated photos 7000 to 7025.
    """

    def __init__(self, line: Line, fits: list[Fit], box: Box, strongest: float, seen: float, banded: bool) -> None:
        self.line, self.fits = line, fits
        losses = _losses(fits, 2.0 if banded or seen < _CLEARLY_SEEN else _EDGES_UNSEEN)
        self.losses = losses - losses.min()
        self.overhangs = np.stack([_overhang(fit, box) for fit in fits])
        best = fits[0]
        self.clarity = best.explained / (best.explained + best.residual + 1e-9)
        self.value = float(
            3 * np.clip(np.log(self.clarity / (1 - self.clarity + 1e-3)), -2, 3)
            + 2 * np.clip(np.log(line.contrast / 15), -2, 2)
            + 1.5 * np.clip(np.log(line.strength / (0.03 * strongest + 1e-9)), -5, 0)
            + 10 * (seen - 0.5)
        )


def _best_set(
    candidates: list[_Candidate], box: Box, size_hw: tuple[int, int], scale: float
) -> tuple[list[tuple[_Candidate, Fit]], float]:
    """The lines, each with its width, that are clear in the photo and together fill the box; and how badly they fill it."""
    best: tuple[float, list[tuple[_Candidate, Fit]], float] = (-np.inf, [], 0.0)
    for count in range(1, _MOST_SEAMS + 1):
        for group in combinations(candidates, count):
            picks = [int(candidate.losses.argmin()) for candidate in group]
            for _ in range(2):
                for place, candidate in enumerate(group):
                    others = [g.overhangs[p] for at, (g, p) in enumerate(zip(group, picks, strict=True)) if at != place]
                    reach = np.maximum(candidate.overhangs, np.max(others, axis=0)) if others else candidate.overhangs
                    costs = candidate.losses + _FULLNESS * _misfit(reach, box, size_hw, scale)
                    picks[place] = int(costs.argmin())
            losses = sum(c.losses[p] for c, p in zip(group, picks, strict=True))
            reach = np.max([c.overhangs[p] for c, p in zip(group, picks, strict=True)], axis=0)
            misfit = _FULLNESS * float(_misfit(reach, box, size_hw, scale))
            worth = sum(c.value for c in group) - losses - misfit - 4 * (count - 1)
            if worth > best[0]:
                best = (worth, [(c, c.fits[p]) for c, p in zip(group, picks, strict=True)], misfit)
    return best[1], best[2]


def _misfit(overhang: NDArray[np.floating], box: Box, size_hw: tuple[int, int], scale: float) -> NDArray[np.floating]:
    """overhang: (..., 4). How far bands end from the box's sides, squared, in units of its tightness; bounded a side.

    At the photo's border a band may run on: there only what falls short counts.
    """
    x, y, width, height = box
    at_border = np.array((x < 2, y < 2, x + width > size_hw[1] - 2, y + height > size_hw[0] - 2))
    off = np.where(at_border, np.minimum(overhang, 0), overhang) / (_TIGHTNESS_PX * scale)
    return np.minimum(off**2, 12).sum(axis=-1)


def _overhang(fit: Fit, box: Box) -> NDArray[np.floating]:
    """How far the band, run on without end, reaches beyond the box's left, top, right and bottom, in pixels."""
    low, high = np.array(box[:2]), np.array(box[:2]) + box[2:]
    normal = normal_of(fit.ends_xy)
    beyond = np.empty((2, 2))
    for axis in range(2):
        slope = normal[axis] if abs(normal[axis]) > 1e-6 else 1e-6
        others = np.array((low[1 - axis], high[1 - axis]))
        middle = (normal @ fit.ends_xy[0] - normal[1 - axis] * others) / slope
        reach = fit.width_px / 2 / abs(slope)
        beyond[0, axis] = low[axis] - (middle.min() - reach)
        beyond[1, axis] = middle.max() + reach - high[axis]
    return beyond.ravel()
