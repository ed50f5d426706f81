"""Runs: trained, resumed, scored, compared, reported, pushed."""

from functools import partial
from pathlib import Path
from typing import Annotated

import psutil
import typer

from core.errors import RequestError
from data.workspace import Workspace
from training.commands.options import JsonOption, SetOption, SplitOption, WorkspaceOption, app
from training.config import RunConfig, load_config
from training.runs.opened import OpenedRun
from training.runs.runs import check_resumable
from training.terminal import comparison_table, emit, metrics_table, progress, runs_table, show_event, stderr, sweep_table

LOW_PRIORITY = psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else 10
"""Of processes that train, who also leave one of more than two cores alone: people at the dashboard come first."""


@app.command()
def train(
    workspace: WorkspaceOption,
    config: Annotated[str, typer.Argument(help="A shipped configuration or a YAML file")] = "published",
    set_: SetOption = None,
    sweep: Annotated[Path | None, typer.Option(help="YAML file of settings to try, one run each (docs/sweeps.md)")] = None,
    queued: Annotated[str, typer.Option(hidden=True, help="Execute a run the dashboard queued")] = "",
    as_json: JsonOption = False,
) -> None:
    """Train and score the test split; prints the run's id. Waits while another run of the workspace has the machine."""
    opened = Workspace.open(workspace)
    if sweep is not None:
        return _sweep(opened, load_config(config, set_ or []), sweep, as_json)
    if queued:
        run_id = queued
    else:
        from training.runs.execution import agreed
        from training.runs.runs import create_run

        run_id = agreed(lambda: create_run(opened, load_config(config, set_ or [])).id)
    _execute(OpenedRun(opened, run_id), as_json)


@app.command()
def resume(run: str, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Go on with a stopped, failed or killed run after its last whole epoch; its weights end as if nothing had happened."""
    opened = Workspace.open(workspace)
    _execute(OpenedRun(opened, run), as_json, resume=True)


def _sweep(workspace: Workspace, config: RunConfig, path: Path, as_json: bool) -> None:
    from training.runs.sweep import load_sweep, run_sweep

    settings = load_sweep(path)
    _be_modest()
    with progress() as on_progress:
        document = run_sweep(workspace, config, settings, partial(show_event, on_progress))
    emit(document, as_json, sweep_table(document))


def _be_modest() -> None:
    """Low priority, and with more than two cores one is left free."""
    import torch

    psutil.Process().nice(LOW_PRIORITY)
    if (threads := torch.get_num_threads()) > 2:
        torch.set_num_threads(threads - 1)


def _execute(run: OpenedRun, as_json: bool, *, resume: bool = False) -> None:
    from training.runs.turn import wait_for_turn

    if resume:
        check_resumable(run)
    if not wait_for_turn(run, lambda reason: stderr.print(f"run {run.id}: {reason}", soft_wrap=True)):
        return
    from accelerate import PartialState

    from training.runs.execution import execute

    _be_modest()
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
def report_site(
    photos: Annotated[Path, typer.Argument(help="A folder of photos, no labels needed")],
    run: Annotated[str, typer.Option(help="Whose checkpoint looks at them")],
    workspace: WorkspaceOption,
    out: Annotated[Path, typer.Option(help="Folder for report.pdf, report.html and findings.csv")] = Path("site-report"),
    px_per_mm: Annotated[float | None, typer.Option(help="Pixels a millimetre takes, on all photos")] = None,
    scales: Annotated[Path | None, typer.Option(help="CSV file with columns photo and px_per_mm, for single photos")] = None,
    title: Annotated[str, typer.Option(help="What stands above it")] = "Site report",
    as_json: JsonOption = False,
) -> None:
    """Report on photos of a site: masks, crack widths, lengths of joints, and which photos need a person first."""
    from training.inference.folder import photos_in
    from training.report.site import read_scales, write_site_report

    opened = OpenedRun(Workspace.open(workspace), run)
    if not photos.is_dir():
        raise RequestError(f"{photos} is no folder; name the folder of the site's photos")
    named = [(path.name, path) for path in photos_in(photos)]
    of_single = read_scales(scales) if scales else {}
    with progress() as on_progress:
        paths = write_site_report(opened, named, out, title=title, px_per_mm=px_per_mm, scales=of_single, on_progress=on_progress)
    document = {path.suffix[1:]: str(path) for path in paths}
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
