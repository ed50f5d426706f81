"""A store full of generated samples and scores, as large as one likes: for measuring queries, there are no photos behind it."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from core.masks.mask import encode_rle
from core.metrics.table import HEADLINE, METRICS
from core.progress import Progress, silent
from data.store import tables as t
from data.store.database import now_utc
from data.store.queue import LOW_IOU, lot_of
from data.store.scores import BINS
from data.store.store import Store

CLASSES, SPLITS = ("cracks", "taping"), ("test", "val")
RUN = "generated"
_AT_ONCE = 20_000


def fill_store(path: Path, samples: int, causes: tuple[str, ...], seed: int = 0, on_progress: Progress = silent) -> Store:
    """A new store of one run's scores: two classes, every fourth sample in val, every cause alike. Raises what SQLite raises for a
    file that is there."""
    store, random, now = Store(path), np.random.default_rng(seed), now_utc()
    kinds = list(product(SPLITS, CLASSES, causes, range(BINS)))
    slot_of = {kind: number for number, kind in enumerate(kinds, 1)}
    numbers = np.arange(samples)
    split, class_ = np.where(numbers % 8 < 2, 1, 0), numbers % 2
    cause, values = random.integers(0, len(causes), samples), random.random((len(METRICS), samples))
    iou_bin = np.minimum((values[0] * BINS).astype(int), BINS - 1)
    rle = dict(encode_rle(np.eye(8, dtype=bool)))
    standing = (split * len(CLASSES) + class_) * 2 + (values[0] < LOW_IOU)  # as `product` numbers them below

    def row_of(number: int) -> tuple[dict[str, Any], ...]:
        kind = (SPLITS[split[number]], CLASSES[class_[number]], causes[cause[number]], int(iou_bin[number]))
        identity = number + 1
        image = {"hash": f"{number // 2:064d}", "path": f"images/{number // 2}.jpg", "height": 8, "width": 8}
        sample = {"id": identity, "image_hash": image["hash"], "class_name": kind[1], "file_name": f"{number}.jpg"}
        sample |= {"source_split": kind[0], "split": kind[0], "group": f"g{number // 4}", "box_only": False, "revision": 1}
        low = values[0, number] < LOW_IOU
        sample |= {
            "slot": 1 + int(standing[number]),
            "worth": 1 - float(values[0, number]) if low else 0.0,
            "lot": lot_of(identity),
        }
        label = {
            "sample_id": identity,
            "number": 1,
            "rle": rle,
            "area_px": 8,
            "author": "import",
            "tool": "import",
            "comment": "",
        }
        label |= {"created_at": now, "as_imported": True, "provenance": "imported"}
        score = {"run_id": RUN, "sample_id": identity, "split": kind[0], "revision": 1, "threshold": 0.5}
        score |= dict.fromkeys(("tp", "fp", "fn", "tn"), 16) | {"cause": kind[2], "slot": slot_of[kind]}
        score |= {metric.key: float(values[place, number]) for place, metric in enumerate(METRICS)}
        return image, sample, label, score

    indexes = [i for table in (t.ScoreRow, t.SampleRow) for i in t.Base.metadata.tables[table.__tablename__].indexes]
    with store._write("fill") as session:
        for index in indexes:  # made in one go at the end, which takes a tenth of the time
            index.drop(session.connection())
        for start in range(0, samples, _AT_ONCE):
            on_progress("fill the store", start, samples)
            some = range(start, min(start + _AT_ONCE, samples))
            images, *others = zip(*(row_of(number) for number in some), strict=True)
            session.execute(insert(t.ImageRow), list(images[::2]))
            for table, rows in zip((t.SampleRow, t.LabelRevisionRow), others[:2], strict=True):
                session.execute(insert(table), list(rows))
            if not start:
                session.add(t.LabelSetRow(name="all", digest="", samples=samples, created_at=now))
                session.flush()
                session.add(
                    t.RunRow(id=RUN, name=RUN, status="finished", checkpoint="none", label_set="all", config={}, created_at=now)
                )
                session.flush()
            session.execute(insert(t.ScoreRow), list(others[2]))
        place = 1 + ((split * len(CLASSES) + class_) * len(causes) + cause) * BINS + iou_bin  # as `product` numbers them
        sums = {f"sum_{m.key}": np.bincount(place, values[n], len(kinds) + 1) for n, m in enumerate(METRICS) if m.key in HEADLINE}
        counts = np.bincount(place, minlength=len(kinds) + 1)
        stand = np.bincount(standing, minlength=len(SPLITS) * len(CLASSES) * 2)
        session.execute(
            insert(t.SampleSlotRow),
            [
                {"id": 1 + number, "split": split_name, "class_name": name, "kind": kind, "samples": int(stand[number])}
                | {"review_state": "to review", "is_box": False}
                for number, (split_name, name, kind) in enumerate(product(SPLITS, CLASSES, ("new", "low IoU")))
            ],
        )
        session.execute(
            insert(t.SlotRow),
            [
                {"id": number, "run_id": RUN, "samples": int(counts[number])}
                | dict(zip(("split", "class_name", "cause", "iou_bin"), kind, strict=True))
                | {key: float(of_key[number]) for key, of_key in sums.items()}
                for kind, number in slot_of.items()
                if counts[number]
            ],
        )
        for index in indexes:
            index.create(session.connection())
    return store
