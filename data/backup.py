"""Backup and restore of a workspace that is in use: one ZIP archive, the database as it was at one moment.

What can be computed again (features, seams, thumbnails) stays out.
"""

import json
import os
import sqlite3
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from core.errors import RequestError
from core.progress import Progress, silent
from data.exchange.archives import BROKEN_ARCHIVE
from data.workspace import Workspace

_ABOUT, _DATABASE = "backup.json", "qa.db"
_FOLDERS = ("images", "runs")


def backup(workspace: Workspace, path: Path, on_progress: Progress = silent) -> int:
    """Write the archive, whole or not at all; returns how many files it holds. Others may go on working meanwhile: what they change
    after the beginning is not in it. Raises RequestError where the file is there already."""
    if path.exists():
        raise RequestError(f"{path} is there already; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    _ = workspace.store  # an older database is brought up to date first
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as place:
        copy, archive_path = Path(place) / _DATABASE, Path(place) / "archive.zip"
        with sqlite3.connect(workspace.root / _DATABASE) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        files = [p for name in _FOLDERS for p in sorted((workspace.root / name).rglob("*")) if p.is_file()]
        with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_STORED) as archive:
            about = {"made": datetime.now(UTC).isoformat(timespec="seconds"), "files": len(files) + 1}
            archive.writestr(_ABOUT, json.dumps(about))
            archive.write(copy, _DATABASE, zipfile.ZIP_DEFLATED)
            for done, file in enumerate(files):
                on_progress("back up", done, len(files))
                if file.name.startswith("."):
                    continue  # half-written
                try:
                    archive.write(file, file.relative_to(workspace.root))
                except FileNotFoundError:  # a checkpoint that gave way to a better one meanwhile
                    continue
        with archive_path.open("rb") as whole:
            os.fsync(whole.fileno())
        os.replace(archive_path, path)
    return len(files) + 1


def restore(path: Path, root: Path, on_progress: Progress = silent) -> Workspace:
    """Unpack a backup into a folder that is empty or not there. Raises RequestError for another folder or what is no whole backup."""
    if root.exists() and any(root.iterdir()):
        raise RequestError(f"{root} is not empty; restore into a new folder, then use that with --workspace")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if _ABOUT not in names or _DATABASE not in names:
                raise RequestError(f"{path} is no backup of a workspace; make one with drywall-qa backup")
            for done, name in enumerate(names):
                on_progress("restore", done, len(names))
                if name != _ABOUT:
                    archive.extract(name, root)
            if bad := archive.testzip():
                raise RequestError(f"{path} is damaged at {bad}; take an older backup")
    except BROKEN_ARCHIVE as error:
        raise RequestError(f"{path} cannot be read as a backup ({error}); take an older one") from error
    _link_best(root)
    workspace = Workspace.open(root)
    _ = workspace.store
    return workspace


def _link_best(root: Path) -> None:
    """`best` is a link to the folder of the best checkpoint, and came as files: the newest folder is pointed at again."""
    for checkpoints in (root / "runs").glob("*/checkpoints"):
        folders = sorted(p for p in checkpoints.glob("best-*") if p.is_dir())
        best = checkpoints / "best"
        if folders and not best.exists():
            best.symlink_to(folders[-1].name, target_is_directory=True)
