"""The command line. Results go to stdout (`--json`: one JSON document), progress and logs to stderr.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong.
"""

import errno
import getpass
import json
import logging
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from core.errors import AnnotationError, DrywallError, PhotoError, RequestError
from core.files import write_atomically
from core.prompts import check_prompt
from core.sizes.band_size import scale_from_points
from data.exchange.export import EXPORTS, TABLES, export_labels
from data.exchange.formats import FORMATS
from data.exchange.label_import import LabelImport, read_import, save_import
from data.exchange.placement import Exif
from data.intake.preparation import prepare as prepare_workspace
from data.store.store import Store
from data.synthetic.demo import ensure_demo
from data.workspace import Workspace, default_root
from training.config import load_config
from training.terminal import (
    bench_table,
    comparison_table,
    emit,
    metrics_table,
    print_inspection,
    progress,
    runs_table,
    show_event,
    stderr,
    stdout,
)

ROOT = Path(__file__).parent.parent
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", help="The folder everything lives in", default_factory=default_root)
]
LOOPBACK = "127.0.0.1"
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout")]
SplitOption = Annotated[str, typer.Option(help="train, val or test")]
ExifOption = Annotated[
    Exif | None,
    typer.Option(help="Whether labels were drawn on the upright photo or on its stored pixels; default: as the sizes tell"),
]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard")]
HostOption = Annotated[str, typer.Option(help="Address the dashboard listens on; 0.0.0.0: whoever reaches it gets in")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting")]


@app.command()
def demo(
    workspace: WorkspaceOption,
    port: PortOption = 8501,
    host: HostOption = LOOPBACK,
    dashboard_too: Annotated[bool, typer.Option("--open/--no-open", help="Open the dashboard on it")] = True,
) -> None:
    """Make the demo workspace (generated photos) and open the dashboard on it."""
    from training.runs.demo_run import ensure_demo_run

    if dashboard_too:
        _check_address(host, port)
    opened, store = _open(workspace)
    with progress() as on_progress:
        ensure_demo(opened, store, on_progress)
        ensure_demo_run(opened, store, on_progress)
    if dashboard_too:
        dashboard(workspace, port, host)


@app.command()
def prepare(
    raw_dir: Annotated[Path, typer.Argument(help="Folder with {taping,cracks}/{train,valid,test}, or a ZIP archive of it")],
    workspace: WorkspaceOption,
    set_: SetOption = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME=CLASS", help="Map a folder, or a category in it, to a class")
    ] = None,
    exif: ExifOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import COCO exports: inspect, render masks, group copies, split.

    Of several categories in a class folder those called as the class, or as its prompts, are taken; --class says of others.
    """
    settings = load_config("published", set_ or []).split
    mapping = dict(_pair(text) for text in class_) if class_ else None
    opened, store = _open(workspace)
    with progress() as on_progress:
        report = prepare_workspace(
            raw_dir, opened, store, **settings.model_dump(), class_of_folder=mapping, exif=exif, on_progress=on_progress
        )
    print_inspection(store, as_json)
    if not any(row["images"] for row in report.rows):
        raise AnnotationError(f"no photo of {raw_dir} could be imported; the reasons are listed in the report")


@app.command()
def inspect(workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Show duplicates, leakage, label problems and class balance."""
    print_inspection(_open(workspace)[1], as_json)


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

    opened, store = _open(workspace)
    run_id = queued or agreed(lambda: create_run(opened, store, load_config(config, set_ or [])).id)
    _execute(opened, store, run_id, as_json)


@app.command()
def resume(run: str, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Go on with a stopped, failed or killed run after its last whole epoch; its weights end as if nothing had happened."""
    opened, store = _open(workspace)
    _execute(opened, store, run, as_json, resume=True)


def _execute(workspace: Workspace, store: Store, run_id: str, as_json: bool, *, resume: bool = False) -> None:
    from accelerate import PartialState

    from training.runs.execution import execute

    stderr.print(f"run {run_id} on {store.run(run_id).label_set}")
    with progress() as on_progress:
        outcome = execute(workspace, store, run_id, partial(show_event, on_progress), resume=resume)
    best = {"epoch": outcome.best_epoch, "val_miou": outcome.best_val_miou if outcome.best_epoch else None}
    if PartialState().is_main_process:
        emit({"run": run_id, "best": best, "seconds": outcome.seconds}, as_json, run_id)


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

    opened, store = _open(workspace)
    with progress() as on_progress:
        document = evaluate_run(opened, store, run, split, on_progress, labels)
        write_failures(opened, store, run, split, 4)
    emit(document, as_json, metrics_table(document))


@app.command()
def predict(
    image: Annotated[Path, typer.Argument(help="A photo, or a folder of photos")],
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...")],
    workspace: WorkspaceOption,
    run: Annotated[str | None, typer.Option(help="Use this run's checkpoint")] = None,
    checkpoint: Annotated[str, typer.Option(help='"compact", a CLIPSeg folder or a hub id')] = "compact",
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability from which a pixel counts; default: the run's for the prompt's class, or 0.5"),
    ] = None,
    tiles: Annotated[
        int | None, typer.Option(help="Look at overlapping tiles of this side in pixels; 0: the whole photo")
    ] = None,
    side: Annotated[int | None, typer.Option(help="Side of the square the model reads, for example 704")] = None,
    flips: Annotated[bool | None, typer.Option("--flips/--no-flips", help="Average over the mirror images")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the masks")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Write IMAGE__PROMPT.png for each prompt: one channel, {0, 255}, the photo's size. IMAGE may be a folder of photos.

    Where two masks would have one name, the second's ends in a hash. What looks like a picture and cannot be read is named.
    A run looks as it was configured to. Photos are looked at in int8 or bf16 where that was measured to pay; it is measured
    once a run or a machine, so a photo gives the same mask alone and in a folder. No workspace is needed without --run.
    """
    from core.models.predictor import DEFAULT_THRESHOLD
    from core.photos import read_photo
    from training.inference.folder import photos_in, predict_alone, score_folder
    from training.inference.formats import prediction_format
    from training.inference.predictors import (
        in_number_format,
        load_predictor,
        mask_names,
        named_predictor,
        threshold_of,
        write_masks,
    )
    from training.runs.runs import run_folder

    if threshold is not None and not 0 < threshold < 1:
        raise RequestError(f"--threshold must lie in (0, 1), got {threshold}")
    prompts = list(dict.fromkeys(check_prompt(prompt) for prompt in prompts))
    photos = photos_in(image) if image.is_dir() else []
    photo = None if photos else read_photo(image)
    asked = {"tiles": tiles, "side_px": side, "flips": flips}
    inference = {name: value for name, value in asked.items() if value is not None}
    if run is None:
        predictor, folder = named_predictor(checkpoint, inference), None
        thresholds = [threshold or DEFAULT_THRESHOLD for _ in prompts]
    else:
        opened, store = _open(workspace)
        predictor, folder = load_predictor(opened, store, run, inference=inference), run_folder(opened, run)
        thresholds = [threshold or threshold_of(opened, store, run, prompt) for prompt in prompts]
    predictor = in_number_format(predictor, prediction_format(folder))
    if photo is None:
        written, refused = [], []
        with progress() as on_progress:
            for _, found in score_folder(photos, predictor, prompts, thresholds, out, on_progress=on_progress):
                if isinstance(found, PhotoError):
                    refused.append(str(found))
                    stderr.print(f"left out: {found}")
                else:
                    written += [str(path) for path in found]
        read = len(photos) - len(refused)
        document = {"masks": written, "refused": refused, "number_format": predictor.number_format}
        emit(document, as_json, f"{len(written)} masks of {read} photos in {out}")
        if not read:
            raise PhotoError(f"none of the {len(photos)} pictures in {image} could be read; each is named above")
        return
    predictions = predict_alone(predictor, photo, prompts)
    for prediction in predictions:
        if prediction.cut:
            stderr.print(f'prompt "{prediction.prompt[:40]}..." is longer than the model reads; its end was cut')
    names = mask_names([image.name], prompts).values()
    paths = [str(path) for path in write_masks(predictions, thresholds, [out / name for name in names])]
    emit({"masks": paths, "number_format": predictor.number_format}, as_json, "\n".join(paths))


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

    opened, store = _open(workspace)
    paths = [str(path) for path in write_failures(opened, store, run, split, count)]
    emit({"figures": paths}, as_json, "\n".join(paths))


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

    opened, store = _open(workspace)
    config = load_config("published", set_ or []).changed(checkpoint=checkpoint)
    if config.name == "published":
        config = config.changed(name=checkpoint[-60:])
    with progress() as on_progress:
        run = score_checkpoint(opened, store, config, split, on_progress)
    document = summary(store, run.id, split)
    emit(document, as_json, metrics_table(document))


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

    store = _open(workspace)[1]
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

    files = write_report(*_open(workspace), run, split)
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

    opened, store = _open(workspace)
    address = push_run(opened, store, run, repo, license_id=license_id, private=private)
    emit({"run": run, "commit": address}, as_json, address)


@app.command()
def onnx(
    folder: Annotated[Path, typer.Argument(help="A new folder")],
    workspace: WorkspaceOption,
    run: Annotated[str | None, typer.Option(help="Export this run's checkpoint")] = None,
    checkpoint: Annotated[str, typer.Option(help='"compact", a CLIPSeg folder or a hub id')] = "compact",
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint as ONNX graphs, each compared with torch before it is kept."""
    from core.models.onnx_export import export_onnx
    from core.models.predictor import Predictor
    from training.config import make_config
    from training.inference.predictors import load_predictor, named_predictor

    if run is None:
        predictor, config = named_predictor(checkpoint), load_config()
    else:
        opened, store = _open(workspace)
        predictor, config = load_predictor(opened, store, run), make_config(store.run(run).config)
    if not isinstance(predictor, Predictor):
        raise RequestError(f"{checkpoint} is no CLIPSeg checkpoint; only those can be written as ONNX")
    prompts = [prompt for synonyms in config.synonyms.values() for prompt in synonyms]
    differences = export_onnx(predictor.segmenter, folder, prompts)
    lines = [f"{name}.onnx: {value:.1e} from torch" for name, value in differences.items()]
    emit({"folder": str(folder), "difference_to_torch": differences}, as_json, "\n".join(lines))


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", help=", ".join(EXPORTS))],
    workspace: WorkspaceOption,
    out: Annotated[Path, typer.Option(help="Target folder")] = Path("export"),
    label_set: Annotated[str | None, typer.Option(help="A frozen label set; default: the current labels")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the labels out, or the review log or the sizes as a table; labels come back in by import-labels."""
    opened, store = _open(workspace)
    count = export_labels(opened, store, out, form, label_set)
    lines = "lines" if form in TABLES else "samples"
    emit({lines: count, "folder": str(out)}, as_json, f"{count} {lines} written to {out}")


@app.command()
def import_labels(
    path: Annotated[Path, typer.Argument(help="The exported file, its folder or its ZIP archive")],
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))],
    workspace: WorkspaceOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change")] = False,
    author: Annotated[str | None, typer.Option(help="Who the revisions are by; default: your login")] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME=CLASS", help="Map the file's class to the workspace's")
    ] = None,
    exif: ExifOption = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="A photo without shapes has nothing there: empty its label, which stays otherwise")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how labels from another tool differ from the ones here and save them as new revisions."""
    _, store = _open(workspace)
    found = read_import(store, path, form, dict(_pair(text) for text in class_ or []), empty=empty, exif=exif)
    saved = [] if dry_run else save_import(store, found, author or getpass.getuser())
    if as_json:
        emit({**found.document(), "saved": saved}, True, None)
    else:
        _print_import(found, "nothing saved (--dry-run)" if dry_run else f"{len(saved)} saved as new revisions")
    if not (found.same or saved or (dry_run and found.changes)):
        raise AnnotationError(f"nothing in {path} could be used; why is said above, item by item")


def _print_import(found: LabelImport, done: str) -> None:
    table = Table("sample", "file", "class", "IoU old/new", "px before", "px after", "added", "removed")
    for change in found.changes:
        difference = change.difference
        numbers = (change.old_px, change.new_px, difference.added_px, difference.removed_px)
        table.add_row(str(change.sample_id), change.file_name, change.class_name, f"{difference.iou:.4f}", *map(str, numbers))
    stdout.print(table)
    for item in found.skipped:
        stdout.print(f"skipped {item.item}: {item.reason}", soft_wrap=True, markup=False)
    for note in found.notes:
        stdout.print(f"note {note.item}: {note.text}", soft_wrap=True, markup=False)
    counts = f"{len(found.changes)} labels differ, {len(found.same)} are the same, {len(found.skipped)} skipped"
    stdout.print(f"{counts}; {done}", soft_wrap=True)


@app.command()
def scale(
    sample: Annotated[int, typer.Argument(help="A sample's number; the scale holds for its photo")],
    workspace: WorkspaceOption,
    px_per_mm: Annotated[float | None, typer.Option(help="Pixels a millimetre takes")] = None,
    line: Annotated[str | None, typer.Option(metavar="X1,Y1,X2,Y2", help="Two points of the photo, in pixels")] = None,
    length_mm: Annotated[float | None, typer.Option(help="How far apart the points of --line are")] = None,
    author: Annotated[str | None, typer.Option(help="Who gives it; default: your login")] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a photo its scale, so that cracks and joints are measured in mm and m."""
    if (px_per_mm is None) == (line is None) or (line is None) != (length_mm is None):
        raise RequestError("give either --px-per-mm, or --line X1,Y1,X2,Y2 with --length-mm")
    _, store = _open(workspace)
    if line is not None and length_mm is not None:
        try:
            x1, y1, x2, y2 = map(float, line.split(","))
        except ValueError as error:
            raise RequestError(f"--line {line} needs four numbers, for example 10,20,400,20") from error
        px_per_mm = scale_from_points((x1, y1), (x2, y2), length_mm)
    store.set_scale(store.sample(sample).image_hash, px_per_mm, author or getpass.getuser())
    emit({"sample": sample, "px_per_mm": px_per_mm}, as_json, f"sample {sample}: {px_per_mm:.4g} px a mm")


@app.command()
def dashboard(workspace: WorkspaceOption, port: PortOption = 8501, host: HostOption = LOOPBACK) -> None:
    """Open the dashboard on the workspace. Nobody signs in, so it listens on this machine alone unless --host says otherwise."""
    _check_address(host, port)
    opened, _ = _open(workspace)
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "dashboard" / "app.py"),
        "--server.port",
        str(port),
        "--server.address",
        host,
        "--",
        "--workspace",
        str(opened.root),
    ]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side is timed")] = 5,
    out: Annotated[Path, typer.Option(help="Where bench.json is written")] = Path("bench.json"),
    as_json: JsonOption = False,
) -> None:
    """Measure ratios against the plain reference implementation, interleaved in one process; writes bench.json."""
    from training.studies.bench import run_bench

    with progress() as on_progress:
        document = run_bench(names or [], rounds, on_progress)
    write_atomically(out, (json.dumps(document, indent=2) + "\n").encode())
    emit(document, as_json, bench_table(document))


def main() -> None:
    """Run the command line; every expected failure becomes one sentence on stderr and its exit code."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        app()
    except DrywallError as error:
        stderr.print(f"[bold red]error:[/] {error}", markup=True, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


def _check_address(host: str, port: int) -> None:
    """Raises RequestError when nothing can listen there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a dashboard that ended just now is in nobody's way
            probe.bind((host, port))
    except OSError as error:
        option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise RequestError(
            f"the dashboard cannot listen on {host}, port {port} ({error.strerror}); choose another {option}"
        ) from error


def _open(root: Path) -> tuple[Workspace, Store]:
    workspace = Workspace.open(root)
    return workspace, workspace.store()


def _pair(text: str) -> tuple[str, str]:
    folder, separator, class_name = text.partition("=")
    if not separator or not folder or not class_name:
        raise RequestError(f"--class {text} needs the form NAME=CLASS, for example walls=cracks")
    return folder, class_name


if __name__ == "__main__":
    main()
