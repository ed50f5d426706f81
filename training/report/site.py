"""The report of a site: photos without labels, what a model finds on each, sizes where a scale is known, what needs a person first.

What an inspector hands over: report.pdf, report.html and findings.csv from the same facts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.errors import PhotoError, RequestError
from core.files import write_atomically
from core.masks.mask import Mask
from core.photos import read_photo
from core.progress import Progress, silent
from core.sizes.band_size import BandSize, band_size
from core.sizes.picture import length_text, paint_size
from data.exchange.safe_csv import csv_bytes
from training.report.document import Block, Bullets, Document, Gallery, Paragraph, Picture, Section, Subheading, Table, Tiles
from training.report.html import render_html
from training.report.pdf import render_pdf
from training.report.pictures import jpeg
from training.report.verdict import count
from training.runs.opened import OpenedRun
from training.scoring.figures import FALSE_POSITIVE, TRUE_POSITIVE, paint

if TYPE_CHECKING:
    from core.models.predictor import Prediction

JOINTS = "taping"
SURE = 0.8
"""Mean probability inside a mask below which a person should look."""
_HINT = 0.3
MOST_PHOTOS = 2000
_COLOURS = (FALSE_POSITIVE, TRUE_POSITIVE)


@dataclass(frozen=True)
class ClassFound:
    """What was found of one class on one photo. size: None where nothing was. confidence: mean probability inside the mask, of an
    empty one that of the likeliest pixel being wall. hinted: share of the photo that is likelier than 0.3 but below the threshold."""

    size: BandSize | None
    area: float
    confidence: float
    hinted: float

    @property
    def doubtful(self) -> str:
        """Why a person should look, empty where that is not so."""
        if self.size is not None and self.confidence < SURE:
            return f"{self.confidence:.0%} sure of what it marks"
        if self.hinted > max(self.area, 0.002):
            return "sees more than it marks"
        return ""


@dataclass(frozen=True)
class PhotoFound:
    """px_per_mm: None without a scale. found: by class. pictures: the photo, and one a class. trouble: why it could not be read."""

    name: str
    px_per_mm: float | None
    found: dict[str, ClassFound]
    pictures: tuple[Picture, ...]
    trouble: str = ""

    @property
    def doubts(self) -> list[str]:
        return [f"{name}: {one.doubtful}" for name, one in self.found.items() if one.doubtful]

    @property
    def order(self) -> tuple[float, ...]:
        """Unreadable first, then what the model is unsure of, then the widest crack, the longest, then what is clean."""
        cracks = [one.size for name, one in self.found.items() if name != JOINTS and one.size is not None]
        scale = self.px_per_mm or 1.0
        widest = max((size.width_max_px / scale for size in cracks), default=0.0)
        longest = max((size.length_px / scale for size in cracks), default=0.0)
        return (-bool(self.trouble), -bool(self.doubts), -widest, -longest)


def write_site_report(
    run: OpenedRun,
    photos: Sequence[tuple[str, Path | bytes]],
    out: Path,
    *,
    title: str = "Site report",
    px_per_mm: float | None = None,
    scales: Mapping[str, float] | None = None,
    on_progress: Progress = silent,
) -> list[Path]:
    """Write report.pdf, report.html and findings.csv into `out`; returns their paths.

    photos: (name, file or its bytes). px_per_mm: of all photos; scales: of single ones, by name. Raises RequestError where there is
    no photo, too many, or a scale that is not positive.
    """
    scales = dict(scales or {})
    bad = [scale for scale in (px_per_mm, *scales.values()) if scale is not None and not (np.isfinite(scale) and scale > 0)]
    if bad:
        raise RequestError(f"a scale must be a positive number of pixels per mm, got {bad[0]}")
    if not photos or len(photos) > MOST_PHOTOS:
        raise RequestError(f"a site report takes 1 to {MOST_PHOTOS} photos, got {len(photos)}")
    found = []
    for done, (name, source) in enumerate(photos):
        on_progress("look at photos", done, len(photos))
        found.append(look(run, name, source, scales.get(name, px_per_mm)))
    found.sort(key=lambda one: one.order)
    document = build(run, found, title, datetime.now(UTC).replace(microsecond=0))
    paths = [out / "report.pdf", out / "report.html", out / "findings.csv"]
    for path, content in zip(paths, (render_pdf(document), render_html(document), csv_bytes(table_of(found))), strict=True):
        write_atomically(path, content)
    return paths


def look(run: OpenedRun, name: str, source: Path | bytes, px_per_mm: float | None) -> PhotoFound:
    """One photo, asked for every class of the run by its first prompt."""
    try:
        photo = read_photo(source, name)
    except PhotoError as error:
        return PhotoFound(name, px_per_mm, {}, (), str(error))
    prompts = {class_name: synonyms[0] for class_name, synonyms in run.config.synonyms.items()}
    found, pictures = {}, [Picture(jpeg(photo), "jpg", f"photo {name}")]
    for number, (class_name, prediction) in enumerate(
        zip(prompts, run.predictor().predict(photo, list(prompts.values())), strict=True)
    ):
        threshold = run.thresholds[class_name]
        mask = prediction.mask(threshold)
        found[class_name] = _class_found(prediction, mask, threshold)
        painted = paint(photo, mask, _COLOURS[number % len(_COLOURS)])
        size = found[class_name].size
        shown = paint_size(painted, size, px_per_mm) if size is not None and class_name != JOINTS else painted
        pictures.append(Picture(jpeg(shown), "jpg", f"{class_name} on {name}"))
    return PhotoFound(name, px_per_mm, found, tuple(pictures))


def _class_found(prediction: "Prediction", mask: Mask, threshold: float) -> ClassFound:
    probs = prediction.probs
    hinted = float(((probs >= _HINT) & (probs < threshold)).mean())
    if not mask.any():
        return ClassFound(None, 0.0, 1 - float(probs.max()), hinted)
    return ClassFound(band_size(mask), float(mask.mean()), float(probs[mask].mean()), hinted)


def table_of(found: Sequence[PhotoFound]) -> pd.DataFrame:
    """One row a photo and class: photo, class, found, length and widths in px and, with a scale, mm and m, area_percent, confidence,
    look (why a person should)."""
    rows = []
    for photo in found:
        for class_name, one in photo.found.items() or [("", ClassFound(None, 0.0, 0.0, 0.0))]:
            size, scale = one.size, photo.px_per_mm
            rows.append(
                {
                    "photo": photo.name,
                    "class": class_name,
                    "found": size is not None,
                    "length_px": size and size.length_px,
                    "width_mean_px": size and size.width_mean_px,
                    "width_max_px": size and size.width_max_px,
                    "px_per_mm": scale,
                    "length_m": size and scale and size.length_px / scale / 1000,
                    "width_mean_mm": size and scale and size.width_mean_px / scale,
                    "width_max_mm": size and scale and size.width_max_px / scale,
                    "area_percent": 100 * one.area,
                    "confidence": one.confidence,
                    "look": photo.trouble or one.doubtful,
                }
            )
    return pd.DataFrame(rows)


def build(run: OpenedRun, found: Sequence[PhotoFound], title: str, made_at: datetime) -> Document:
    classes = list(run.config.synonyms)
    read = [photo for photo in found if not photo.trouble]
    to_look = [photo for photo in found if photo.trouble or photo.doubts]
    facts = (
        ("Photos", f"{len(found)}, {sum(photo.px_per_mm is not None for photo in read)} with a scale"),
        ("Model", f"{run.record.name}, run {run.id}"),
        ("Date", f"{made_at.day} {made_at:%B %Y}"),
        ("Looked for", ", ".join(classes)),
    )
    sections = (
        Section("Summary", tuple(_summary(found, classes, to_look))),
        Section("What needs a person", tuple(_needs(to_look))),
        Section("Every photo", tuple(_photos(found, classes))),
        Section("How to read this", (Bullets(_READING),)),
    )
    return Document(title, f"{count(len(found), 'photo')} of {', '.join(classes)}", made_at, facts, sections)


_READING = (
    "Masks were made by a model; nobody has checked them. No finding is no proof of a sound wall.",
    "Lengths run along the middle line from end to end; a width is that of the widest circle that fits, its place is circled.",
    "Sizes are in mm and m where the photo has a scale, else in pixels, which say nothing of the wall. A scale holds in the plane it "
    "was taken in: a photo taken at an angle gives other sizes at its far side.",
    f"A photo needs a person where the model is less than {SURE:.0%} sure of what it marks, sees more than it marks, or where the "
    "photo could not be read.",
)


def _summary(found: Sequence[PhotoFound], classes: Sequence[str], to_look: Sequence[PhotoFound]) -> list[Block]:
    tiles = [(f"{len(to_look)} of {len(found)}", "need a person", "see section 2")]
    rows = []
    for class_name in classes:
        sizes = [(p, one.size) for p in found if (one := p.found.get(class_name)) and one.size is not None]
        scaled = [(p, size) for p, size in sizes if p.px_per_mm]
        tiles.append((f"{len(sizes)} of {len(found)}", f"with {class_name}", ""))
        total_m = sum(size.length_px / (p.px_per_mm or 1) for p, size in scaled) / 1000
        widest = max(scaled or sizes, key=lambda one: one[1].width_max_px / (one[0].px_per_mm or 1), default=None)
        rows.append(
            (
                class_name,
                str(len(sizes)),
                f"{total_m:.2f} m" if scaled else "–",
                length_text(widest[1].width_max_px, widest[0].px_per_mm) if widest else "–",
                widest[0].name if widest else "–",
            )
        )
    header = ("", "photos", "length, of scaled photos", "widest place", "on photo")
    return [Tiles(tuple((value, name, note) for value, name, note in tiles)), Table("What was found.", header, tuple(rows), (4,))]


def _needs(to_look: Sequence[PhotoFound]) -> list[Block]:
    if not to_look:
        return [Paragraph("The model was sure of every photo.")]
    rows = tuple((photo.name, photo.trouble or "; ".join(photo.doubts)) for photo in to_look)
    return [Table("Photos to look at, the gravest first.", ("photo", "why"), rows, (1,))]


def _photos(found: Sequence[PhotoFound], classes: Sequence[str]) -> list[Block]:
    readable = [photo for photo in found if not photo.trouble]
    rows = tuple((f"{photo.name}. {_sentence(photo)}", photo.pictures) for photo in readable)
    blocks: list[Block] = [Gallery(("photo", *classes), rows, 46)] if rows else []
    if trouble := [photo for photo in found if photo.trouble]:
        blocks += [Subheading("Not readable"), Bullets(tuple(photo.trouble for photo in trouble))]
    return blocks


def _sentence(photo: PhotoFound) -> str:
    parts = []
    for class_name, one in photo.found.items():
        if one.size is None:
            parts.append(f"No {class_name}")
        else:
            length = length_text(one.size.length_px, photo.px_per_mm, in_m=class_name == JOINTS)
            width = length_text(one.size.width_max_px, photo.px_per_mm)
            parts.append(f"{class_name}: {length} long, up to {width} wide, {one.confidence:.0%} sure")
    return "; ".join(parts) + (f". To look at: {'; '.join(photo.doubts)}." if photo.doubts else ".")


def read_scales(path: Path) -> dict[str, float]:
    """A CSV file with columns photo and px_per_mm. Raises RequestError for another."""
    try:
        table = pd.read_csv(path)
        return dict(zip(table["photo"].astype(str), table["px_per_mm"].astype(float), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"{path} must be a CSV file with columns photo and px_per_mm ({error})") from error
