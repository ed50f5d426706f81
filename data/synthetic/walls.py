"""Demo photos: board walls with taped joints and cracks, and the exact pixel truth of both. Seeded and deterministic.

A scene is painted in layers, as a wall is made: board or render with its texture, joints with tapered edges or
compound, screws, stamps, dirt, cracks, then light, lens and sensor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

from core.masks.mask import Mask, draw_band
from core.photos import Photo

Contents = Literal["cracks", "taping", "both", "none"]
Field = NDArray[np.float32]
Points = NDArray[np.float64]

# Surface colours (RGB) and the strength of their grain
_SURFACES: tuple[tuple[tuple[int, int, int], float], ...] = (
    ((196, 192, 184), 2.5),  # grey board paper
    ((150, 146, 142), 3.0),  # grey board in shade
    ((96, 168, 140), 2.5),  # green moisture board
    ((48, 122, 100), 2.5),  # green board in shade
    ((110, 170, 205), 2.5),  # blue board
    ((232, 230, 224), 1.5),  # white paint
    ((222, 208, 184), 1.8),  # beige paint
    ((176, 190, 200), 1.8),  # cool grey paint
    ((140, 138, 134), 9.0),  # bare concrete
    ((112, 112, 116), 15.0),  # coarse render or asphalt
    ((128, 124, 130), 20.0),  # coarser still
)
_BOARDS = 5  # the first of them are paper-faced boards: stamps and screw rows belong there
_COMPOUND = np.array((228, 228, 226), np.float32)


@dataclass(frozen=True)
class Scene:
    """photo: (H, W, 3) uint8. masks: disjoint, (H, W) bool, by class. joints: centre lines (2, 2) xy and band width in px.
    styles: how each joint is made: "bare", "tapered", "tape" or "compound"."""

    photo: Photo
    masks: dict[str, Mask]
    joints: list[tuple[Points, float]]
    styles: list[str]


def make_scene(seed: int, size_hw: tuple[int, int] = (640, 640), contents: Contents | None = None) -> Scene:
    """Paint one wall. `contents=None` draws what it shows at random. Sides of 64 px or more; ValueError below."""
    if min(size_hw) < 64:
        raise ValueError(f"a scene needs sides of at least 64 px, got {size_hw}")
    random = np.random.default_rng((20_261, seed))
    contents = contents or random.choice(np.array(["cracks", "taping", "both", "none"]), p=[0.35, 0.3, 0.3, 0.05])
    surface = int(random.integers(len(_SURFACES)))
    if contents == "taping":
        surface = int(random.integers(len(_SURFACES) - 2))
    wall = _surface(random, size_hw, surface)
    taping = np.zeros(size_hw, bool)
    joints: list[tuple[Points, float]] = []
    styles: list[str] = []
    if contents in ("taping", "both"):
        taping, joints, styles = _add_joints(random, wall, surface)
    for distract in _chosen(random, surface):
        distract(random, wall)
    if random.random() < 0.15:
        taping &= ~_frame_edge(random, wall)
    cracks = np.zeros(size_hw, bool)
    if contents in ("cracks", "both"):
        cracks = _add_cracks(random, wall, joints)
    photo = _expose(random, wall, {"cracks": cracks, "taping": taping})
    return Scene(photo, {"cracks": cracks, "taping": taping & ~cracks}, joints, styles)


# -- the surface -------------------------------------------------------------------------------------------------------


def _noise(random: np.random.Generator, size_hw: tuple[int, int], cell_px: float) -> Field:
    """Smooth noise of unit scale: white noise on a coarse grid, brought up to the picture's size."""
    height, width = size_hw
    grid = (max(2, round(height / cell_px)), max(2, round(width / cell_px)))
    coarse = Image.fromarray(random.standard_normal(grid, dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _surface(random: np.random.Generator, size_hw: tuple[int, int], surface: int) -> Field:
    """(H, W, 3) float32 on a scale of 0 to 255."""
    paint, grain = _SURFACES[surface]
    colour = np.array(paint, np.float32) * random.uniform(0.85, 1.08) + random.normal(0, 4, 3)
    texture = grain * (0.6 * _noise(random, size_hw, 1) + 0.5 * _noise(random, size_hw, random.uniform(2, 4)))
    if grain > 8:  # aggregate: dark pores and light stones
        stones = _noise(random, size_hw, random.uniform(3, 7))
        texture += grain * (1.1 * np.maximum(stones - 0.8, 0) - 0.9 * np.maximum(-stones - 0.8, 0))
    texture += random.uniform(0.5, 3) * _noise(random, size_hw, random.uniform(20, 60))
    if grain < 3 and random.random() < 0.4:  # roller marks
        texture += random.uniform(0.5, 2) * _noise(random, (size_hw[0], 4), 3)[:, :1]
    return (colour + texture[..., None]).astype(np.float32)


# -- joints ------------------------------------------------------------------------------------------------------------


def _distance_along(points: Points, size_hw: tuple[int, int]) -> tuple[Field, Field]:
    """Signed distance from the line and place along it, in pixels, for every pixel centre."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]].astype(np.float32) + 0.5
    direction = (points[1] - points[0]) / np.linalg.norm(points[1] - points[0])
    dx, dy = x - points[0, 0], y - points[0, 1]
    return (dx * -direction[1] + dy * direction[0]).astype(np.float32), (dx * direction[0] + dy * direction[1]).astype(np.float32)


def _add_joints(random: np.random.Generator, wall: Field, surface: int) -> tuple[Mask, list[tuple[Points, float]], list[str]]:
    height, width = size_hw = wall.shape[:2]
    scale = min(size_hw) / 640
    taping, joints, styles = np.zeros(size_hw, bool), [], []
    angle = random.choice([0.0, np.pi / 2]) + random.normal(0, 0.08)
    if random.random() < 0.4:
        angle = random.uniform(0, np.pi)
    for number in range(int(random.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
        turned = angle + (np.pi / 2 if number == 1 else 0) + random.normal(0, 0.02)
        centre = np.array((random.uniform(0.15, 0.85) * width, random.uniform(0.15, 0.85) * height))
        reach = np.array((np.cos(turned), np.sin(turned))) * 1.5 * max(size_hw)
        points = np.stack([centre - reach, centre + reach])
        if random.random() < 0.15:  # a joint that ends inside the picture
            points[1] = centre + reach * 0.1
        across, along = _distance_along(points, size_hw)
        style = random.choice(["bare", "tapered", "tape", "compound"], p=[0.25, 0.25, 0.2, 0.3])
        low, high = {"bare": (12, 16), "tapered": (24, 56), "tape": (22, 44), "compound": (34, 90)}[style]
        band_px = random.uniform(low, high) * scale
        band = draw_band(points, band_px, size_hw)
        band = _paint_joint(random, wall, style, band, across, along, band_px, scale)
        if style != "compound" and surface < _BOARDS and random.random() < 0.7:
            _screws_beside(random, wall, points, scale)
        taping |= band
        joints.append((points, band_px))
        styles.append(str(style))
    return taping, joints, styles


def _paint_joint(
    random: np.random.Generator, wall: Field, style: str, band: Mask, across: Field, along: Field, band_px: float, scale: float
) -> Mask:
    """Paint one joint inside its band; returns the pixels it really covers, which are its truth."""
    size_hw, half = band.shape, band_px / 2
    rim = ndimage.binary_dilation(band, iterations=2)  # edges may spill over the band's sides, not beyond its end
    inside = np.clip(1 - np.abs(across) / half, 0, 1) * band
    line = np.exp(-0.5 * (across / max(0.7, random.uniform(0.5, 1.6) * scale)) ** 2) * band
    if style in ("bare", "tapered"):
        wall -= (line * random.uniform(25, 95))[..., None]
        if style == "tapered":  # the shallow recess: one side in shade, the other lit
            wall += (np.sin(np.clip(across / half, -1, 1) * np.pi) * random.uniform(4, 12) * band)[..., None]
            edges = np.exp(-0.5 * ((np.abs(across) - half) / 1.5) ** 2) * rim
            wall -= (edges * random.uniform(5, 14))[..., None]
        else:
            wall -= (np.exp(-0.5 * (across / (half / 2)) ** 2) * band * random.uniform(3, 12))[..., None]
    elif style == "tape":  # paper or mesh tape, edges showing
        tone = random.uniform(-14, 22)
        wall += band[..., None] * tone
        if random.random() < 0.4:
            mesh = (np.sin(across * 2 / scale) + np.sin(along * 2 / scale)) * random.uniform(2, 8)
            wall += (mesh * band)[..., None]
        edges = np.exp(-0.5 * ((np.abs(across) - half) / 1.0) ** 2) * rim
        wall -= (edges * random.uniform(6, 26))[..., None]
    else:  # compound, feathered and ragged, knife streaks along it
        ragged = half * (0.86 + 0.10 * _noise(random, size_hw, 40 * scale) + 0.05 * _noise(random, size_hw, 10 * scale))
        cover = np.clip((ragged - np.abs(across)) / (0.12 * half + 1), 0, 1) * band * random.uniform(0.45, 0.95)
        streaks = ndimage.map_coordinates(
            random.standard_normal(256).astype(np.float32), [((across + half) / band_px * 200) % 255], order=1, mode="wrap"
        )
        compound = _COMPOUND * random.uniform(0.8, 1.05) + (2.5 * streaks + 2 * _noise(random, size_hw, 30))[..., None]
        wall += cover[..., None] * (compound - wall)
        wall -= (inside * random.uniform(0, 6))[..., None]
        return band & (np.abs(across) <= ragged)
    return band


def _screws_beside(random: np.random.Generator, wall: Field, points: Points, scale: float) -> None:
    direction = (points[1] - points[0]) / np.linalg.norm(points[1] - points[0])
    normal = np.array((-direction[1], direction[0]))
    centre = points.mean(axis=0)
    for side in (-1, 1):
        offset = random.uniform(8, 16) * scale * side
        step = random.uniform(60, 130) * scale
        for place in np.arange(-8, 9) * step + random.uniform(0, step):
            _screw(random, wall, centre + direction * place + normal * offset, scale)


# -- what else is on a wall --------------------------------------------------------------------------------------------


def _blend(wall: Field, alpha: Image.Image, colour: Points | Field, strength: float) -> None:
    cover = np.asarray(alpha, np.float32)[..., None] / 255 * strength
    wall += cover * (np.asarray(colour, np.float32) - wall)


def _layer(wall: Field) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    layer = Image.new("L", (wall.shape[1], wall.shape[0]))
    return layer, ImageDraw.Draw(layer)


def _screw(random: np.random.Generator, wall: Field, centre: Points, scale: float) -> None:
    radius = random.uniform(2.2, 4) * scale
    layer, draw = _layer(wall)
    draw.ellipse([*(centre - radius), *(centre + radius)], fill=255)
    x, y = (int(value) for value in centre)
    reach = int(3 * radius) + 2
    box = (max(x - reach, 0), max(y - reach, 0), min(x + reach, wall.shape[1]), min(y + reach, wall.shape[0]))
    if box[2] > box[0] and box[3] > box[1]:
        part = layer.crop(box).filter(ImageFilter.GaussianBlur(0.6))
        _blend(wall[box[1] : box[3], box[0] : box[2]], part, random.uniform(20, 80, 1).repeat(3), 0.9)


def _scattered_screws(random: np.random.Generator, wall: Field) -> None:
    height, width = wall.shape[:2]
    for _ in range(random.integers(2, 12)):
        _screw(random, wall, np.array((random.uniform(0, width), random.uniform(0, height))), min(height, width) / 640)


def _stamp(random: np.random.Generator, wall: Field) -> None:
    """The maker's print, running along the board."""
    height, width = wall.shape[:2]
    text = str(random.choice(['1/2" High Strength LITE', "GYPSUM BOARD 12.5", "06/10/23 04:21", "TYPE X  FIRE RESISTANT"]))
    font = ImageFont.load_default(size=random.uniform(0.02, 0.06) * min(height, width))
    box = font.getbbox(text)
    text_layer = Image.new("L", (int(box[2]) + 8, int(box[3]) + 8))
    ImageDraw.Draw(text_layer).text((4, 4), text, fill=255, font=font)
    turned = text_layer.rotate(float(random.choice([0, 90, 270])) + random.normal(0, 4), expand=True)
    layer, _ = _layer(wall)
    layer.paste(turned, (int(random.uniform(-0.1, 0.8) * width), int(random.uniform(-0.1, 0.8) * height)))
    _blend(wall, layer, np.array((60, 70, 75)) + random.normal(0, 15, 3), random.uniform(0.3, 0.8))


def _straight_mark(random: np.random.Generator, wall: Field) -> None:
    """A pencil line, a scratch, or the sharp edge of a cable: thin and straight, but no crack and no joint."""
    height, width = wall.shape[:2]
    layer, draw = _layer(wall)
    start = np.array((random.uniform(0, width), random.uniform(0, height)))
    turn = random.uniform(0, 2 * np.pi)
    end = start + random.uniform(0.1, 0.6) * width * np.array((np.cos(turn), np.sin(turn)))
    draw.line([*start, *end], fill=255, width=int(random.choice([1, 1, 2])))
    tone = random.choice([70.0, 110.0, 245.0])
    _blend(wall, layer.filter(ImageFilter.GaussianBlur(0.5)), np.full(3, tone), random.uniform(0.2, 0.5))


def _dirt(random: np.random.Generator, wall: Field) -> None:
    height, width = wall.shape[:2]
    for _ in range(random.integers(2, 9)):
        layer, draw = _layer(wall)
        x, y, radius = (random.uniform(0, width), random.uniform(0, height), random.uniform(2, 26) * min(height, width) / 640)
        draw.ellipse([x - radius, y - radius * random.uniform(0.4, 1), x + radius, y + radius * 0.6], fill=255)
        _blend(wall, layer.filter(ImageFilter.GaussianBlur(radius / 3)), random.uniform(60, 150, 3), random.uniform(0.1, 0.4))


def _compound_patch(random: np.random.Generator, wall: Field) -> None:
    """Plaster over a screw or a repair: the colour of a taped joint, but no band."""
    height, width = wall.shape[:2]
    x, y = random.uniform(0, width), random.uniform(0, height)
    radius = random.uniform(12, 70) * min(height, width) / 640
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot((columns - x) * random.uniform(0.6, 1.4), rows - y)
    cover = np.clip((radius * (1 + 0.15 * _noise(random, (height, width), 25)) - distance) / (0.2 * radius), 0, 1)
    wall += (cover * random.uniform(0.4, 0.9))[..., None] * (_COMPOUND * random.uniform(0.85, 1.05) - wall)


def _frame_edge(random: np.random.Generator, wall: Field) -> Mask:
    """A stud, a ruler or a floor at the picture's edge. Returns the pixels it hides."""
    height, width = wall.shape[:2]
    depth = random.uniform(0.03, 0.15)
    rows, columns = np.mgrid[:height, :width]
    place = (rows / height, 1 - rows / height, columns / width, 1 - columns / width)[random.integers(4)]
    part = place < depth
    colour = np.array([(170, 130, 85), (90, 88, 86), (205, 205, 200), (60, 60, 66)][random.integers(4)], np.float32)
    wall[part] = colour + 0.3 * (wall[part] - wall[part].mean(axis=0))
    return part


def _chosen(random: np.random.Generator, surface: int) -> list[Callable[[np.random.Generator, Field], None]]:
    board = surface < _BOARDS
    likelihoods: list[tuple[Callable[[np.random.Generator, Field], None], float]] = [
        (_scattered_screws, 0.4 if board else 0.1),
        (_stamp, 0.35 if board else 0.05),
        (_straight_mark, 0.3),
        (_straight_mark, 0.2),
        (_dirt, 0.5),
        (_compound_patch, 0.3),
    ]
    return [distract for distract, likelihood in likelihoods if random.random() < likelihood]


# -- cracks ------------------------------------------------------------------------------------------------------------


def _crack_walk(random: np.random.Generator, start: Points, heading: float, length_px: float, scale: float) -> Points:
    """A random walk that keeps its direction and turns in jags. Returns (N, 2) xy."""
    points, travelled = [start], 0.0
    wander = random.uniform(0.04, 0.16)
    bearing = heading
    while travelled < length_px:
        step = random.uniform(3, 11) * scale
        bearing += random.normal(0, wander) + 0.05 * (heading - bearing)
        jag = bearing + random.normal(0, 0.35)
        points.append(points[-1] + step * np.array((np.cos(jag), np.sin(jag))))
        travelled += step
    return np.array(points)


def _add_cracks(random: np.random.Generator, wall: Field, joints: list[tuple[Points, float]]) -> Mask:
    """Each crack is drawn four times oversampled; a pixel is truth when at least half of it is dark."""
    height, width = size_hw = wall.shape[:2]
    scale = min(size_hw) / 640
    oversampling = 4
    canvas = Image.new("L", (width * oversampling, height * oversampling))
    draw = ImageDraw.Draw(canvas)
    pending: list[tuple[Points, float, float, float, int]] = []
    for _ in range(int(random.choice([1, 2, 3], p=[0.6, 0.28, 0.12]))):
        start = np.array((random.uniform(0, width), random.uniform(0, height)))
        heading = random.uniform(0, 2 * np.pi)
        if joints and random.random() < 0.3:  # along a joint, where boards move
            line = joints[0][0]
            heading = float(np.arctan2(*(line[1] - line[0])[::-1])) + random.normal(0, 0.1)
        elif random.random() < 0.6:  # in from an edge
            start = np.array((0.0, start[1])) if random.random() < 0.5 else np.array((start[0], 0.0))
            heading = float(np.arctan2(height / 2 - start[1], width / 2 - start[0])) + random.normal(0, 0.4)
        pending.append((start, heading, random.uniform(0.4, 1.3) * max(size_hw), random.uniform(1.2, 8.0), 0))
    while pending:
        start, heading, length, width_px, generation = pending.pop()
        path = _crack_walk(random, start, heading, length, scale)
        taper = np.clip(np.linspace(1.0, random.uniform(0.2, 0.9), len(path)), 0, 1)
        knots = np.arange(0, len(path) + 5, 5)
        wobble = 1 + 0.25 * np.interp(np.arange(len(path)), knots, random.standard_normal(len(knots)))
        widths = np.clip(width_px * taper * np.clip(wobble, 0.5, 1.4), 1.0, 8.0)
        for here, there, thick in zip(path[:-1], path[1:], widths[:-1], strict=True):
            _stroke(draw, here * oversampling, there * oversampling, thick * oversampling)
        if generation < 2:
            for _ in range(random.poisson(1.2 if generation == 0 else 0.4)):
                at = int(random.integers(len(path)))
                branch = heading + random.choice([-1, 1]) * random.uniform(0.35, 1.2)
                pending.append(
                    (path[at], branch, length * random.uniform(0.15, 0.5), widths[at] * random.uniform(0.4, 0.8), generation + 1)
                )
    alpha = np.asarray(canvas.resize((width, height), Image.Resampling.BOX), np.float32) / 255
    broken = np.clip(1.1 + 0.25 * _noise(random, size_hw, 18 * scale), 0.35, 1)  # some stretches are fainter
    depth = random.uniform(0.3, 0.85)
    if random.random() < 0.3:  # a lit lip beside the dark
        lip = ndimage.shift(alpha, (1.5, 1.5), order=1) * (1 - alpha)
        wall += (lip * random.uniform(8, 25))[..., None]
    core = np.array((38, 36, 36)) + random.normal(0, 8, 3)
    wall += (alpha * broken * depth)[..., None] * (core.astype(np.float32) - wall)
    return alpha >= 0.5


def _stroke(draw: ImageDraw.ImageDraw, start: Points, end: Points, thick: float) -> None:
    draw.line([*start, *end], fill=255, width=max(1, round(thick)))
    radius = thick / 2
    draw.ellipse([*(end - radius), *(end + radius)], fill=255)


# -- light, lens, sensor -----------------------------------------------------------------------------------------------


def _expose(random: np.random.Generator, wall: Field, masks: dict[str, Mask]) -> Photo:
    height, width = size_hw = wall.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    turn = random.uniform(0, 2 * np.pi)
    light = 1 + random.uniform(0, 0.35) * (x * np.cos(turn) + y * np.sin(turn)) - random.uniform(0, 0.2) * (x**2 + y**2)
    if random.random() < 0.3:  # the edge of a shadow, soft
        turn, place = random.uniform(0, 2 * np.pi), random.uniform(-0.6, 0.6)
        edge = (x * np.cos(turn) + y * np.sin(turn) - place) / random.uniform(0.02, 0.3)
        light *= 1 - random.uniform(0.15, 0.45) / (1 + np.exp(-np.clip(edge, -30, 30)))
    picture = wall * np.clip(light, 0.25, 1.5)[..., None] * random.uniform(0.75, 1.1)
    if random.random() < 0.35:
        picture = ndimage.gaussian_filter(picture, (random.uniform(0.3, 0.9),) * 2 + (0,))
    picture += random.uniform(0.5, 4) * random.standard_normal((*size_hw, 1), dtype=np.float32)
    if random.random() < 0.12:  # black corners, as a rotating augmentation leaves them
        turn = random.uniform(0, 2 * np.pi)
        outside = x * np.cos(turn) + y * np.sin(turn) > random.uniform(0.95, 1.2)
        picture[outside] = 0
        for mask in masks.values():
            mask &= ~outside
    return np.clip(picture, 0, 255).astype(np.uint8)
