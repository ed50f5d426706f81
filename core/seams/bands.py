"""Fitting a joint's cross-section: what a seam looks like across, and where near a given line that is found best.

A joint is modelled across its line as one of three kinds, each a few shapes of free height on a parabola of light:
a bare dark line, a recess (a line, two edges, one flank lit and one in shade), or a covered band (a plateau with two
edges: tape or compound). The model is linear in the heights, so the share of a profile that it explains is a
projection (a matched subspace detector, Scharf & Friedlander 1994).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import trim_mean

Profile = NDArray[np.floating]
BARE, RECESS, COVERED = "bare", "recess", "covered"
# Widths in pixels of a 640-px photo. A bare line does not show how wide its tape will be: near 14.
_BARE_PX = (14.0, 12.0, 13.0, 15.0, 16.0)
_NARROWEST_PX, _WIDEST_PX = 18.0, 95.0


@dataclass(frozen=True)
class Model:
    """One kind at one width. basis: (shapes, window) orthonormal, orthogonal to the parabola."""

    kind: str
    width_px: float
    basis: NDArray[np.floating]


@dataclass(frozen=True)
class Fit:
    """ends_xy: (2, 2). explained_px: grey levels squared times pixels across, summed over the profile."""

    ends_xy: NDArray[np.floating]
    width_px: float
    kind: str
    explained: float
    residual: float


def band_models(half_window: int, scale: float = 1.0, step: float = 1.05) -> list[Model]:
    """All kinds at all widths for profiles of 2 * half_window + 1 samples a pixel apart. scale: photo side / 640."""
    u = np.arange(-half_window, half_window + 1, dtype=float)
    light = np.stack([np.ones_like(u), u, u**2])
    light = np.linalg.qr(light.T)[0].T
    line = np.exp(-0.5 * (u / max(1.1 * scale, 0.8)) ** 2)
    models = []
    for bare in np.array(_BARE_PX) * scale:
        models.append(Model(BARE, bare, _orthonormal([line, np.exp(-0.5 * (u / (bare / 4)) ** 2)], light)))
    width = _NARROWEST_PX * scale
    while width <= min(_WIDEST_PX * scale, 2 * half_window - 4):
        half = width / 2
        inside = np.clip(half + 0.5 - np.abs(u), 0, 1)
        edges = np.exp(-0.5 * ((np.abs(u) - half) / 1.4) ** 2)
        flanks = np.sin(np.clip(u / half, -1, 1) * np.pi)
        models.append(Model(RECESS, width, _orthonormal([line, edges, flanks], light)))
        models.append(Model(COVERED, width, _orthonormal([inside, edges], light)))
        width *= step
    return models


def _orthonormal(shapes: list[Profile], light: NDArray[np.floating]) -> NDArray[np.floating]:
    stacked = np.stack(shapes)
    stacked = stacked - stacked @ light.T @ light
    return np.linalg.qr(stacked.T)[0].T


def explained(profiles: NDArray[np.floating], models: list[Model], half_window: int) -> NDArray[np.floating]:
    """(models, ..., centres): what each model explains of the window around each centre, of profiles (..., samples).

    In a recess, edges count half of its line at most and flanks as much as it: without a line they would fit any step.
    """
    windows = np.lib.stride_tricks.sliding_window_view(profiles, 2 * half_window + 1, axis=-1)
    basis = np.concatenate([model.basis for model in models])
    energy = np.einsum("...w,bw->b...", windows, basis, optimize=True) ** 2
    first = np.cumsum([0, *(len(model.basis) for model in models[:-1])])
    for model, row in zip(models, first, strict=True):
        if model.kind == RECESS:
            energy[row + 1] = np.minimum(energy[row + 1], 0.5 * energy[row])
            energy[row + 2] = np.minimum(energy[row + 2], energy[row])
    return np.add.reduceat(energy, first, axis=0)


def tilted_profiles(
    grey: NDArray[np.floating], ends_xy: NDArray[np.floating], tilts_px: NDArray[np.floating], reach_px: int
) -> NDArray[np.floating]:
    """(tilts, 2 * reach + 1): the mean of the middle half of what lies, along the line, at each pixel across it.

    A tilt moves the line's end by that many pixels across and its start by as many the other way. The middle half forgets
    screws, prints and cracks that the line passes, and unlike the median it tells a tilt by which half of a line is missed.
    """
    places = np.linspace(0, 1, int(np.clip(np.hypot(*(ends_xy[1] - ends_xy[0])) / 2, 24, 240)))
    across = np.arange(-reach_px, reach_px + 1, dtype=float)
    samples = _straightened(grey, ends_xy, places, tilts_px[:, None, None] * (2 * places - 1)[:, None] + across)
    return trim_mean(samples, 0.25, axis=1)


def normal_of(ends_xy: NDArray[np.floating]) -> NDArray[np.floating]:
    """(2,) unit vector across a line (2, 2)."""
    along = ends_xy[1] - ends_xy[0]
    return np.array((-along[1], along[0])) / np.hypot(*along)


def _straightened(
    field: NDArray[np.floating], ends_xy: NDArray[np.floating], places: Profile, across: NDArray[np.floating], order: int = 1
) -> NDArray[np.floating]:
    """The field beside a line: at places (P,) in [0, 1] along it, across (..., P or 1, A) px to its side. Returns (..., P, A)."""
    along, normal = ends_xy[1] - ends_xy[0], normal_of(ends_xy)
    x, y = (ends_xy[0, axis] + places[:, None] * along[axis] + across * normal[axis] - 0.5 for axis in range(2))
    return ndimage.map_coordinates(field, [y, x], order=order, mode="nearest")


def continuous_line(
    grey: NDArray[np.floating],
    valid: NDArray[np.bool_],
    ends_xy: NDArray[np.floating],
    tilt_px: float,
    shift_px: float,
    scale: float,
) -> tuple[NDArray[np.floating], float, float]:
    """The thin line, darker or lighter than both its sides, that is seen along most of its length; and on which share of it.

    It is looked for near a given line, whose ends may move together by shift_px and against each other by tilt_px. Each place
    along it counts once, however strong: a stamp or a shadow beside a joint is stronger than the joint, but not everywhere.
    valid: places where it is False do not count. Returns ends (2, 2), the share of its length on which the line is seen, in
    [0, 1], and the share of the given line, give or take 2 px.
    """
    places = np.linspace(0, 1, int(np.clip(np.hypot(*(ends_xy[1] - ends_xy[0])) / 2, 24, 200)))
    near, far = max(2, round(3 * scale)), max(4, round(7 * scale))
    most = int(np.ceil(shift_px + tilt_px)) + 1
    across = np.arange(-most - far, most + far + 1, dtype=float)
    samples = ndimage.uniform_filter1d(_straightened(grey, ends_xy, places, across), 3, axis=0)  # (places, across)
    sums = np.pad(samples.cumsum(axis=1), ((0, 0), (1, 0)))
    side = (sums[:, far - near + 1 :] - sums[:, : -(far - near + 1)]) / (far - near + 1)  # of the pixels from each place on
    centres = slice(far, len(across) - far)
    left, right = side[:, : len(across) - 2 * far], side[:, far + near : far + near + len(across) - 2 * far]
    middle = ndimage.convolve1d(samples, [0.25, 0.5, 0.25], axis=1)[:, centres]
    best, own = (ends_xy, 0.0), 0.0
    tilts = np.arange(-np.floor(tilt_px), tilt_px + 0.5)
    shifts = np.arange(-int(shift_px), int(shift_px) + 1)
    columns = np.rint(tilts[:, None] * (2 * places - 1)).astype(int)[:, :, None] + shifts + most  # (tilts, places, shifts)
    rows = np.arange(len(places))[None, :, None]
    counted = _straightened(valid.astype(np.float32), ends_xy, places, np.zeros(1), order=0)[:, 0] > 0.5
    if not counted.any():
        return *best, own
    for ridge in (np.minimum(left, right) - middle, middle - np.maximum(left, right)):
        clear = 2.5 * np.median(np.abs(ridge)) + 0.5
        seen = np.clip(ridge / clear, 0, 1)
        near_by = ndimage.maximum_filter1d(seen, 3, axis=1)  # joints are not drawn with a ruler
        shares = near_by[rows, columns][:, counted].mean(axis=1)  # (tilts, shifts)
        exact = seen[rows, columns][:, counted].mean(axis=1)
        own = max(own, float(shares[np.abs(tilts) <= 1][:, np.abs(shifts) <= 2].max()))
        tilt, shift = np.unravel_index(int((shares + 0.5 * exact).argmax()), shares.shape)
        if shares[tilt, shift] > best[1]:
            moved = ends_xy + normal_of(ends_xy) * (shifts[shift] + np.array((-1, 1))[:, None] * tilts[tilt])
            best = (moved, float(shares[tilt, shift]))
    return *best, own


def covered_share(grey: NDArray[np.floating], ends_xy: NDArray[np.floating], width_px: float, scale: float) -> float:
    """On which share of its length a band is brighter, or darker, than what lies on both its sides: tape is nearly all along,
    a stamp is where its letters are. In [0, 1]."""
    half, beside = width_px / 2, 8 * scale
    across = np.arange(-half - beside, half + beside + 1)
    samples = _straightened(grey, ends_xy, np.linspace(0, 1, 100), across)
    inside, outside = np.abs(across) < half - 2 * scale, np.abs(across) > half + scale
    if not inside.any():
        return 0.0
    contrast = ndimage.uniform_filter1d(samples[:, inside].mean(axis=1) - samples[:, outside].mean(axis=1), 3)
    typical = contrast.mean()
    return float((contrast * np.sign(typical) > 0.4 * abs(typical)).mean())


_RECESS_FROM_PX = 30.0  # of a 640-px photo: nearer to it the joint's own line is not told from an edge
_FAR_OVER_NOISE, _BOTH_HALVES = 4.0, 0.4  # how strong a recess's edges are, in typical swings beside them and in grey levels


def recess_width(grey: NDArray[np.floating], ends_xy: NDArray[np.floating], scale: float) -> float | None:
    """The width in px of the tapered recess around a joint's line (2, 2), or None where none is seen.

    Light from one side brightens one edge of a recess and shades the other, by a grey level or two: too little to be seen at a
    place, but the mean along the line shows it. So at half its width the profile swings one way on one side and the other way
    on the other, clearer than elsewhere and along both halves of the line; a bare edge has no such pair.
    """
    reach, middle, nearest = round(66 * scale), round(7 * scale), round(_RECESS_FROM_PX / 2 * scale)
    samples = _straightened(grey, ends_xy, np.linspace(0, 1, 240), np.arange(-reach, reach + 1.0))

    def opposite(rows: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
        """By distance from the line (reach + 1,), how far both sides swing at least, in opposite ways; and a typical swing."""
        profile = trim_mean(rows, 0.25, axis=0)
        line = slice(reach - middle, reach + middle + 1)
        profile[line] = np.linspace(profile[line][0], profile[line][-1], 2 * middle + 1)
        swing = ndimage.gaussian_filter1d(profile, 1.2 * scale) - ndimage.gaussian_filter1d(profile, 6 * scale)
        left, right = swing[reach::-1], swing[reach:]
        near_by = 2 * round(2 * scale) + 1  # the line need not run in the middle
        pairs = [np.minimum(sign * right, ndimage.maximum_filter1d(-sign * left, near_by)) for sign in (1, -1)]
        return np.maximum(*pairs), float(np.median(np.abs(np.concatenate([left[middle:], right[middle:]]))))

    strength, typical = opposite(samples)
    half = nearest + int(strength[nearest:].argmax())
    near = slice(half - round(2 * scale), half + round(2 * scale) + 1)
    halves = min(opposite(rows)[0][near].max() for rows in np.array_split(samples, 2))
    seen = strength[half] >= _FAR_OVER_NOISE * typical and halves >= _BOTH_HALVES
    return 2.0 * half if seen else None


def fit_band(
    grey: NDArray[np.floating], ends_xy: NDArray[np.floating], tilt_px: float, shift_px: float, scale: float
) -> list[Fit]:
    """The best fit of each width near a line: its ends moved across together by shift_px, against each other by tilt_px.

    Best first, one a model.
    """
    half_window = round(62 * scale)
    tilts = np.arange(-tilt_px, tilt_px + 0.25, 0.5)
    profiles = tilted_profiles(grey, ends_xy, tilts, half_window + int(np.ceil(shift_px)))
    models = band_models(half_window, scale)
    gains = explained(profiles, models, half_window)  # (models, tilts, centres)
    centres = np.arange(gains.shape[-1]) - (gains.shape[-1] - 1) / 2
    normal, fits = normal_of(ends_xy), []
    for model, gain in zip(models, gains, strict=True):
        tilt, centre = np.unravel_index(int(gain.argmax()), gain.shape)
        window = profiles[tilt, centre : centre + 2 * half_window + 1]
        u = np.linspace(-1, 1, len(window))
        rest = window - np.polyval(np.polyfit(u, window, 2), u)
        moved = ends_xy + normal * (centres[centre] + np.array((-1, 1))[:, None] * tilts[tilt])
        fits.append(Fit(moved, model.width_px, model.kind, float(gain.max()), float(rest @ rest - gain.max())))
    return sorted(fits, key=lambda fit: -fit.explained)
