"""Sweeps: one recipe trained with several settings, chosen by Optuna, one after the other; the best by validation mIoU is marked.

A sweep's file names what is tried:

    trials: 8
    method: halving          # or random; halving ends what falls behind (successive halving, Jamieson & Talwalkar 2016)
    seed: 0
    parameters:
      train.lr: {low: 1.0e-4, high: 1.0e-3, log: true}
      loss.cldice: [0.0, 0.1, 0.3]
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import optuna
import yaml
from pydantic import Field, ValidationError, model_validator

from core.errors import ConfigError, DrywallError
from core.settings import Settings
from core.train.trainer import Event
from data.workspace import Workspace
from training.config import RunConfig, known_keys, make_config
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.scoring.evaluation import evaluate


class Span(Settings):
    """A range of numbers. log: small ones as often as large ones."""

    low: float = Field(description="The least")
    high: float = Field(description="The most")
    log: bool = Field(False, description="Evenly by orders of magnitude")

    @model_validator(mode="after")
    def _rises(self) -> "Span":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low must be below high, and above 0 where log is set, got {self.low} and {self.high}")
        return self


class Sweep(Settings):
    trials: int = Field(ge=1, le=1000, description="How many runs")
    method: Literal["random", "halving"] = Field("random", description="Whether what falls behind is ended")
    seed: int = Field(0, ge=0, description="Of what is drawn")
    parameters: dict[str, Span | list[Any]] = Field(min_length=1, description="Setting to its values or its range")


def load_sweep(path: Path) -> Sweep:
    """Raises ConfigError for a file that is none, or a setting that is not known."""
    try:
        sweep = Sweep.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a sweep ({str(error).splitlines()[0]})") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for key, values in sweep.parameters.items():
        if key not in known_keys():
            raise ConfigError(f"{path}: {key} is not a setting; see docs/reference.md")
        if values == []:
            raise ConfigError(f"{path}: {key} has no value to try")
    return sweep


def run_sweep(
    workspace: Workspace, config: RunConfig, sweep: Sweep, on_event: Callable[[Event], None] = lambda event: None
) -> dict[str, Any]:
    """Trains every trial as a run of its own and scores the best one's test split. Returns {"best": run id or None, "trials":
    [{"run", "state", "val_miou", "epochs", SETTING: value ...}]}, the best first. A trial that fails is noted and the rest go on."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    halving = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    pruner = halving if sweep.method == "halving" else optuna.pruners.NopPruner()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(sweep.seed), pruner=pruner)
    rows: list[dict[str, Any]] = []
    for number in range(sweep.trials):
        trial = study.ask()
        chosen = {key: _suggest(trial, key, values) for key, values in sweep.parameters.items()}
        words = ", ".join(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in chosen.items())
        with_values = _with(config, chosen, f"{config.name} {number + 1}"[:60])
        run = OpenedRun(workspace, create_run(workspace, with_values).id)
        workspace.store.update_run(run.id, note=f"sweep of {config.name}: {words}")
        row = {"run": run.id, "state": "finished", "val_miou": None, "epochs": 0, **chosen}
        rows.append(row)
        fell_behind: list[bool] = []

        def hear(event: Event, trial: Any = trial, row: dict[str, Any] = row, fell_behind: list[bool] = fell_behind) -> None:
            on_event(event)
            if event["event"] == "epoch":
                row["epochs"] = event["epoch"]
                trial.report(event["val_miou"], event["epoch"])
                if trial.should_prune():
                    fell_behind.append(True)

        try:
            outcome = execute(run, hear, should_stop=partial(bool, fell_behind), score=False)
        except DrywallError as error:
            row["state"] = f"failed: {error}"
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        row["val_miou"] = outcome.best_val_miou if outcome.best_epoch else None
        if fell_behind:
            row["state"] = "fell behind"
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif outcome.stopped:
            row["state"] = "stopped"
            break
        else:
            study.tell(trial, row["val_miou"])
    rows.sort(key=lambda row: -(row["val_miou"] or -1.0))
    best = rows[0]["run"] if rows[0]["val_miou"] is not None else None
    if best is not None:
        evaluate(OpenedRun(workspace, best), "test")
        record = workspace.store.run(best)
        workspace.store.update_run(best, note=f"best {record.note}")
    return {"best": best, "trials": rows}


def _suggest(trial: Any, key: str, values: Span | list[Any]) -> Any:
    if isinstance(values, Span):
        return trial.suggest_float(key, values.low, values.high, log=values.log)
    return values[trial.suggest_int(key, 0, len(values) - 1)]


def _with(config: RunConfig, chosen: dict[str, Any], name: str) -> RunConfig:
    document: dict[str, Any] = config.model_dump(mode="json") | {"name": name}
    for key, value in chosen.items():
        *parents, last = key.split(".")
        place = document
        for parent in parents:
            place[parent] = place[parent] or {}
            place = place[parent]
        place[last] = value
    return make_config(document, "the sweep")
