"""The review log and the sizes, as tables and as CSV."""

import csv
import io
import sqlite3
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RequestError
from core.masks.mask import decode_rle, draw_band
from data.exchange.export import export_labels
from data.exchange.review_log import COLUMNS, review_log
from data.exchange.safe_csv import csv_bytes
from data.exchange.sizes_table import sizes_table
from data.store.store import Store
from data.store.upgrades import SCHEMA_VERSION

STARTS = ("=", "+", "-", "@", "\t", "\r")


def read_csv(content):
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@given(st.lists(st.tuples(st.text(), st.sampled_from([*STARTS, ""]), st.floats(-9, 9)), min_size=1, max_size=5))
def test_no_cell_begins_like_a_formula_and_nothing_is_lost(rows):
    table = pd.DataFrame([(start + text, number) for text, start, number in rows], columns=["=cmd", "number"])
    heading, *lines = read_csv(csv_bytes(table))
    assert heading == ["'=cmd", "number"]
    for (text, number), (cell, value) in zip(table.itertuples(index=False), lines, strict=True):
        assert not cell.startswith(STARTS)
        assert cell in (text, f"'{text}")
        assert float(value) == number  # a negative number stays a number


def test_the_log_holds_every_revision_and_decision_in_order(store, workspace, tmp_path):
    sample = store.samples()[0]
    old = decode_rle(store.label(sample.id).rle)
    new = old.copy()
    new[:10] = True
    store.save_label(sample.id, new, based_on=1, author="=ann", tool="drawn", comment='@SUM(1), "süß"\nüber')
    store.add_review(sample.id, "accepted", "bob", "gut")
    log = review_log(store)
    assert tuple(log.columns) == COLUMNS
    assert len(log) == len(store.samples()) + 3
    of_sample = log[log["sample"] == sample.id].reset_index(drop=True)
    assert of_sample["kind"].tolist()[0] == "label"
    saved = of_sample[of_sample["tool"] == "drawn"].iloc[0]
    assert saved["iou_with_previous"] == pytest.approx((old & new).sum() / (old | new).sum())
    assert saved["area_px"] == new.sum()
    accepted = of_sample[of_sample["state"] == "accepted"].iloc[0]
    assert (accepted["reviewer"], accepted["revision"], accepted["area_px"]) == ("bob", 2, new.sum())
    assert log["time_utc"].is_monotonic_increasing
    assert export_labels(workspace, tmp_path, "review-log") == len(log)
    heading, *lines = read_csv((tmp_path / "review_log.csv").read_bytes())
    cells = dict(zip(heading, next(line for line in lines if "drawn" in line), strict=True))
    assert (cells["reviewer"], cells["comment"]) == ("'=ann", '\'@SUM(1), "süß"\nüber')
    with pytest.raises(RequestError, match="leave out --label-set"):
        export_labels(workspace, tmp_path, "review-log", "x")


def test_sizes_in_px_and_with_a_scale_in_mm(store, workspace, tmp_path):
    first, second, *_ = store.samples()
    height, width = first.size_hw
    mask = draw_band(np.array([(10.0, height / 2), (width - 10.0, height / 2)]), 6, first.size_hw)
    store.save_label(first.id, mask, based_on=1, author="ann", tool="drawn")
    store.save_label(second.id, np.zeros(second.size_hw, bool), based_on=1, author="ann", tool="drawn")
    store.set_scale(first.image_hash, 2.0, "ann")
    line, clean = sizes_table(store, ids=[first.id, second.id]).to_dict("records")
    assert line["length_px"] == pytest.approx(width - 20 + 6, abs=1)
    assert line["length_mm"] == line["length_px"] / 2 == line["length_m"] * 1000
    assert line["width_max_mm"] == pytest.approx(3, abs=0.3)
    assert clean["length_px"] == 0
    assert np.isnan([clean["width_max_px"], clean["length_mm"], clean["px_per_mm"]]).all()
    assert export_labels(workspace, tmp_path, "sizes") == len(store.samples())
    assert len(read_csv((tmp_path / "sizes.csv").read_bytes())) == len(store.samples()) + 1
    store.set_scale(first.image_hash, None, "ann")
    assert store.sample(first.id).px_per_mm is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nope", 2.0, "ann"), "photo nope is not in"),
        (("", 0.0, "ann"), "positive number of pixels per mm, got 0"),
        (("", float("nan"), "ann"), "got nan"),
        (("", 2.0, " "), "the reviewer's name is missing"),
    ],
)
def test_wrong_scales_are_sentences(arguments, words, store):
    image_hash, *others = arguments
    with pytest.raises(RequestError, match=words):
        store.set_scale(image_hash or store.samples()[0].image_hash, *others)


def test_a_workspace_of_the_first_version_is_upgraded_in_place(store, workspace, take_back):
    before = store.samples()
    store.close()
    path = workspace.root / "qa.db"
    take_back(path)
    for _ in range(2):  # the second time there is nothing to do
        again = Store(path)
        assert [replace(sample, boxes=[]) for sample in again.samples()] == [replace(s, boxes=[]) for s in before]
        again.set_scale(before[0].image_hash, 1.5, "ann")
        assert again.sample(before[0].id).px_per_mm == 1.5
        again.set_scale(before[0].image_hash, None, "ann")
        again.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT schema_version FROM workspace").fetchall() == [(SCHEMA_VERSION,)]
    connection.close()
