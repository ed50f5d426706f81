"""What was measured of photos and labels (`data.quality`), and the table that findings are made from."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd
from sqlalchemy import and_, func, or_, select

from core.masks.mask import Rle, intersect_rles, rle_area
from data.store import tables as t
from data.store.database import Database
from data.store.labels import COUNTING, counting_revisions

MEASURED = ("brightness", "sharpness", "cut_outs", "area", "parts", "islands", "width_px", "dark")


@dataclass(frozen=True)
class MeasuredPhoto:
    """See `data.quality.measures.PhotoMeasures`."""

    image_hash: str
    brightness: float
    sharpness: float
    cut_outs: float


@dataclass(frozen=True)
class MeasuredLabel:
    """See `data.quality.measures.LabelMeasures`."""

    sample_id: int
    revision: int
    area: float
    parts: int
    islands: int
    width_px: float
    dark: float | None


class Quality(Database):
    def unmeasured(self) -> list[tuple[str, str, list[tuple[int, int, Rle]]]]:
        """By photo: its hash and path, and sample, revision and mask of the labels that were not measured yet."""
        sample, label, image = t.SampleRow, t.LabelRevisionRow, t.ImageRow
        photo, measured = t.PhotoQualityRow, t.LabelQualityRow
        query = counting_revisions(select(image.hash, image.path, sample.id, label.number, label.rle, measured.sample_id))
        query = query.join(image, image.hash == sample.image_hash)
        query = query.outerjoin(label, and_(label.sample_id == sample.id, label.number == COUNTING))
        query = query.outerjoin(measured, and_(measured.sample_id == sample.id, measured.revision == label.number))
        query = query.outerjoin(photo, photo.image_hash == image.hash)
        missing = or_(photo.image_hash.is_(None), and_(label.number.is_not(None), measured.sample_id.is_(None)))
        found: dict[str, tuple[str, str, list[tuple[int, int, Rle]]]] = {}
        with self._read() as session:
            for digest, path, sample_id, number, rle, known in session.execute(query.where(missing).order_by(sample.id)):
                task = found.setdefault(digest, (digest, path, []))
                if number is not None and known is None:
                    task[2].append((sample_id, number, rle))
        return list(found.values())

    def save_quality(self, photos: Iterable[MeasuredPhoto], labels: Iterable[MeasuredLabel]) -> None:
        with self._write("save_quality") as session:
            for photo in photos:
                session.merge(t.PhotoQualityRow(**asdict(photo)))
            for label in labels:
                session.merge(t.LabelQualityRow(**asdict(label)))

    def quality(self) -> pd.DataFrame:
        """One row a sample: sample_id, image_hash, class_name, split, file_name, group, height, width, box (its label is boxes only),
        labelled, and what was measured of its photo and its label, missing where that was not done; of the newest run that
        scored it noise, missed and unsupported (`core.metrics.label_doubt`), where that was against the label it has."""
        sample, label, image = t.SampleRow, t.LabelRevisionRow, t.ImageRow
        photo, measured, doubt, score, run = t.PhotoQualityRow, t.LabelQualityRow, t.DoubtRow, t.ScoreRow, t.RunRow
        newest = select(score.run_id).join(run, run.id == score.run_id).where(score.sample_id == sample.id)
        of_run = newest.order_by(run.created_at.desc(), run.id.desc()).limit(1).correlate(sample).scalar_subquery()
        query = counting_revisions(
            select(
                sample.id.label("sample_id"),
                sample.image_hash,
                sample.class_name,
                sample.split,
                sample.file_name,
                sample.group.label("group"),
                image.height,
                image.width,
                and_(sample.box_only, func.coalesce(label.as_imported, True)).label("box"),
                label.number.is_not(None).label("labelled"),
                photo.brightness,
                photo.sharpness,
                photo.cut_outs,
                measured.area,
                measured.parts,
                measured.islands,
                measured.width_px,
                measured.dark,
                doubt.noise,
                doubt.missed,
                doubt.unsupported,
            )
        )
        query = query.join(image, image.hash == sample.image_hash)
        query = query.outerjoin(label, and_(label.sample_id == sample.id, label.number == COUNTING))
        query = query.outerjoin(measured, and_(measured.sample_id == sample.id, measured.revision == label.number))
        query = query.outerjoin(photo, photo.image_hash == image.hash)
        same = (doubt.run_id == of_run, doubt.sample_id == sample.id, doubt.revision == label.number)
        query = query.outerjoin(doubt, and_(*same)).order_by(sample.id)
        with self._engine.connect() as connection:
            table = pd.read_sql(query, connection)
        measured_as = (*MEASURED, "noise", "missed", "unsupported")
        return table.astype({"box": bool, "labelled": bool} | dict.fromkeys(measured_as, float))

    def overlaps(self) -> pd.DataFrame:
        """Labels of different classes on one photo that share pixels: sample_id, other_id, shared (of the smaller of the two)."""
        sample, label = t.SampleRow, t.LabelRevisionRow
        twice = select(sample.image_hash).group_by(sample.image_hash).having(func.count() > 1)
        query = counting_revisions(select(sample.id, sample.image_hash, label.rle))
        query = query.join(label, and_(label.sample_id == sample.id, label.number == COUNTING))
        query = query.where(sample.image_hash.in_(twice), label.area_px > 0).order_by(sample.id)
        by_photo: dict[str, list[tuple[int, Rle]]] = {}
        with self._read() as session:
            for sample_id, digest, rle in session.execute(query):
                by_photo.setdefault(digest, []).append((sample_id, rle))
        rows = []
        for labels in by_photo.values():
            for place, (one, rle) in enumerate(labels):
                for other, other_rle in labels[place + 1 :]:
                    if shared := rle_area(intersect_rles([rle, other_rle])):
                        rows.append((one, other, shared / min(rle_area(rle), rle_area(other_rle))))
        return pd.DataFrame(rows, columns=["sample_id", "other_id", "shared"])
