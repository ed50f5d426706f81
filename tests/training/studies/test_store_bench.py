"""The store's benchmark once at sizes so small that its times mean nothing: the queries are real ones and the counts right."""

import pytest

from data.store.generated import RUN, fill_store
from data.store.scores import ScoreFilter
from training.scoring.scores import counted
from training.studies.store_bench import queries, run_store_bench

CAUSES = ("fine", "missed")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = fill_store(tmp_path_factory.mktemp("bench") / "qa.db", 500, CAUSES)
    yield opened
    opened.close()


def test_the_generated_slots_count_what_was_generated(store):
    table = store.scores(RUN)
    assert len(table) == 500
    assert store.slots(RUN)["samples"].sum() == 500
    for wanted in (ScoreFilter(RUN, "test"), ScoreFilter(RUN, "val", "taping", "missed", 0.2, 0.7)):
        total, means = counted(store.slots(RUN), wanted)
        kept = table[(table["split"] == wanted.split) & (table["iou"] >= wanted.low) & (table["iou"] < wanted.high)]
        if wanted.cause:
            kept = kept[(kept["cause"] == wanted.cause) & (kept["class_name"] == wanted.class_name)]
        assert total == len(kept) > 0
        assert means["cldice"] == pytest.approx(kept["cldice"].mean())
        page = store.page_of_scores(wanted, "cldice", count=500)
        assert page["sample_id"].tolist() == kept.sort_values("cldice")["sample_id"].tolist()


def test_every_query_is_timed_at_every_size(tmp_path):
    document = run_store_bench(1, sizes=(200, 400))
    assert document["sizes"] == [200, 400]
    for row in document["store"].values():
        assert list(row["ms"]) == ["200", "400"]
        assert row["growth"] == pytest.approx(row["ms"]["400"] / row["ms"]["200"])


def test_every_query_finds_something(store):
    for name, query in queries(store, 500).items():
        found = query()
        assert found is not None, name
        assert not hasattr(found, "empty") or not found.empty or "cause" in name
        assert not isinstance(found, list) or found, name
