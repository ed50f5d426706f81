"""Scoring a named checkpoint as it is, as a run of its own that was never trained: a row beside trained runs."""

from datetime import UTC, datetime

from core.errors import RequestError
from core.progress import Progress
from data.store.records import Run
from data.workspace import Workspace
from training.config import RunConfig
from training.inference.formats import machine_format
from training.inference.predictors import named_predictor
from training.runs.opened import OpenedRun
from training.runs.provenance import record_provenance
from training.runs.runs import create_run
from training.scoring.evaluation import evaluate


def score(workspace: Workspace, config: RunConfig, split: str, on_progress: Progress) -> Run:
    """Score `config.checkpoint` on a split with the config's prompts and threshold; returns the finished run.

    The run names its checkpoint and keeps no copy of it. A checkpoint that cannot be loaded or a split without samples
    leaves no run behind. Raises RequestError.
    """
    named_predictor(checkpoint=config.checkpoint)
    samples = workspace.store.samples(split=split)
    unknown = {sample.class_name for sample in samples} - set(config.synonyms)
    if unknown:
        raise RequestError(f"there are no prompts for class {', '.join(sorted(unknown))}; add them under synonyms")
    if not samples:
        raise RequestError(f"split {split} holds no samples; choose another or import more photos")
    store, run = workspace.store, OpenedRun(workspace, create_run(workspace, config).id)
    record_provenance(store, run.folder.environment, {"prediction": machine_format()})
    started = datetime.now(UTC)
    store.update_run(run.id, status="finished", started_at=started, finished_at=started, seconds=0.0)
    evaluate(run, split, on_progress)
    return run.record
