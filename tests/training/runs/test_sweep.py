"""Sweeps on a tiny model: every trial is a run, the best one is marked and scored."""

import pytest

from core.errors import ConfigError
from training.config import load_config
from training.runs.sweep import load_sweep, run_sweep
from training.terminal import sweep_table

SMALL = ["train.epochs=2", "train.size_px=64", "train.batch_size=4"]


def sweep_file(path, text):
    path.write_text(text)
    return path


def test_every_trial_is_a_run_and_the_best_is_marked(workspace, store, tiny_checkpoint, tmp_path):
    config = load_config("quick", [*SMALL, f"checkpoint={tiny_checkpoint}"])
    text = "trials: 3\nmethod: halving\nparameters: {train.lr: {low: 1.0e-4, high: 1.0e-2, log: true}, loss.cldice: [0.0, 0.1]}"
    document = run_sweep(workspace, config, load_sweep(sweep_file(tmp_path / "s.yaml", text)))
    rows = document["trials"]
    assert len(rows) == len(store.runs()) == 3
    assert [row["val_miou"] for row in rows] == sorted((row["val_miou"] for row in rows), reverse=True)
    assert document["best"] == rows[0]["run"]
    assert store.scored_runs() == {document["best"]}
    for row in rows:
        run = store.run(row["run"])
        assert run.config["train"]["lr"] == row["train.lr"]
        assert 1e-4 <= row["train.lr"] <= 1e-2
        assert run.config["loss"]["cldice"] == row["loss.cldice"]
        assert run.note.startswith("best sweep" if run.id == document["best"] else "sweep of quick: train.lr=")
    assert sweep_table(document).row_count == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trials: 3\nparameters: {train.lrr: [1]}", "train.lrr is not a setting"),
        ("trials: 0\nparameters: {train.lr: [1]}", "trials: Input should be greater"),
        ("trials: 2\nparameters: {}", "parameters"),
        ("trials: 2\nparameters: {train.lr: []}", "has no value to try"),
        ("trials: 2\nparameters: {train.lr: {low: 2, high: 1}}", "low must be below high"),
        ("trials: 2\nparameters: {train.lr: {low: 0, high: 1, log: true}}", "above 0 where log is set"),
        ("- a", "dictionary"),
        ("a: [", "cannot be read as a sweep"),
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        load_sweep(sweep_file(tmp_path / "s.yaml", text))
