"""Provenance: what a run was made with and from, written into its folder when it first starts and never changed after."""

import json
import platform
import subprocess
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

from core.files import write_atomically
from data.intake.duplicates import by_source, find_leaks
from data.store.store import Store

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "drywall-qa",
    "torch",
    "transformers",
    "accelerate",
    "numpy",
    "scipy",
    "scikit-image",
    "opencv-python-headless",
    "numba",
    "pillow",
    "pycocotools",
    "tokenizers",
    "safetensors",
)


def record_provenance(store: Store, path: Path, number_formats: dict[str, str]) -> None:
    """Write `environment`, the formats of `training.inference.formats.run_formats` and `data_facts` as one JSON document.

    A run that is resumed keeps the document of its start; one that was begun before formats were recorded gets them added.
    """
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {**environment(), "data": data_facts(store)}
    document = {**known, "number_formats": number_formats}
    write_atomically(path, (json.dumps(document, indent=2) + "\n").encode())


def environment() -> dict[str, Any]:
    """Versions, commit and machine. `commit` is None outside a git checkout, a package's version None if it is absent."""
    return {
        "packages": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "accelerator": _accelerator(),
        },
    }


def data_facts(store: Store) -> dict[str, Any]:
    """What the last import found and how the samples are divided, as they are now."""
    samples, report = store.samples(), store.last_import()
    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        counts.setdefault(sample.class_name, Counter())[sample.split] += 1
    problems = Counter((problem.action, problem.reason) for problem in report.problems) if report else Counter()
    return {
        "inspection": report.rows if report else [],
        "problems": [{"action": a, "reason": reason, "items": n} for (a, reason), n in problems.most_common(12)],
        "samples": len(samples),
        "groups": len(by_source(samples)),
        "leaks": len(find_leaks(samples)),
        "box_only": sum(sample.is_box for sample in samples),
        "corrected": sum(not sample.as_imported for sample in samples),
        "counts": {name: dict(by_split) for name, by_split in sorted(counts.items())},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def processor() -> str:
    """The CPU's name, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")  # Linux; elsewhere Python knows the name
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _accelerator() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "Apple silicon (MPS)" if torch.backends.mps.is_available() else "none (CPU)"
