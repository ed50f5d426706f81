"""Pictures of predictions: the overlay every page shows, and the best-and-worst figures in the published form."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.errors import RequestError
from core.files import write_atomically
from core.masks.mask import Mask, decode_rle
from core.photos import Photo, read_photo
from core.sizes.band_size import band_size
from core.sizes.picture import length_text
from training.runs.opened import OpenedRun
from training.scoring.scores import headline
from training.scoring.stored_probs import mask_at

# Okabe & Ito's colours, told apart with every kind of colour vision
TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = (0, 158, 115), (213, 94, 0), (86, 180, 233)
AGREEMENT_NAMES = {"found": TRUE_POSITIVE, "false alarm": FALSE_POSITIVE, "missed": FALSE_NEGATIVE}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
CLASS_COLOURS = {"all": "#777777", "cracks": "#D55E00", "taping": "#0072B2"}
# Viridis at nine places (van der Walt & Smith 2015): even in brightness, readable in grey
_VIRIDIS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    np.float32,
)


def paint(photo: Photo, mask: Mask, colour: tuple[int, int, int], opacity: float = 0.55) -> Photo:
    """The photo with a mask laid over it. photo: (H, W, 3) uint8; mask: (H, W) bool."""
    painted = photo.copy()
    painted[mask] = (photo[mask] * (1 - opacity) + np.array(colour) * opacity).astype(np.uint8)
    return painted


def paint_agreement(photo: Photo, truth: Mask, prediction: Mask, opacity: float = 0.65) -> Photo:
    """True positives green, false positives orange, false negatives blue."""
    painted = paint(photo, truth & prediction, TRUE_POSITIVE, opacity)
    painted = paint(painted, prediction & ~truth, FALSE_POSITIVE, opacity)
    return paint(painted, truth & ~prediction, FALSE_NEGATIVE, opacity)


def paint_heat(photo: Photo, probs: NDArray[np.floating], opacity: float = 0.6) -> Photo:
    """Probabilities (H, W) in [0, 1] in viridis over the photo."""
    place = np.clip(probs, 0, 1)[..., None] * (len(_VIRIDIS) - 1)
    low = np.minimum(place.astype(int), len(_VIRIDIS) - 2)
    colours = _VIRIDIS[low[..., 0]] * (1 - (place - low)) + _VIRIDIS[low[..., 0] + 1] * (place - low)
    return (photo * (1 - opacity) + colours * opacity).astype(np.uint8)


def write_failures(run: OpenedRun, split: str, count: int) -> list[Path]:
    """For each class one figure of the best and one of the worst samples: photo, truth, prediction with its IoU, and where
    the photo has a scale, the greatest width of both.

    Raises RequestError when the run was not evaluated on the split.
    """
    table = run.store.scores(run.id, split)
    if table.empty:
        raise RequestError(f"run {run.id} has no scores on {split}; run drywall-qa evaluate {run.id} --split {split} first")
    folder, labels, written = run.folder, run.store.labels(), []
    scales = {sample.id: sample.px_per_mm for sample in run.store.samples() if sample.px_per_mm}

    def sizes(sample_id: int, *masks: Mask) -> str:
        if sample_id not in scales:
            return ""
        widths = (length_text(s.width_max_px, scales[sample_id]) if (s := band_size(mask)) else "nothing" for mask in masks)
        return f" · widest {' / '.join(widths)}"

    for class_name, of_class in table.sort_values("iou").groupby("class_name"):
        for which, chosen in (("worst", of_class.head(count)), ("best", of_class.tail(count).iloc[::-1])):
            rows = []
            for score in chosen.itertuples():
                photo = read_photo(run.workspace.photo_path(str(score.image_path)))
                probs = run.probs(split, int(score.sample_id))
                truth = decode_rle(labels[int(score.sample_id)].rle)
                prediction = mask_at(probs, float(score.threshold))
                pictures = [photo, paint(photo, truth, TRUE_POSITIVE), paint_agreement(photo, truth, prediction)]
                rows.append((f"{score.file_name}   {headline(score)}{sizes(int(score.sample_id), truth, prediction)}", pictures))
            path = folder.evaluation(split) / "figures" / f"{class_name}_{which}.png"
            write_atomically(path, _sheet(f"{class_name}: {which} on {split}", rows))
            written.append(path)
    return written


def _sheet(title: str, rows: list[tuple[str, list[Photo]]], tile_px: int = 320) -> bytes:
    line, gap = 30, 8
    width = 3 * (tile_px + gap) + gap
    sheet = Image.new("RGB", (width, 2 * line + len(rows) * (tile_px + line + gap)), "white")
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(size=20), ImageFont.load_default(size=14)
    draw.text((gap, 4), title, fill="black", font=font)
    for column, heading in enumerate(("photo", "truth", "prediction: found, false alarm, missed")):
        draw.text((gap + column * (tile_px + gap), line + 6), heading, fill="#444444", font=small)
    for number, (caption, pictures) in enumerate(rows):
        top = 2 * line + number * (tile_px + line + gap)
        for column, picture in enumerate(pictures):
            tile = Image.fromarray(picture)
            tile.thumbnail((tile_px, tile_px))
            sheet.paste(tile, (gap + column * (tile_px + gap), top))
        draw.text((gap, top + tile_px + 4), caption, fill="black", font=small)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()
