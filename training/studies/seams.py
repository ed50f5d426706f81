"""How well proposed seams fit: on generated photos (`python -m training.studies.seams --photos 100 --seed 900`), and on real
ones whose bands were drawn by eye (`python -m training.studies.seams --drawn tests/data/drawn_bands.json --exports FOLDER`)."""

import argparse
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import RequestError
from core.masks.mask import Mask, draw_band, fill_box, part_boxes
from core.metrics.overlap import count_pixels, iou
from core.photos import read_photo
from core.seams.seams import Seam, propose_seams, seam_mask
from data.synthetic.walls import make_scene

RIGHT_LINE_PX, RIGHT_WIDTH = 6.0, 1.5
"""A line is right if it lies this near on average, over the length of the drawn one; a width if it is within this factor."""


def score_generated(photos: int, seed: int) -> pd.DataFrame:
    """Proposals and boxes against the true bands of generated 640-px photos, one row a photo.

    Columns: seed, contents, joints (how many), style (of its joints, or "several"), confidence (mean of the seams'), box_iou,
    iou. Seeds run from 1000 * seed.
    """
    rows = []
    for number in range(1000 * seed, 1000 * seed + photos):
        contents = "taping" if number % 2 else "both"
        scene = make_scene(number, contents=contents)  # type: ignore[arg-type]
        truth = scene.masks["taping"]
        boxes = [box for box in part_boxes(truth) if box[2] * box[3] >= 12]
        if not boxes:  # hidden behind a frame
            continue
        seams = [seam for of_box in propose_seams(scene.photo, boxes) for seam in of_box]
        confidence = float(np.mean([seam.confidence for seam in seams])) if seams else 0.0
        style = scene.styles[0] if len({*scene.styles}) == 1 else "several"
        known = {"seed": number, "contents": contents, "joints": len(scene.joints), "style": style, "confidence": confidence}
        rows.append(known | _ious(seams, boxes, truth))
    return pd.DataFrame(rows)


def score_drawn(drawn: Path, exports: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Proposals and boxes against bands drawn by eye on real photos: a row a photo, and a row a drawn band.

    drawn: JSON, a list of {file_name, split, style, dark, cut_out_over_joint, bands: [{points_xy, width_px, box_xywh}]} in
    pixels; exports: a folder with those photos somewhere below it. Columns of the first: file_name, split, style, dark,
    cut_out_over_joint, box_iou, iou, seconds; of the second: file_name, split, style, off_px (mean distance of the drawn line
    from the nearest proposed one), width_ratio (proposed over drawn). Raises RequestError when a photo is missing.
    """
    places = {path.name: path for path in exports.rglob("*.jpg")}
    photos, bands = [], []
    for entry in json.loads(drawn.read_text("utf-8")):
        if entry["file_name"] not in places:
            raise RequestError(f"{entry['file_name']} is not below {exports}; name the folder of the exports")
        photo = read_photo(places[entry["file_name"]])
        boxes = [list(box) for box in {tuple(band["box_xywh"]) for band in entry["bands"]}]
        if not boxes:
            continue
        began = time.process_time()
        seams = [seam for of_box in propose_seams(photo, boxes) for seam in of_box]
        seconds = time.process_time() - began
        lines = [(np.array(band["points_xy"], float), float(band["width_px"])) for band in entry["bands"]]
        truth = np.logical_or.reduce([draw_band(points, width, photo.shape[:2]) for points, width in lines])
        known = {key: entry[key] for key in ("file_name", "split", "style")}
        more = {key: entry[key] for key in ("dark", "cut_out_over_joint")}
        photos.append(known | more | _ious(seams, boxes, truth) | {"seconds": seconds})
        for points, width in lines:
            offs = [_mean_distance(points, seam.points_xy) for seam in seams]
            nearest = int(np.argmin(offs)) if offs else None
            found = (np.inf, np.nan) if nearest is None else (offs[nearest], seams[nearest].width_px / width)
            bands.append(known | dict(zip(("off_px", "width_ratio"), found, strict=True)))
    return pd.DataFrame(photos), pd.DataFrame(bands)


def _ious(seams: Sequence[Seam], boxes: Sequence[Sequence[float]], truth: Mask) -> dict[str, Any]:
    boxed = np.logical_or.reduce([fill_box(box, truth.shape) for box in boxes])
    proposed = seam_mask(seams, truth.shape)
    return {"box_iou": iou(count_pixels(boxed, truth)), "iou": iou(count_pixels(proposed, truth))}


def _mean_distance(line: np.ndarray, other: np.ndarray) -> float:
    """Mean distance in px of points along `line` from `other`, both (N, 2)."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    at = np.linspace(0, lengths.sum(), 100)
    stations = np.concatenate([[0], np.cumsum(lengths)])
    points = np.stack([np.interp(at, stations, line[:, axis]) for axis in range(2)], axis=1)
    distances = []
    for start, end in pairwise(other):
        along = end - start
        t = np.clip((points - start) @ along / max(float(along @ along), 1e-9), 0, 1)
        distances.append(np.hypot(*(points - start - t[:, None] * along).T))
    return float(np.min(distances, axis=0).mean())


def summary_of_drawn(photos: pd.DataFrame, bands: pd.DataFrame) -> pd.DataFrame:
    """The figures by split and style and over all, one row each."""
    bands = bands.assign(
        line_right=bands["off_px"] < RIGHT_LINE_PX, width_right=bands["width_ratio"].between(1 / RIGHT_WIDTH, RIGHT_WIDTH)
    )
    rows = {}
    for key in (None, "split", "style"):
        for name in [None] if key is None else sorted(photos[key].unique()):
            of_photos, of_bands = (table if key is None else table[table[key] == name] for table in (photos, bands))
            rows[name or "all"] = {
                "photos": len(of_photos),
                "bands": len(of_bands),
                "line right": of_bands["line_right"].mean(),
                "width right": of_bands["width_right"].mean(),
                "mIoU": of_photos["iou"].mean(),
                "mIoU of boxes": of_photos["box_iou"].mean(),
                "seconds": of_photos["seconds"].mean(),
            }
    return pd.DataFrame(rows).T


def main() -> None:
    parser = argparse.ArgumentParser(description="Score proposed seams")
    parser.add_argument("--photos", type=int, default=100, help="how many generated photos")
    parser.add_argument("--seed", type=int, default=900, help="photos are made from 1000 times this number on")
    parser.add_argument("--drawn", type=Path, help="drawn bands (JSON); scores real photos instead")
    parser.add_argument("--exports", type=Path, default=Path("../shared/exports"), help="where the photos of --drawn lie")
    parser.add_argument("--each", action="store_true", help="print every photo of --drawn, worst first")
    arguments = parser.parse_args()
    if arguments.drawn:
        photos, bands = score_drawn(arguments.drawn, arguments.exports)
        if arguments.each:
            worst = bands.groupby("file_name").agg({"off_px": "max", "width_ratio": "max"})
            print(photos.join(worst, on="file_name").sort_values("iou").round(2).to_string(index=False), "\n")
        print(summary_of_drawn(photos, bands).round(3).to_string())
        return
    table = score_generated(arguments.photos, arguments.seed)
    table["sure"] = np.where(table["confidence"] >= 0.5, "confidence >= 0.5", "confidence < 0.5")
    for key in ("contents", "joints", "style", "sure"):
        group = table.groupby(key)[["box_iou", "iou"]]
        print(group.mean().assign(photos=group.size()).round(3).to_string(), "\n")
    print(f"{len(table)} photos: mIoU {table['iou'].mean():.3f}, boxes {table['box_iou'].mean():.3f}")


if __name__ == "__main__":
    main()
