"""Findings: what in photos and labels wants a look, each with its samples, the gravest first. Rules over what was measured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

DARK, BLURRED, SMALL_PX, CUT_OUT = 0.2, 25.0, 320, 0.05
TOO_WIDE, WIDE_PX, FAR_OUT = 1 / 3, 15, 3.5
"""A crack that takes less than this share of its label, which is at least so wide on a photo of 640 px; a robust z-score (Iglewicz &
Hoaglin 1993) from which a value is far out."""
SURE_OF_MORE = 0.5


@dataclass(frozen=True)
class Finding:
    """ids: the samples, the gravest first. of: how many were looked at."""

    key: str
    title: str
    why: str
    ids: tuple[int, ...]
    of: int


@dataclass(frozen=True)
class Rule:
    """found: from the table of `Store.quality`, a grade by row, the higher the graver; missing where there is nothing. looked_at: the
    column without which a row says nothing."""

    key: str
    title: str
    why: str
    looked_at: str
    found: Callable[[pd.DataFrame], pd.Series]


def _where(condition: pd.Series, grade: pd.Series) -> pd.Series:
    return grade.where(condition)


def _thin(quality: pd.DataFrame) -> pd.Series:
    """Labels of something that is thin and dark, drawn as it is."""
    return (quality["class_name"] == "cracks") & ~quality["box"]


def _far_out(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    def grade(table: pd.DataFrame) -> pd.Series:
        values = np.log(table[column].where(table[column] > 0))
        middle = values.groupby(table["class_name"]).transform("median")
        spread = (values - middle).abs().groupby(table["class_name"]).transform("median")
        z = 0.6745 * (values - middle).abs() / spread.where(spread > 0)
        return z.where(z > FAR_OUT)

    return grade


RULES = (
    Rule(
        "leaks",
        "Copies in more than one split",
        "Test figures flatter the model. A division by group keeps copies together.",
        "group",
        lambda q: _where(
            (q["group"] != "") & (q.groupby("group")["split"].transform("nunique") > 1),
            q.groupby("group")["split"].transform("size"),
        ),
    ),
    Rule(
        "unlabelled",
        "No label yet",
        "Nobody said whether something is there; such samples are not trained on.",
        "labelled",
        lambda q: _where(~q["labelled"], q["missed"].fillna(0)),
    ),
    Rule(
        "empty but seen",
        "Labelled as clean, but the model is sure of something",
        "The label may be missing.",
        "noise",
        lambda q: _where((q["area"] == 0) & (q["missed"] > SURE_OF_MORE) & (q["noise"] > 0.5), q["noise"]),
    ),
    Rule(
        "doubted",
        "The model is sure of the opposite of the label",
        "What is seen and not labelled, or labelled and not seen, sure pixels counting most (Lad & Mueller 2023).",
        "noise",
        lambda q: _where(
            ~q["box"] & (q["area"] > 0) & (q["noise"] > 0.5) & (q[["missed", "unsupported"]].max(axis=1) > 0.6),
            q["noise"] * q[["missed", "unsupported"]].max(axis=1),
        ),
    ),
    Rule(
        "boxes",
        "Labels that are boxes only",
        "A box round a diagonal joint is mostly bare wall.",
        "labelled",
        lambda q: _where(q["box"] & (q["area"].fillna(0) > 0), q["area"]),
    ),
    Rule(
        "too wide",
        "Labels much wider than what they label",
        "Less than a third of the label is darker than the wall beside it: it may be three times as wide as the crack.",
        "dark",
        lambda q: _where(_thin(q) & (q["dark"] < TOO_WIDE) & (q["width_px"] >= WIDE_PX), q["width_px"] / (q["dark"] + 0.05)),
    ),
    Rule(
        "islands",
        "Labels with specks beside them",
        "Small pieces apart from the rest: a slip of the mouse, or a line that was not drawn through.",
        "islands",
        lambda q: _where(q["islands"] > 0, q["islands"]),
    ),
    Rule("area", "Labels of an unusual area", "Far from the others of their class.", "area", _far_out("area")),
    Rule("width", "Labels of an unusual width", "Far from the others of their class.", "width_px", _far_out("width_px")),
    Rule(
        "dark photo",
        "Dark photos",
        "Mean grey below a fifth.",
        "brightness",
        lambda q: _where(q["brightness"] < DARK, -q["brightness"]),
    ),
    Rule(
        "blurred photo",
        "Blurred photos",
        "Hardly an edge in them: the variance of the Laplacian is below 25.",
        "sharpness",
        lambda q: _where(q["sharpness"] < BLURRED, -q["sharpness"]),
    ),
    Rule(
        "small photo",
        "Small photos",
        f"Their shorter side has less than {SMALL_PX} px.",
        "height",
        lambda q: _where(q[["height", "width"]].min(axis=1) < SMALL_PX, -q[["height", "width"]].min(axis=1)),
    ),
    Rule(
        "cut-outs",
        "Photos with black pieces",
        "Augmentation cut them out, or a copy was turned: more than a twentieth of the photo.",
        "cut_outs",
        lambda q: _where(q["cut_outs"] > CUT_OUT, q["cut_outs"]),
    ),
)


def findings(quality: pd.DataFrame, overlaps: pd.DataFrame) -> list[Finding]:
    """Those that found something. quality, overlaps: of `Store.quality` and `Store.overlaps`."""
    found: list[Finding] = []
    if quality.empty:
        return found
    for rule in RULES:
        grades = pd.to_numeric(rule.found(quality), errors="coerce").dropna().sort_values(ascending=False, kind="stable")
        if len(grades):
            ids = quality.loc[grades.index, "sample_id"]
            found.append(
                Finding(rule.key, rule.title, rule.why, tuple(map(int, ids)), int(quality[rule.looked_at].notna().sum()))
            )
    if len(overlaps):
        ranked = overlaps.sort_values("shared", ascending=False, kind="stable")
        ids = dict.fromkeys(map(int, ranked[["sample_id", "other_id"]].to_numpy().ravel()))
        why = "Labels of two classes share pixels of one photo: one of them bleeds into the other."
        found.append(Finding("overlap", "Labels that overlap", why, tuple(ids), len(quality)))
    return found


def balance(quality: pd.DataFrame) -> pd.DataFrame:
    """A row a class: photos, source photos, clean (labelled, nothing there), mean area in %, median width in px of a photo of 640."""
    rows = []
    for name, of_class in quality.groupby("class_name"):
        drawn = of_class[of_class["area"] > 0]
        width = drawn["width_px"].median() if len(drawn) else float("nan")
        sources = of_class["group"].where(of_class["group"] != "", of_class["sample_id"].astype(str)).nunique()
        clean = int((of_class["labelled"] & (of_class["area"] == 0)).sum())
        rows.append((name, len(of_class), sources, clean, 100 * drawn["area"].mean(), width))
    return pd.DataFrame(rows, columns=["class", "photos", "source photos", "clean", "mean area, %", "median width, px"])


def suspicion(quality: pd.DataFrame) -> pd.Series:
    """How suspect each label is, by sample id, the highest first: what the model doubts, and what sets a label apart from others of
    its class; each as a rank in [0, 1], and the label takes the highest. Columns as in `Store.quality`."""
    doubted = quality["noise"] * quality[["missed", "unsupported"]].max(axis=1)
    grades = pd.concat(
        [doubted.rank(pct=True), *(_far_out(name)(quality).rank(pct=True) * 0.95 for name in ("area", "width_px"))], axis=1
    )
    return grades.max(axis=1).fillna(0).set_axis(quality["sample_id"]).sort_values(ascending=False, kind="stable")
