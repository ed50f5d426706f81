"""Data in, data out: preparing exports, inspecting them, labels and tables to and from other tools, scales."""

import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from core.errors import AnnotationError, RequestError
from core.sizes.band_size import scale_from_points
from data.backup import backup as backup_workspace
from data.backup import restore as restore_workspace
from data.exchange.export import EXPORTS, TABLES, export_labels
from data.exchange.formats import FORMATS
from data.exchange.label_import import LabelImport, read_import, save_import
from data.intake.preparation import prepare as prepare_workspace
from data.store.actors import ROLES
from data.workspace import Workspace
from training.commands.options import ExifOption, JsonOption, SetOption, WorkspaceOption, app, name_and_class
from training.config import load_config
from training.terminal import emit, print_inspection, progress, stdout


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
    mapping = dict(name_and_class(text) for text in class_) if class_ else None
    opened = Workspace.open(workspace)
    with progress() as on_progress:
        report = prepare_workspace(
            raw_dir, opened, **settings.model_dump(), class_of_folder=mapping, exif=exif, on_progress=on_progress
        )
    print_inspection(opened.store, as_json)
    if not any(row["images"] for row in report.rows):
        raise AnnotationError(f"no photo of {raw_dir} could be imported; the reasons are listed in the report")


@app.command()
def inspect(workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Show duplicates, leakage, label problems and class balance."""
    print_inspection(Workspace.open(workspace).store, as_json)


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", help=", ".join(EXPORTS))],
    workspace: WorkspaceOption,
    out: Annotated[Path, typer.Option(help="Target folder")] = Path("export"),
    label_set: Annotated[str | None, typer.Option(help="A frozen label set; default: the current labels")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the labels out, or the review log or the sizes as a table; labels come back in by import-labels."""
    opened = Workspace.open(workspace)
    count = export_labels(opened, out, form, label_set)
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
    store = Workspace.open(workspace).store
    found = read_import(store, path, form, dict(name_and_class(text) for text in class_ or []), empty=empty, exif=exif)
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
    store = Workspace.open(workspace).store
    if line is not None and length_mm is not None:
        try:
            x1, y1, x2, y2 = map(float, line.split(","))
        except ValueError as error:
            raise RequestError(f"--line {line} needs four numbers, for example 10,20,400,20") from error
        px_per_mm = scale_from_points((x1, y1), (x2, y2), length_mm)
    store.set_scale(store.sample(sample).image_hash, px_per_mm, author or getpass.getuser())
    emit({"sample": sample, "px_per_mm": px_per_mm}, as_json, f"sample {sample}: {px_per_mm:.4g} px a mm")


@app.command()
def users(
    workspace: WorkspaceOption,
    email: Annotated[str | None, typer.Argument(help="Who signs in; without it the table is shown")] = None,
    role: Annotated[str | None, typer.Argument(help=f"{', '.join(ROLES)}, or none")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show or set who may do what in a dashboard that people sign in to."""
    store = Workspace.open(workspace).store
    if email is not None:
        if role is None:
            raise RequestError(f"say which role {email} gets: {', '.join(ROLES)}, or none")
        store.set_role(email, None if role == "none" else role)
    roles = store.roles()
    emit({"users": roles}, as_json, "\n".join(f"{who}: {what}" for who, what in roles.items()) or "nobody has a role yet")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write, a new .zip")],
    workspace: WorkspaceOption,
    as_json: JsonOption = False,
) -> None:
    """Write the whole workspace, which may be in use, into one archive."""
    with progress() as on_progress:
        count = backup_workspace(Workspace.open(workspace), file, on_progress)
    emit({"files": count, "archive": str(file)}, as_json, f"{count} files in {file}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive of drywall-qa backup")],
    workspace: WorkspaceOption,
    as_json: JsonOption = False,
) -> None:
    """Unpack a backup into an empty workspace folder."""
    with progress() as on_progress:
        restored = restore_workspace(file, workspace, on_progress)
    samples = int(restored.store.counts()["samples"].sum())
    emit({"workspace": str(restored.root), "samples": samples}, as_json, f"{samples} samples in {restored.root}")
