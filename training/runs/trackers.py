"""What a run tells other tools while it trains: TensorBoard's event files beside events.jsonl, and an MLflow server if one is named.

Neither can stop a training: what goes wrong is said once, and the run goes on without.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

from core.files import write_atomically
from core.train.trainer import Event
from training.config import dump_config
from training.runs.opened import OpenedRun
from training.scoring.evaluation import flat_settings

logger = logging.getLogger(__name__)
EXPERIMENT = "drywall-qa"
_LONGEST_PARAMETER = 500


class Tracker:
    """Hears a run's events, as `training.runs.execution.execute` tells them."""

    def __init__(self, run: OpenedRun) -> None:
        self._writer: Any = None
        self._mlflow: Any = None
        self._mlflow_run = ""
        self._safely("TensorBoard", lambda: self._open_tensorboard(run))
        if uri := run.config.mlflow_tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"):
            self._safely(f"MLflow at {uri}", lambda: self._open_mlflow(run, uri))

    def hear(self, event: Event) -> None:
        if self._writer is not None:
            self._safely("TensorBoard", lambda: self._to_tensorboard(event))
        if self._mlflow is not None:
            self._safely("MLflow", lambda: self._to_mlflow(event))

    def _open_tensorboard(self, run: OpenedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run.folder.tensorboard))
        self._writer.add_text("configuration", f"```yaml\n{dump_config(run.config)}```")

    def _to_tensorboard(self, event: Event) -> None:
        writer = self._writer
        if event["event"] == "step":
            writer.add_scalar("train/loss of a step", event["loss"], event["taken"])
        for name, value in scalars_of(event).items():
            writer.add_scalar(name, value, event.get("epoch", 0))
        if event["event"] in _LAST:
            writer.close()

    def _open_mlflow(self, run: OpenedRun, uri: str) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ModuleNotFoundError as error:
            raise RuntimeError("mlflow is not installed; pip install 'drywall-qa[mlflow]'") from error

        client = MlflowClient(tracking_uri=uri)
        path = run.folder.root / "mlflow_run"  # a resumed run goes on in its own
        if path.is_file():
            self._mlflow_run = path.read_text("utf-8").strip()
            client.update_run(self._mlflow_run, status="RUNNING")
        else:
            known = client.get_experiment_by_name(EXPERIMENT)
            experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
            record = run.record
            tags = {"drywall_qa.run": run.id, "drywall_qa.label_set": record.label_set}
            self._mlflow_run = client.create_run(experiment, run_name=record.name, tags=tags).info.run_id
            write_atomically(path, self._mlflow_run.encode())
            for key, value in flat_settings(record.config).items():
                client.log_param(self._mlflow_run, key, str(value)[:_LONGEST_PARAMETER])
        self._mlflow = client

    def _to_mlflow(self, event: Event) -> None:
        client = self._mlflow
        for name, value in scalars_of(event).items():
            client.log_metric(self._mlflow_run, name.replace(",", ""), value, step=event.get("epoch", 0))
        if event["event"] in _LAST:
            client.set_terminated(self._mlflow_run, status=_LAST[event["event"]])

    def _safely(self, what: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever a tracking tool raises, the training is worth more
            logger.warning("%s is left out from here on: %s", what, error)
            if what.startswith("TensorBoard"):
                self._writer = None
            else:
                self._mlflow = None


_LAST = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


def scalars_of(event: Event) -> dict[str, float]:
    """The numbers of an epoch, or of the scored test split, by names that sort."""
    if event["event"] == "epoch":
        found = {"train/loss": event["train_loss"], "val/loss": event["val_loss"], "val/mIoU": event["val_miou"]}
        found |= {"train/learning rate": event["lr"], "train/samples a second": event["samples_per_second"]}
        return found | {f"val/mIoU {name}": row["miou"] for name, row in event["classes"].items()}
    if event["event"] == "scored":
        return {f"test/mIoU {name}": miou for name, miou in event["miou"].items()}
    return {}
