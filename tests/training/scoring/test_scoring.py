import pytest

from core.errors import CheckpointError, RequestError
from core.metrics.table import HEADLINE, TITLES
from training.config import load_config
from training.inference.predictors import named_predictor
from training.runs.opened import OpenedRun
from training.scoring.checkpoint import score
from training.scoring.comparison import compare_all
from training.terminal import runs_table


def quiet(what, done, total):
    pass


def test_a_named_checkpoint_is_a_run_without_training(workspace, store, tiny_checkpoint):
    config = load_config("quick", [f"checkpoint={tiny_checkpoint}"])
    runs = [score(workspace, config, "test", quiet) for _ in range(3)]
    assert {run.status for run in runs} == {"finished"}
    assert not OpenedRun(workspace, runs[0].id).folder.best_checkpoint.exists()
    named = named_predictor(checkpoint=str(tiny_checkpoint))
    assert OpenedRun(workspace, runs[0].id).predictor() is named
    document = compare_all(store, [run.id for run in runs], "test")
    first, *others = document["runs"]
    assert document["samples"] == len(store.samples(split="test"))
    assert first["overall"]["miou"] == pytest.approx(store.scores(runs[0].id, "test")["iou"].mean())
    scores = store.scores(runs[0].id, "test")
    assert list(first["overall"]) == ["miou", *HEADLINE[1:]]
    for key in ("tolerant_f1_2px", "cldice", "boundary_iou"):
        assert first["overall"][key] == pytest.approx(scores[key].mean())
        assert first["classes"]["cracks"][key] == pytest.approx(scores.query("class_name == 'cracks'")[key].mean())
    table = runs_table(document)
    assert [column.header for column in table.columns[2:]] == ["mIoU", *(TITLES[key] for key in HEADLINE[1:])]
    assert table.row_count == 3 * (len(first["classes"]) + 2)
    assert set(store.doubts(runs[0].id)) == {(row.sample_id, row.revision) for row in scores.itertuples()}
    assert len(others) == len(runs) - 1 > 0
    assert all(other["overall"] == first["overall"] and other["classes"] == first["classes"] for other in others)
    with pytest.raises(RequestError, match="share no scored samples of val"):
        compare_all(store, [run.id for run in runs], "val")


def test_what_cannot_be_scored_leaves_no_run(workspace, store, tiny_checkpoint):
    for overrides, kind, words in (
        (["checkpoint=/nowhere"], CheckpointError, "cannot be loaded"),
        (["checkpoint='grounded-sam:only-one'"], RequestError, "needs the form grounded-sam:DINO"),
        (["checkpoint='sam3:/nowhere'"], CheckpointError, "sam3 checkpoint /nowhere cannot be loaded"),
        ([f"checkpoint={tiny_checkpoint}", "synonyms={cracks: [segment crack]}"], RequestError, "no prompts for class"),
    ):
        with pytest.raises(kind, match=words):
            score(workspace, load_config("quick", overrides), "test", quiet)
    assert store.runs() == []
