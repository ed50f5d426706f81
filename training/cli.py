"""The command line. Results go to stdout (`--json`: one JSON document), progress and logs to stderr.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.errors import DrywallError, RequestError
from data.demo import ensure_demo
from data.duplicates import find_leaks
from data.export import export_labels
from data.preparation import prepare as prepare_workspace
from data.store import Store
from data.workspace import Workspace, default_root
from training.config import load_config

ROOT = Path(__file__).parent.parent
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
stderr, stdout = Console(stderr=True), Console()

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", help="The folder everything lives in", default_factory=default_root)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout")]
SplitOption = Annotated[str, typer.Option(help="train, val or test")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting")]


@app.command()
def demo(
    workspace: WorkspaceOption, port: Annotated[int, typer.Option(help="Port of the dashboard")] = 8501,
    dashboard_too: Annotated[bool, typer.Option("--open/--no-open", help="Open the dashboard on it")] = True,
) -> None:  # fmt: skip
    """Make the demo workspace (generated photos) and open the dashboard on it."""
    from training.demo_run import ensure_demo_run

    opened, store = _open(workspace)
    with _progress() as on_progress:
        ensure_demo(opened, store, on_progress)
        ensure_demo_run(opened, store, on_progress)
    if dashboard_too:
        dashboard(workspace, port)


@app.command()
def prepare(
    raw_dir: Annotated[Path, typer.Argument(help="Folder with {taping,cracks}/{train,valid,test}")],
    workspace: WorkspaceOption,
    set_: SetOption = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", metavar="FOLDER=CLASS", help="Map a folder to a class")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import COCO exports: inspect, render masks, group copies, split."""
    settings = load_config("published", set_ or []).split
    mapping = dict(_pair(text) for text in class_) if class_ else None
    opened, store = _open(workspace)
    with _progress() as on_progress:
        prepare_workspace(
            raw_dir, opened, store, **settings.model_dump(), class_of_folder=mapping, on_progress=on_progress
        )
    _print_inspection(store, as_json)


@app.command()
def inspect(workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Show duplicates, leakage, label problems and class balance."""
    _print_inspection(_open(workspace)[1], as_json)


@app.command()
def train(
    workspace: WorkspaceOption,
    config: Annotated[str, typer.Argument(help="A shipped configuration or a YAML file")] = "published",
    set_: SetOption = None,
    queued: Annotated[str, typer.Option(hidden=True, help="Execute a run the dashboard queued")] = "",
    as_json: JsonOption = False,
) -> None:
    """Train and score the test split; prints the run's id."""
    from training.execution import execute
    from training.runs import create_run

    opened, store = _open(workspace)
    run = store.run(queued) if queued else create_run(opened, store, load_config(config, set_ or []))
    stderr.print(f"run {run.id} on {run.label_set}")
    with _progress() as on_progress:

        def show(event: dict[str, Any]) -> None:
            if event["event"] == "step":
                done = (event["epoch"] - 1) * event["steps"] + event["step"]
                on_progress(f"epoch {event['epoch']} loss {event['loss']:.3f}", done, event["steps"] * event["epochs"])
            elif event["event"] == "epoch":
                stderr.print(
                    f"epoch {event['epoch']}: loss {event['train_loss']:.4f}, val mIoU {event['val_miou']:.4f}"
                )

        outcome = execute(opened, store, run.id, show)
    best = {"epoch": outcome.best_epoch, "val_miou": outcome.best_val_miou if outcome.best_epoch else None}
    _emit({"run": run.id, "best": best, "seconds": outcome.seconds}, as_json, run.id)


@app.command()
def evaluate(
    run: str, workspace: WorkspaceOption, split: SplitOption = "test",
    labels: Annotated[str, typer.Option(help="all, or human: leave out labels taken from a model's proposal")] = "all",
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score a run: per-class mIoU, Dice, precision, recall and samples; masks and figures."""
    from training.evaluation import evaluate as evaluate_run
    from training.figures import write_failures

    opened, store = _open(workspace)
    with _progress() as on_progress:
        document = evaluate_run(opened, store, run, split, on_progress, labels)
        write_failures(opened, store, run, split, 4)
    _emit(document, as_json, _metrics_table(document))


@app.command()
def predict(
    image: Path, prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...")], workspace: WorkspaceOption,
    run: Annotated[str | None, typer.Option(help="Use this run's checkpoint")] = None,
    checkpoint: Annotated[str, typer.Option(help='"compact", a CLIPSeg folder or a hub id')] = "compact",
    threshold: Annotated[float, typer.Option(help="Probability from which a pixel counts")] = 0.5,
    out: Annotated[Path, typer.Option(help="Folder for the masks")] = Path(),
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write IMAGE__PROMPT.png for each prompt: one channel, {0, 255}, the photo's size."""
    from core.photos import read_photo
    from training.inference import load_predictor, write_masks

    if not 0 < threshold < 1:
        raise RequestError(f"--threshold must lie in (0, 1), got {threshold}")
    opened, store = _open(workspace)
    photo = read_photo(image)
    predictions = load_predictor(opened, store, run, checkpoint).predict(photo, prompts)
    for prediction in predictions:
        if prediction.cut:
            stderr.print(f'prompt "{prediction.prompt[:40]}..." is longer than the model reads; its end was cut')
    paths = [str(path) for path in write_masks(image.name, predictions, threshold, out)]
    _emit({"masks": paths}, as_json, "\n".join(paths))


@app.command()
def failures(
    run: str, workspace: WorkspaceOption, split: SplitOption = "test",
    count: Annotated[int, typer.Option(min=1, max=50, help="Samples in each figure")] = 4,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write the best and worst predictions of each class as figures: photo, truth, prediction, IoU."""
    from training.figures import write_failures

    opened, store = _open(workspace)
    paths = [str(path) for path in write_failures(opened, store, run, split, count)]
    _emit({"figures": paths}, as_json, "\n".join(paths))


@app.command()
def compare(
    run: str, other: str, workspace: WorkspaceOption, split: SplitOption = "test", as_json: JsonOption = False
) -> None:
    """Compare two runs on the samples both were scored on."""
    from training.evaluation import compare as compare_runs

    document = compare_runs(_open(workspace)[1], run, other, split)
    table = Table("", run, other, "better", "worse", "samples")
    for name, row in [*document["classes"].items(), ("overall", document["overall"])]:
        before, after = row["miou"]
        table.add_row(name, f"{before:.4f}", f"{after:.4f}", *(str(row[key]) for key in ("better", "worse", "samples")))
    _emit(document, as_json, table)


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", help="coco, masks or yolo")], workspace: WorkspaceOption,
    out: Annotated[Path, typer.Option(help="Target folder")] = Path("export"),
    label_set: Annotated[str | None, typer.Option(help="A frozen label set; default: the current labels")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write the labels out; coco comes back in unchanged."""
    opened, store = _open(workspace)
    count = export_labels(opened, store, out, form, label_set)
    _emit({"samples": count, "folder": str(out)}, as_json, f"{count} samples written to {out}")


@app.command()
def dashboard(workspace: WorkspaceOption, port: Annotated[int, typer.Option(help="Port")] = 8501) -> None:
    """Open the dashboard on the workspace."""
    opened, _ = _open(workspace)
    command = [
        sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), "--server.port", str(port),
        "--", "--workspace", str(opened.root),
    ]  # fmt: skip
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def main() -> None:
    """Run the command line; every expected failure becomes one sentence on stderr and its exit code."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        app()
    except DrywallError as error:
        stderr.print(f"[bold red]error:[/] {error}", markup=True, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


def _open(root: Path) -> tuple[Workspace, Store]:
    workspace = Workspace.open(root)
    return workspace, workspace.store()


def _pair(text: str) -> tuple[str, str]:
    folder, separator, class_name = text.partition("=")
    if not separator or not folder or not class_name:
        raise RequestError(f"--class {text} needs the form FOLDER=CLASS, for example walls=cracks")
    return folder, class_name


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr; yields `on_progress(what, done, total)`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _emit(document: dict[str, Any], as_json: bool, text: Any) -> None:
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        stdout.print(text, soft_wrap=True)


def _metrics_table(document: dict[str, Any]) -> Table:
    table = Table(
        "class", "mIoU", "Dice", "precision", "recall", "samples", title=f"run {document['run']} on {document['split']}"
    )
    for name, row in [*document["classes"].items(), ("overall", document["overall"])]:
        table.add_row(
            name, *(f"{row[key]:.4f}" for key in ("miou", "dice", "precision", "recall")), str(row["samples"])
        )
    return table


def _print_inspection(store: Store, as_json: bool) -> None:
    report = store.last_import()
    if report is None:
        raise RequestError("nothing was imported into this workspace yet; run drywall-qa prepare RAW_DIR")
    samples = store.samples()
    groups = {sample.id: sample.group for sample in samples}
    leaks = find_leaks(groups, {sample.id: sample.split for sample in samples})
    copies = len(samples) - len(set(groups.values()))
    document = {
        "classes": report.rows,
        "problems": [vars(problem) for problem in report.problems],
        "samples": store.counts().to_dict("records"),
        "groups": len(set(groups.values())),
        "leaks": [{"group": leak.group, "splits": leak.splits, "samples": leak.sample_ids} for leak in leaks],
    }
    if as_json:
        _emit(document, True, None)
        return
    if report.rows:
        table = Table("", *(f"{row['class']}/{row['split']}" for row in report.rows))
        for key in list(report.rows[0])[2:]:
            table.add_row(key.replace("_", " "), *(str(row[key]) for row in report.rows))
        stdout.print(table)
    for problem in report.problems[:20]:
        stdout.print(
            f"{problem.action}: {problem.item} in {problem.class_name}/{problem.split} {problem.file_name}: {problem.reason}"
        )
    if len(report.problems) > 20:
        stdout.print(f"... and {len(report.problems) - 20} more; the Data page lists all")
    stdout.print(
        store.counts().pivot_table(index="class_name", columns="split", values="samples", aggfunc="sum", fill_value=0)
    )
    stdout.print(
        f"{len(samples)} samples of {len(set(groups.values()))} source photos ({copies} copies), {len(leaks)} groups cross splits"
    )


if __name__ == "__main__":
    main()
