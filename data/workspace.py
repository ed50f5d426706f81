"""The workspace: the one folder in which everything a team makes lives."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.errors import WorkspaceError
from data.store.store import Store

ENVIRONMENT_VARIABLE = "DRYWALL_QA_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    root: Path

    @classmethod
    def open(cls, root: Path) -> "Workspace":
        """Make the folders that are missing. Raises WorkspaceError when the folder cannot be used."""
        workspace = cls(root.expanduser().resolve())
        try:
            for folder in (workspace.images, workspace.runs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"{root} cannot be used as a workspace ({error.strerror}); choose another with --workspace"
            ) from error
        return workspace

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def features(self) -> Path:
        """Cached activations; may be deleted at any time."""
        return self.root / "features"

    @property
    def seams(self) -> Path:
        """Seams found in boxes; may be deleted at any time."""
        return self.root / "seams"

    @property
    def thumbnails(self) -> Path:
        """Small pictures that galleries show; may be deleted at any time."""
        return self.root / "thumbnails"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @cached_property
    def store(self) -> Store:
        """Opened when it is first asked for. Raises WorkspaceError when the database was made by a newer version."""
        return Store(self.root / "qa.db")

    def photo_path(self, image_path: str) -> Path:
        """`image_path` as samples carry it, below the workspace."""
        return self.root / image_path


def default_root() -> Path:
    """`DRYWALL_QA_WORKSPACE`, or `./workspace`."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or "workspace")
