"""One recipe trained and tested twice for real: on photos divided by source, and at random, copies across the splits."""

import shutil

import pytest

from data.intake.splits import assign_samples
from data.workspace import Workspace
from training.report.facts import gather
from training.report.sections import build
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.scoring.evaluation import evaluate
from training.scoring.leakage import leaky_and_honest, on_test, sentence


@pytest.fixture(scope="module")
def pair(trained_once, tmp_path_factory):
    root, run_id = trained_once
    workspace = Workspace.open(shutil.copytree(root, tmp_path_factory.mktemp("leakage") / "workspace"))
    honest = OpenedRun(workspace, run_id)
    assert leaky_and_honest(honest) is None  # as long as it stands alone
    config = honest.config.changed(name="random split", label_set=None, split={"by_group": False})
    leaky = OpenedRun(workspace, create_run(workspace, config).id)
    execute(leaky)
    yield leaky, honest
    workspace.store.close()


def test_a_run_divides_at_random_for_itself_and_the_workspace_stays(pair):
    leaky, honest = pair
    dealt = assign_samples(leaky.store.samples(), **leaky.config.split.model_dump())
    for split in ("train", "val", "test"):
        own = leaky.samples(split)
        assert {sample.id for sample in own} == {sample_id for sample_id, name in dealt.items() if name == split}
        assert {sample.split for sample in own} == {split}
        assert honest.samples(split) == honest.store.samples(split=split)
    assert any(dealt[sample.id] != sample.split for sample in honest.store.samples())
    assert set(leaky.store.scores(leaky.id, "test")["sample_id"]) == {sample.id for sample in leaky.samples("test")}
    started = next(event for event in leaky.folder.read_events() if event["event"] == "started")
    assert (started["train"], started["val"]) == (len(leaky.samples("train")), len(leaky.samples("val")))


def test_scored_again_it_keeps_its_division(pair):
    leaky, _ = pair
    before = leaky.store.scores(leaky.id, "test")
    evaluate(leaky, "test")
    assert leaky.store.scores(leaky.id, "test")["iou"].tolist() == before["iou"].tolist()


def test_copies_are_counted_by_hand_and_the_leaky_one_comes_first(pair):
    leaky, honest = pair
    trained = {sample.group for sample in leaky.samples("train")}
    copied = sum(sample.group in trained for sample in leaky.samples("test"))
    assert copied > 0
    for run in pair:
        found = leaky_and_honest(run)
        assert [one.run_id for one in found] == [leaky.id, honest.id]
        assert [one.copied for one in found] == [copied, 0]
    means = leaky.store.scores(leaky.id, "test").groupby("class_name")["iou"].mean()
    assert {name: row["miou"] for name, row in on_test(leaky).means.items() if name != "all"} == pytest.approx(means.to_dict())
    text = sentence(leaky_and_honest(honest))
    assert text.startswith(f"leaky {on_test(leaky).miou:.2f}, honest {on_test(honest).miou:.2f}")
    assert f"{copied} have a copy" in text


def test_another_recipe_is_no_partner_and_the_report_shows_the_pair(pair):
    leaky, honest = pair
    other = OpenedRun(honest.workspace, create_run(honest.workspace, honest.config.changed(train={"lr": 0.5})).id)
    assert leaky_and_honest(other) is None
    foreign = other.config.model_dump(mode="json") | {"of_a_later_version": 1}
    other.store.create_run("foreign", name="foreign", checkpoint="compact", label_set=other.record.label_set, config=foreign)
    other.store.update_run("foreign", status="finished")
    assert leaky_and_honest(honest) is not None  # one that cannot be read harms no other
    document = build(gather(honest, "test"))
    results = next(section for section in document.sections if section.title == "Results")
    tables = [block for block in results.blocks if getattr(block, "caption", "").startswith("One recipe")]
    assert [row[0] for row in tables[0].rows] == ["at random", "by source photo"]
    assert gather(leaky, "test").leakage == gather(honest, "test").leakage
