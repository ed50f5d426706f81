"""Runs: trained, resumed, scored, compared, reported, pushed."""

from functools import partial
from typing import Annotated

import psutil
import typer

from core.errors import RequestError
from data.workspace import Workspace
from training.commands.options import JsonOption, SetOption, SplitOption, WorkspaceOption, app
from training.config import load_config
from training.runs.opened import OpenedRun
from training.terminal import comparison_table, emit, metrics_table, progress, runs_table, show_event, stderr

LOW_PRIORITY = psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else 10
"""Of processes that train, who also leave one of more than two cores alone: people at the dashboard come first."""


@app.command()
def train(
    workspace: WorkspaceOption,
    config: Annotated[str, typer.Argument(help="A shipped configuration or a YAML file")] = "published",
    set_: SetOption = None,
    queued: Annotated[str, typer.Option(hidden=True, help="Execute a run the dashboard queued")] = "",
    as_json: JsonOption = False,
) -> None:
    """Train and score the test split; prints the run's id."""
    from training.runs.execution import agreed
    from training.runs.runs import create_run

    opened = Workspace.open(workspace)
    run_id = queued or agreed(lambda: create_run(opened, load_config(config, set_ or [])).id)
    _execute(OpenedRun(opened, run_id), as_json)


@app.command()
def resume(run: str, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Go on with a stopped, failed or killed run after its last whole epoch; its weights end as if nothing had happened."""
    opened = Workspace.open(workspace)
    _execute(OpenedRun(opened, run), as_json, resume=True)


def _execute(run: OpenedRun, as_json: bool, *, resume: bool = False) -> None:
    import torch
    from accelerate import PartialState

    from training.runs.execution import execute

    psutil.Process().nice(LOW_PRIORITY)
    if (threads := torch.get_num_threads()) > 2:
        torch.set_num_threads(threads - 1)
    stderr.print(f"run {run.id} on {run.record.label_set}")
    with progress() as on_progress:
        outcome = execute(run, partial(show_event, on_progress), resume=resume)
    best = {"epoch": outcome.best_epoch, "val_miou": outcome.best_val_miou if outcome.best_epoch else None}
    if PartialState().is_main_process:
        emit({"run": run.id, "best": best, "seconds": outcome.seconds}, as_json, run.id)


@app.command()
def evaluate(
    run: str,
    workspace: WorkspaceOption,
    split: SplitOption = "test",
    labels: Annotated[str, typer.Option(help="all, or human: leave out labels taken from a model's proposal")] = "all",
    as_json: JsonOption = False,
) -> None:
    """Score a run: mIoU, Dice, thin-structure metrics, the resolution ceiling; masks and figures."""
    from training.scoring.evaluation import evaluate as evaluate_run
    from training.scoring.figures import write_failures

    opened = OpenedRun(Workspace.open(workspace), run)
    with progress() as on_progress:
        document = evaluate_run(opened, split, on_progress, labels)
        write_failures(opened, split, 4)
    emit(document, as_json, metrics_table(document))


@app.command()
def score(
    checkpoint: Annotated[str, typer.Argument(help="compact, a CLIPSeg folder or hub id, grounded-sam:DINO+SAM, sam3:ID")],
    workspace: WorkspaceOption,
    split: SplitOption = "test",
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a named checkpoint as it is, as a run of its own; nothing is trained."""
    from training.scoring.checkpoint import score as score_checkpoint
    from training.scoring.evaluation import summary

    opened = Workspace.open(workspace)
    config = load_config("published", set_ or []).changed(checkpoint=checkpoint)
    if config.name == "published":
        config = config.changed(name=checkpoint[-60:])
    with progress() as on_progress:
        run = score_checkpoint(opened, config, split, on_progress)
    document = summary(opened.store, run.id, split)
    emit(document, as_json, metrics_table(document))


@app.command()
def failures(
    run: str,
    workspace: WorkspaceOption,
    split: SplitOption = "test",
    count: Annotated[int, typer.Option(min=1, max=50, help="Samples in each figure")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Write the best and worst predictions of each class as figures: photo, truth, prediction, IoU."""
    from training.scoring.figures import write_failures

    opened = Workspace.open(workspace)
    paths = [str(path) for path in write_failures(OpenedRun(opened, run), split, count)]
    emit({"figures": paths}, as_json, "\n".join(paths))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN [RUN...]")],
    workspace: WorkspaceOption,
    split: SplitOption = "test",
    as_json: JsonOption = False,
) -> None:
    """Compare runs on the samples all were scored on: two sample by sample, more as a table."""
    from training.scoring.comparison import compare_all
    from training.scoring.evaluation import compare as compare_runs

    store = Workspace.open(workspace).store
    if len(runs) < 2:
        raise RequestError(f"compare needs two runs or more, got {runs[0]} alone")
    if len(runs) > 2:
        document = compare_all(store, runs, split)
        return emit(document, as_json, runs_table(document))
    run, other = runs
    document = compare_runs(store, run, other, split)
    emit(document, as_json, comparison_table(document))


@app.command()
def report(run: str, workspace: WorkspaceOption, split: SplitOption = "test", as_json: JsonOption = False) -> None:
    """Write the run's report, report.pdf and report.html in its folder: results, causes of failures, how to repeat it."""
    from training.report import write_report

    files = write_report(OpenedRun(Workspace.open(workspace), run), split)
    document = {"pdf": str(files.pdf), "html": str(files.html)}
    emit(document, as_json, "\n".join(document.values()))


@app.command()
def push(
    run: str,
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the hub")],
    workspace: WorkspaceOption,
    license_id: Annotated[str, typer.Option("--license", help="As hubs spell it: mit, apache-2.0, ...")] = "unknown",
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see a repository made now")] = True,
    as_json: JsonOption = False,
) -> None:
    """Push a run's checkpoint to a model hub, with a card that holds its figures."""
    from training.runs.push import push as push_run

    opened = Workspace.open(workspace)
    address = push_run(OpenedRun(opened, run), repo, license_id=license_id, private=private)
    emit({"run": run, "commit": address}, as_json, address)
