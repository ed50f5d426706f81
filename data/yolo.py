"""YOLO segmentation labels out: one text file a photo, one polygon a line, coordinates as shares of width and height."""

from pathlib import Path

import numpy as np
from skimage.measure import approximate_polygon, find_contours

from core.files import write_atomically
from core.masks import Mask


def yolo_lines(mask: Mask, class_index: int) -> list[str]:
    """mask: (H, W) bool. One line a connected outline: `class x1 y1 x2 y2 ...`, each in [0, 1]."""
    height, width = mask.shape
    lines = []
    for outline in find_contours(np.pad(mask, 1).astype(float), 0.5):
        points = approximate_polygon(outline, tolerance=0.5)[:-1, ::-1] - 0.5  # padding off, pixel centres to edges
        if len(points) >= 3:
            shares = np.clip(points / (width, height), 0, 1)
            lines.append(f"{class_index} " + " ".join(f"{value:.6f}" for value in shares.ravel()))
    return lines


def write_yolo(path: Path, masks: list[tuple[int, Mask]]) -> None:
    """masks: (class index, mask) of one photo. A photo without defects gets an empty file, as YOLO expects."""
    lines = [line for index, mask in masks for line in yolo_lines(mask, index)]
    write_atomically(path, "".join(line + "\n" for line in lines).encode())
