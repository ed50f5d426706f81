"""Pages of scores held against pandas on the whole table."""

import numpy as np
import pytest

from core.errors import RequestError
from core.masks.mask import encode_rle
from core.metrics.table import HEADLINE, METRICS
from data.store.records import ImageRecord, NewSample, Score
from data.store.scores import BINS, Place, ScoreFilter
from data.store.store import Store

CAUSES = ("fine", "missed", "thin shift")
MANY = 240


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two runs on 240 samples of two classes and splits; IoUs stand at the edges of bins as well, and many are equal."""
    opened = Store(tmp_path_factory.mktemp("scores") / "qa.db")
    rle = encode_rle(np.eye(8, dtype=bool))
    opened.add_images(ImageRecord(f"h{n}", f"images/h{n}.png", 8, 8) for n in range(MANY))
    names = ["cracks", "taping"]
    opened.add_samples(NewSample(f"h{n}", names[n % 2], f"{n}.png", "test" if n % 3 else "val", False, rle) for n in range(MANY))
    label_set = opened.freeze_labels("s").name
    random = np.random.default_rng(0)
    for run in ("one", "two"):
        opened.create_run(run, name=run, checkpoint="c", label_set=label_set, config={})
        opened.save_scores(score(run, sample, random) for sample in opened.samples())
    yield opened
    opened.close()


def score(run, sample, random, **changes):
    values = {metric.key: float(random.integers(0, 41) / 40) for metric in METRICS}
    cause = str(random.choice(CAUSES))
    return Score(run, sample.id, sample.split, 1, 0.5, 1, 1, 1, 1, values | changes, cause=cause)


def expected(store, wanted, by, worst_first):
    table = store.scores(wanted.run_id, wanted.split)
    bins = np.minimum((table["iou"] * BINS).astype(int), BINS - 1)
    kept = (bins >= min(round(wanted.low * BINS), BINS - 1)) & (bins < round(wanted.high * BINS))
    for column, value in (("class_name", wanted.class_name), ("cause", wanted.cause)):
        kept &= (table[column] == value) | (value is None)
    return table[kept].sort_values([by, "sample_id"], ascending=worst_first)


FILTERS = [
    ScoreFilter("one", "test"),
    ScoreFilter("two", "val", "cracks"),
    ScoreFilter("one", "test", None, "missed"),
    ScoreFilter("one", "test", "taping", "fine", 0.25, 0.8),
    ScoreFilter("one", "test", low=0.95),
    ScoreFilter("one", "test", low=1.0),
    ScoreFilter("one", "test", low=0.5, high=0.5),
    ScoreFilter("one", "train"),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
@pytest.mark.parametrize("worst_first", [True, False], ids=["worst", "best"])
@pytest.mark.parametrize("by", HEADLINE)
def test_page_after_page_is_the_whole_table_in_order_there_and_back(store, wanted, worst_first, by):
    whole = expected(store, wanted, by, worst_first)["sample_id"].tolist()
    pages, after = [], None
    while True:
        page = store.page_of_scores(wanted, by, worst_first=worst_first, count=17, after=after)
        if page.empty:
            break
        assert len(page) == 17 or len(page) == len(whole) % 17
        pages.append(page)
        after = Place(float(page[by].iloc[-1]), int(page["sample_id"].iloc[-1]))
        assert Place.from_text(str(after)) == after
    assert [number for page in pages for number in page["sample_id"]] == whole
    if len(pages) > 1:
        start = Place(float(pages[1][by].iloc[0]), int(pages[1]["sample_id"].iloc[0]))
        back = store.page_of_scores(wanted, by, worst_first=worst_first, count=17, after=start, backwards=True)
        assert back["sample_id"].tolist() == pages[0]["sample_id"].tolist()
        assert back.columns.tolist() == pages[0].columns.tolist()


def test_slots_count_and_sum_what_is_there(store):
    for run in ("one", "two"):
        table, slots = store.scores(run), store.slots(run)
        assert slots["samples"].sum() == len(table)
        for key in HEADLINE:
            assert slots[f"sum_{key}"].sum() == pytest.approx(table[key].sum())
        counts = slots.groupby(["split", "class_name", "cause"])["samples"].sum()
        assert counts.to_dict() == table.groupby(["split", "class_name", "cause"]).size().to_dict()
    assert store.scored_runs() == {"one", "two"}


def test_scores_saved_again_leave_their_old_slots(tmp_path, store):
    sample, random = store.samples(split="test")[0], np.random.default_rng(5)
    before = store.scores("two").set_index("sample_id").loc[sample.id]
    for iou in (0.0, 1.0, before["iou"]):
        store.save_scores([score("two", sample, random, iou=float(iou))])
        page = store.page_of_scores(ScoreFilter("two", "test"), count=MANY)
        assert sorted(page["sample_id"]) == sorted(store.scores("two", "test")["sample_id"])
        assert store.slots("two")["sum_iou"].sum() == pytest.approx(store.scores("two")["iou"].sum())


def test_what_was_scored_before_a_metric_was_known_has_no_place_by_it(tmp_path):
    with_store = Store(tmp_path / "qa.db")
    with_store.add_images([ImageRecord(f"h{n}", f"images/h{n}.png", 8, 8) for n in range(2)])
    rle = encode_rle(np.eye(8, dtype=bool))
    with_store.add_samples([NewSample(f"h{n}", "cracks", f"{n}.png", "test", False, rle) for n in range(2)])
    with_store.create_run("r", name="r", checkpoint="c", label_set=with_store.freeze_labels("s").name, config={})
    old = dict.fromkeys(("iou", "dice", "precision", "recall"), 0.5)
    with_store.save_scores(
        [Score("r", 1, "test", 1, 0.5, 1, 1, 1, 1, old), Score("r", 2, "test", 1, 0.5, 1, 1, 1, 1, old | {"cldice": 0.3})]
    )
    assert with_store.page_of_scores(ScoreFilter("r", "test"), "cldice")["sample_id"].tolist() == [2]
    assert with_store.page_of_scores(ScoreFilter("r", "test"), "iou")["sample_id"].tolist() == [1, 2]
    assert with_store.slots("r")["sum_cldice"].isna().all()
    assert with_store.newest_score(2).metrics["cldice"] == 0.3
    assert "cldice" not in with_store.newest_score(1).metrics
    assert with_store.newest_score(1, "other") is None
    with_store.close()


def test_a_metric_that_orders_nothing_is_refused(store):
    with pytest.raises(RequestError, match="not ordered by ceiling"):
        store.page_of_scores(ScoreFilter("one", "test"), "ceiling")
    assert Place.from_text("nonsense") is None
    assert Place.from_text("0.5~x") is None
