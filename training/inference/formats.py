"""In which number format photos are looked at: decided once a run, or once a machine where there is no run, and recorded.

A format is chosen by a timing (`core.models.number_formats`), and a timing comes out differently from one process to the next. So what
was decided stands in the run's environment.json, or for checkpoints that belong to no run in the user's cache folder.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

import torch

from core.files import write_atomically
from core.models.number_formats import fastest
from training.runs.folder import RunFolder
from training.runs.provenance import processor

logger = logging.getLogger(__name__)


def recorded_formats(folder: RunFolder) -> dict[str, str]:
    """What the run recorded: "prediction" and, if it trained, "training"; nothing for a run from before that was done."""
    return _read(folder.environment).get("number_formats", {})


def prediction_format(folder: RunFolder | None) -> str:
    """For photos alone, in a folder and on a page. folder: of the run, None for another checkpoint.

    A run that recorded none looks as other checkpoints do.
    """
    return (recorded_formats(folder) if folder else {}).get("prediction") or machine_format()


def machine_format() -> str:
    """The fastest format that pays on this machine's CPU, timed once and kept in the user's cache folder.

    fp32 where that cannot be written: what is not recorded would be another format tomorrow.
    """
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drywall-qa" / "number_formats.json"
    machine = f"{processor()}, torch {torch.__version__}"
    if machine not in _read(path):
        try:
            write_atomically(path, json.dumps(_read(path) | {machine: fastest()}, indent=2).encode())
        except OSError as error:
            logger.warning("%s cannot be written (%s); photos are looked at in fp32", path, error.strerror)
            return "fp32"
    return _read(path)[machine]  # of two processes that decide at once, one is believed


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
