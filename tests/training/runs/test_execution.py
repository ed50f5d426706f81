import json
import os
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.errors import DrywallError, RequestError
from core.masks.mask import decode_rle, read_mask_png
from core.metrics.overlap import count_pixels, iou
from core.models.clipseg import PromptSegmenter
from core.settings import InferenceSettings
from core.train.trainer import State
from data.workspace import Workspace
from training.config import load_config, make_config
from training.runs import execution
from training.runs.execution import examples, execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run, current_run, launch, progress_of, stop
from training.scoring.curves import curves_of
from training.scoring.evaluation import compare, evaluate
from training.scoring.figures import write_failures
from training.scoring.stored_probs import THRESHOLDS, counts_by_threshold, mask_at, read_probs, to_uint8
from training.scoring.thresholds import SURE, best_cut, best_of

SMALL = ["train.epochs=2", "train.size_px=64", "train.batch_size=4", "train.lr=1e-3"]


@pytest.fixture(scope="module")
def config(tiny_checkpoint):
    return load_config("quick", [*SMALL, f"checkpoint={tiny_checkpoint}"])


@pytest.fixture(scope="module")
def finished_once(prepared, config, tmp_path_factory):
    """A workspace with one finished run, to copy, and the run's id."""
    opened = Workspace.open(shutil.copytree(prepared, tmp_path_factory.mktemp("finished") / "workspace"))
    run = create_run(opened, config)
    execute(OpenedRun(opened, run.id))
    opened.store.close()
    return opened.root, run.id


@pytest.fixture
def workspace(request, prepared, tmp_path):
    """As everywhere; for a test of the finished run, with it."""
    wants_run = "finished" in request.fixturenames
    root = request.getfixturevalue("finished_once")[0] if wants_run else prepared
    return Workspace.open(shutil.copytree(root, tmp_path / "workspace", symlinks=True))


@pytest.fixture
def finished(finished_once):
    return finished_once[1]


def test_a_run_leaves_events_checkpoint_and_state(workspace, store, finished, tiny_segmenter):
    run, folder = store.run(finished), OpenedRun(workspace, finished).folder
    events = folder.read_events()
    epochs = [event for event in events if event["event"] == "epoch"]
    assert (run.status, run.label_set, len(epochs)) == ("finished", "labels-1", 2)
    assert run.best_val_miou == max(epoch["val_miou"] for epoch in epochs)
    assert {"train_loss", "val_loss", "val_miou", "val_dice", "classes", "lr", "seconds", "samples_per_second"} <= set(epochs[0])
    assert progress_of(events).share == 1
    trained = PromptSegmenter.load(folder.best_checkpoint)
    before, after = tiny_segmenter.state_dict(), trained.state_dict()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith("clipseg.clip.") for name in changed)  # the backbone is frozen
    assert "segment wall crack" in (folder.best_checkpoint / "README.md").read_text()


def test_the_same_seed_gives_the_same_weights(workspace, store, config, finished):
    again = create_run(workspace, config)
    execute(OpenedRun(workspace, again.id))
    first, second = (
        PromptSegmenter.load(OpenedRun(workspace, i).folder.best_checkpoint).state_dict() for i in (finished, again.id)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_evaluation_scores_what_it_writes(workspace, store, finished):
    document = evaluate(OpenedRun(workspace, finished), "test")
    assert json.loads(json.dumps(document)) == document
    table, folder = store.scores(finished, "test"), OpenedRun(workspace, finished).folder
    assert document["overall"]["miou"] == pytest.approx(table["iou"].mean())
    assert document["overall"]["samples"] == len(store.samples(split="test")) == len(table)
    row = table.iloc[0]
    truth = decode_rle(store.label(int(row.sample_id)).rle)
    mask = mask_at(read_probs(folder.probs_path("test", row.sample_id)), row.threshold)
    assert iou(count_pixels(mask, truth)) == pytest.approx(row.iou)
    written = sorted((folder.evaluation("test") / "masks").iterdir())
    assert len(written) == len(table)
    assert read_mask_png(written[0]).dtype == bool
    assert written[0].name.endswith(("__segment_crack.png", "__segment_taping_area.png"))
    figures = write_failures(OpenedRun(workspace, finished), "test", 2)
    assert {path.name for path in figures} == {f"{c}_{w}.png" for c in table["class_name"].unique() for w in ("best", "worst")}
    curve = curves_of(OpenedRun(workspace, finished), "test").thresholds
    assert set(curve["threshold"]) == set(THRESHOLDS)
    same = compare(store, finished, finished, "test")["overall"]
    assert (same["better"], same["worse"]) == (0, 0)


def test_threshold_counts_equal_counting_each_mask():
    random = np.random.default_rng(0)
    probs, truth = to_uint8(random.random((20, 30), np.float32)), random.random((20, 30)) > 0.6
    assert counts_by_threshold(probs, truth) == [count_pixels(mask_at(probs, t), truth) for t in THRESHOLDS]


def test_quantised_probabilities_keep_the_mask_at_one_half():
    probs = np.nextafter(np.float32([[0.5, 0.5, 1, 0]]), np.float32([[0, 1, 1, 0]]))
    assert mask_at(to_uint8(probs), 0.5).tolist() == [[False, True, True, False]]


def test_a_part_must_be_as_sure_as_costs_nothing():
    """Beside a crack that is sure to 0.985 lies a speck that is sure to 0.93, in photos of two classes."""
    truth, speck = np.zeros((2, 40, 40), bool)
    truth[10:12, 5:35], speck[30:34, 30:34] = True, True
    probs = np.where(truth, np.float32(0.985), np.where(speck, np.float32(0.93), np.float32(0.01)))
    predictor = SimpleNamespace(predict=lambda photo, prompts: [SimpleNamespace(probs=probs)])
    looked_at = [SimpleNamespace(class_name=name, read=lambda: (None, truth)) for name in ("cracks", "taping")]
    synonyms = {"cracks": ("a",), "taping": ("b",)}
    assert best_cut(predictor, looked_at, synonyms) == ({"cracks": 0.5, "taping": 0.5}, 0.98)
    assert best_cut(predictor, looked_at, synonyms, sures=(0.0, 0.9)) == ({"cracks": 0.95, "taping": 0.95}, 0.9)
    assert SURE[0] == 0


def test_thresholds_are_chosen_on_validation_and_used_everywhere(workspace, store, config):
    config = config.model_copy(
        update={
            "train": config.train.model_copy(update={"threshold_per_class": True, "threshold": 0.3}),
            "inference": InferenceSettings(tiles=96),
        }
    )
    run = create_run(workspace, config).id
    execute(OpenedRun(workspace, run))
    chosen = json.loads(OpenedRun(workspace, run).folder.thresholds.read_text())
    assert OpenedRun(workspace, run).folder.thresholds.parent == OpenedRun(workspace, run).folder.best_checkpoint
    predictor = OpenedRun(workspace, run).predictor()
    assert predictor.inference == config.inference
    best = {}
    for example in examples(workspace, workspace.store.samples(split="val")):  # every threshold by hand, one mask at a time
        photo, truth = example.read()
        probs = to_uint8(predictor.predict(photo, [config.synonyms[example.class_name][0]])[0].probs)
        of_class = best.setdefault(example.class_name, {float(t): [] for t in THRESHOLDS})
        for threshold, scores in of_class.items():
            scores.append(iou(count_pixels(mask_at(probs, threshold), truth)))
    assert best.keys() == {"cracks", "taping"}
    for name, of_class in best.items():
        means = {threshold: np.mean(scores) for threshold, scores in of_class.items()}
        # rounding may move a pixel across a threshold between two passes, so a near tie may fall either way
        assert means[chosen[name]] == pytest.approx(max(means.values()), abs=1e-3)
    assert OpenedRun(workspace, run).thresholds == {"cracks": 0.3, "taping": 0.3} | chosen
    table = store.scores(run, "test")
    assert {row.class_name: row.threshold for row in table.itertuples()}.items() <= chosen.items()
    assert OpenedRun(workspace, run).threshold_of("Segment drywall  seam") == chosen["taping"]
    assert OpenedRun(workspace, run).threshold_of("segment door") == 0.3
    events = OpenedRun(workspace, run).folder.read_events()
    sure = next(event["sure"] for event in events if event["event"] == "thresholds")
    assert predictor.sure == sure
    assert PromptSegmenter.load(OpenedRun(workspace, run).folder.best_checkpoint).branch.config.sure == sure
    kinds = [event["event"] for event in events]
    assert kinds.index("choosing thresholds") < kinds.index("thresholds") < kinds.index("scoring")


@pytest.mark.parametrize(
    ("mious", "expected"),
    [({0.2: 0.4, 0.6: 0.5}, 0.6), ({0.1: 0.5, 0.4: 0.5, 0.8: 0.5}, 0.4), ({}, 0.5)],
    ids=["highest", "nearest-to-one-half", "all-equal"],
)
def test_best_threshold(mious, expected):
    assert best_of(np.array([mious.get(float(threshold), 0.1) for threshold in THRESHOLDS])) == expected


def test_unfrozen_blocks_and_a_fresh_decoder_train_and_are_saved(workspace, store, config, caplog):
    model = make_config({"model": {"unfreeze_blocks": 1, "decoder": {"reduce_dim": 32}}}).model
    run = create_run(workspace, config.model_copy(update={"model": model})).id
    execute(OpenedRun(workspace, run))
    assert "the decoder starts untrained: reduce_dim 32, extract_layers [1, 2, 2]" in caplog.text
    trained = PromptSegmenter.load(OpenedRun(workspace, run).folder.best_checkpoint)
    before, after = (s.clipseg.clip.state_dict() for s in (PromptSegmenter.load(config.checkpoint), trained))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("vision_model.encoder.layers.2.") for name in changed)
    assert trained.clipseg.config.reduce_dim == 32


def test_requests_that_cannot_be_met(workspace, store, finished, config):
    queued = create_run(workspace, config)
    for call, words in (
        (lambda: evaluate(OpenedRun(workspace, queued.id)), "has no checkpoint"),
        (lambda: evaluate(OpenedRun(workspace, finished), "tset"), "split tset is unknown"),
        (lambda: write_failures(OpenedRun(workspace, queued.id), "test", 2), "has no scores on test"),
        (lambda: compare(store, finished, queued.id, "test"), "share no scored samples"),
        (lambda: stop(store, finished), "nothing to stop"),
    ):
        with pytest.raises(RequestError, match=words):
            call()


def test_a_failed_run_keeps_its_reason(workspace, store, config):
    bad = create_run(workspace, config.model_copy(update={"checkpoint": "/nowhere"}))
    with pytest.raises(DrywallError, match="cannot be loaded"):
        execute(OpenedRun(workspace, bad.id))
    assert store.run(bad.id).status == "failed"
    assert "/nowhere cannot be loaded" in store.run(bad.id).reason
    assert OpenedRun(workspace, bad.id).folder.read_events()[-1]["event"] == "failed"


def test_a_launched_run_lives_by_itself_and_can_be_stopped(workspace, store, config):
    long = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 5000, "patience": 5000})})
    run = launch(workspace, long)
    assert os.getpgid(store.run(run.id).pid) != os.getpgid(0)
    wait_until(lambda: progress_of(OpenedRun(workspace, run.id).folder.read_events()).epochs)
    stop(store, run.id)
    wait_until(lambda: current_run(store, run.id).status == "stopped")
    assert store.run(run.id).best_epoch


def test_a_killed_run_is_found_out(workspace, store, config):
    long = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 5000})})
    run = launch(workspace, long)
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: current_run(store, run.id).status == "failed")
    assert "ended without a word" in store.run(run.id).reason


def wait_until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)


def test_a_state_from_before_0_2_names_the_branch_as_today(tmp_path):
    weights = {"refiner.head.bias": torch.ones(4), "clipseg.decoder.reduces.0.bias": torch.zeros(2)}
    torch.save(vars(State(epoch=3, weights=weights)), tmp_path / "last.pt")
    state = execution._read_state(tmp_path / "last.pt")
    assert list(state.weights) == ["branch.head.bias", "clipseg.decoder.reduces.0.bias"]
    assert state.epoch == 3
