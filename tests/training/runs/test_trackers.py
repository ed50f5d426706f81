"""TensorBoard's files read by TensorBoard, and a real MLflow server on a SQLite file."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.config import load_config
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.runs.trackers import EXPERIMENT

SMALL = ["train.epochs=2", "train.size_px=64", "train.batch_size=4"]


@pytest.fixture
def config(tiny_checkpoint):
    return load_config("quick", [*SMALL, f"checkpoint={tiny_checkpoint}"])


def test_tensorboard_reads_the_curves(workspace, config):
    run = OpenedRun(workspace, create_run(workspace, config).id)
    execute(run)
    found = EventAccumulator(str(run.folder.tensorboard)).Reload()
    epochs = [event for event in run.folder.read_events() if event["event"] == "epoch"]
    assert [(s.step, s.value) for s in found.Scalars("val/mIoU")] == [(e["epoch"], pytest.approx(e["val_miou"])) for e in epochs]
    assert found.Scalars("test/mIoU all")
    assert {"train/loss", "train/learning rate", "train/samples a second"} <= set(found.Tags()["scalars"])
    assert {"cpu", "memory_gb", "free_gb"} == set(epochs[0]["load"])
    assert run.folder.watched_epochs() == [1, 2]


def test_a_server_that_is_not_there_costs_no_training(workspace, config, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = OpenedRun(workspace, create_run(workspace, config.changed(mlflow_tracking_uri="http://127.0.0.1:9")).id)
    assert execute(run).best_epoch
    assert "MLflow at http://127.0.0.1:9 is left out from here on" in caplog.text


def test_an_mlflow_server_shows_the_run(workspace, config, tmp_path):
    mlflow = os.environ.get("DRYWALL_QA_MLFLOW") or shutil.which("mlflow")
    if not mlflow:
        pytest.skip("no mlflow server at hand; pip install mlflow, or name one in DRYWALL_QA_MLFLOW")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [mlflow, "server", "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--port", str(port)]
    command += ["--workers", "1", "--host", "127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        run = OpenedRun(workspace, create_run(workspace, config.changed(mlflow_tracking_uri=uri)).id)
        execute(run)
        from mlflow.tracking import MlflowClient

        client = MlflowClient(uri)
        (found,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
        epochs = [event for event in run.folder.read_events() if event["event"] == "epoch"]
        history = client.get_metric_history(found.info.run_id, "val/mIoU")
        assert [one.value for one in history] == [pytest.approx(epoch["val_miou"]) for epoch in epochs]
        assert found.data.params["train.epochs"] == "2"
        assert found.data.tags["drywall_qa.run"] == run.id
        assert "test/mIoU all" in found.data.metrics
        assert found.info.status == "FINISHED"
        server.terminate()
