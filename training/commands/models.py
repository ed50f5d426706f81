"""Models by themselves: masks of photos, ONNX, benchmarks."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import PhotoError, RequestError
from core.files import write_atomically
from core.prompts import check_prompt
from data.workspace import Workspace
from training.commands.options import JsonOption, SplitOption, WorkspaceOption, app
from training.config import load_config
from training.runs.opened import OpenedRun
from training.terminal import bench_table, emit, metrics_bench_table, progress, prompts_table, stderr, store_table


@app.command()
def predict(
    image: Annotated[Path, typer.Argument(help="A photo, or a folder of photos")],
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...")],
    workspace: WorkspaceOption,
    run: Annotated[str | None, typer.Option(help="Use this run's checkpoint")] = None,
    checkpoint: Annotated[str, typer.Option(help='"compact", a CLIPSeg folder, a hub id or a model server')] = "compact",
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability from which a pixel counts; default: the run's for the prompt's class, or 0.5"),
    ] = None,
    tiles: Annotated[
        int | None, typer.Option(help="Look at overlapping tiles of this side in pixels; 0: the whole photo")
    ] = None,
    side: Annotated[int | None, typer.Option(help="Side of the square the model reads, for example 704")] = None,
    flips: Annotated[bool | None, typer.Option("--flips/--no-flips", help="Average over the mirror images")] = None,
    sure: Annotated[
        float | None, typer.Option(help="Keep parts whose surest pixel has this probability; 0: all; default: the checkpoint's")
    ] = None,
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
    from training.inference.mask_files import mask_names, write_masks
    from training.inference.predictors import in_number_format, named_predictor

    if threshold is not None and not 0 < threshold < 1:
        raise RequestError(f"--threshold must lie in (0, 1), got {threshold}")
    prompts = list(dict.fromkeys(check_prompt(prompt) for prompt in prompts))
    photos = photos_in(image) if image.is_dir() else []
    photo = None if photos else read_photo(image)
    asked = {"tiles": tiles, "side_px": side, "flips": flips, "sure": sure}
    inference = {name: value for name, value in asked.items() if value is not None}
    if run is None:
        predictor, folder = named_predictor(checkpoint, inference), None
        thresholds = [threshold or DEFAULT_THRESHOLD for _ in prompts]
    else:
        opened = OpenedRun(Workspace.open(workspace), run)
        predictor, folder = opened.predictor(inference), opened.folder
        thresholds = [threshold or opened.threshold_of(prompt) for prompt in prompts]
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
def serve(
    workspace: WorkspaceOption,
    run: Annotated[str | None, typer.Option(help="Serve this run's checkpoint")] = None,
    checkpoint: Annotated[str, typer.Option(help='"compact", a CLIPSeg folder or a hub id')] = "compact",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free")] = 8600,
) -> None:
    """Answer photos and prompts over HTTP on this machine, as docs/model_server.md has it, until it is interrupted."""
    from training.inference.model_server import serve as serve_model
    from training.inference.predictors import named_predictor

    predictor = OpenedRun(Workspace.open(workspace), run).predictor() if run else named_predictor(checkpoint)
    server = serve_model(
        lambda photo, prompts: [found.probs for found in predictor.predict(photo, prompts)], run or checkpoint, port
    )
    stderr.print(f"listening on http://127.0.0.1:{server.server_port}", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


@app.command()
def prompts(
    run: str,
    workspace: WorkspaceOption,
    split: SplitOption = "test",
    ask: Annotated[list[str] | None, typer.Option("--ask", help="Another sentence to ask")] = None,
    per_class: Annotated[int, typer.Option(min=1, help="Photos of each class")] = 40,
    as_json: JsonOption = False,
) -> None:
    """Ask a run every synonym, and other sentences, of photos of every class: mIoU of each."""
    from training.scoring.prompts import ask_prompts

    opened = OpenedRun(Workspace.open(workspace), run)
    with progress() as on_progress:
        document = ask_prompts(opened, split, ask or [], per_class, on_progress)
    emit(document, as_json, prompts_table(document))


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
    from training.inference.predictors import named_predictor

    if run is None:
        predictor, config = named_predictor(checkpoint), load_config()
    else:
        opened = OpenedRun(Workspace.open(workspace), run)
        predictor, config = opened.predictor(), opened.config
    if not isinstance(predictor, Predictor):
        raise RequestError(f"{checkpoint} is no CLIPSeg checkpoint; only those can be written as ONNX")
    prompts = [prompt for synonyms in config.synonyms.values() for prompt in synonyms]
    differences = export_onnx(predictor.segmenter, folder, prompts)
    lines = [f"{name}.onnx: {value:.1e} from torch" for name, value in differences.items()]
    emit({"folder": str(folder), "difference_to_torch": differences}, as_json, "\n".join(lines))


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side is timed")] = 5,
    out: Annotated[Path, typer.Option(help="Where bench.json is written")] = Path("bench.json"),
    as_json: JsonOption = False,
) -> None:
    """Measure ratios against the plain reference implementation, interleaved in one process; writes bench.json.

    `bench store` measures the pages' queries at 10,000, 100,000 and 1,000,000 scored samples instead, `bench metrics` how fast
    masks are scored.
    """
    with progress() as on_progress:
        if names == ["store"]:
            from training.studies.store_bench import run_store_bench

            document = run_store_bench(rounds, on_progress)
        elif names == ["metrics"]:
            document = _metrics_bench()(rounds, on_progress)
        else:
            from training.studies.bench import run_bench

            document = run_bench(names or [], rounds, on_progress)
    write_atomically(out, (json.dumps(document, indent=2) + "\n").encode())
    tables = {"store": store_table, "metrics": metrics_bench_table}
    emit(document, as_json, tables.get((names or [""])[0], bench_table)(document))


def _metrics_bench() -> Callable[..., dict[str, Any]]:
    try:
        from training.studies.metrics_bench import run_metrics_bench
    except ModuleNotFoundError as error:
        raise RequestError(
            f"bench metrics compares with {error.name}, which is not installed; pip install {error.name}"
        ) from error
    return run_metrics_bench
