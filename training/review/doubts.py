"""Measuring what the review queue is ordered by, once a label revision: the run's doubt, its prompts and the run before."""

from collections.abc import Sequence

from core.masks.mask import Mask, decode_rle
from core.metrics.label_doubt import doubt
from core.metrics.overlap import count_pixels, iou
from core.photos import read_photo
from core.progress import Progress, silent
from data.store.records import LabelDoubt
from data.store.store import Store
from training.runs.opened import OpenedRun
from training.scoring.stored_probs import mask_at, read_probs


def measure_doubts(run: OpenedRun, on_progress: Progress = silent) -> int:
    """Measure every scored sample whose label changed since it was last measured; returns how many those were.

    Reads the probabilities the run's evaluation left, so the model is not asked again; the run before is the newest older
    one that scored the sample.
    """
    known, revisions = run.store.doubts(run.id), {sample.id: sample.revision for sample in run.store.samples()}
    scores = run.store.scores(run.id)
    waiting = [score for score in scores.itertuples() if (score.sample_id, revisions[score.sample_id]) not in known]
    before, found = _run_before(run.store, run.id) if waiting else {}, []
    for done, score in enumerate(waiting):
        on_progress("compare labels with predictions", done, len(waiting))
        sample_id = int(score.sample_id)
        if not run.folder.probs_path(score.split, sample_id).is_file():
            continue
        probs = run.probs(score.split, sample_id)
        revision = run.store.label(sample_id)
        doubted = doubt(probs, decode_rle(revision.rle))
        runs_differ = None
        if sample_id in before:
            other_run, split, threshold = before[sample_id]
            path = OpenedRun(run.workspace, other_run).folder.probs_path(split, sample_id)
            if path.is_file():
                other = mask_at(read_probs(path), threshold)
                runs_differ = masks_differ([mask_at(probs, float(score.threshold)), other])
        earlier = [doubt for (sample, _), doubt in known.items() if sample == sample_id]
        prompts_differ = earlier[0].prompts_differ if earlier else None  # a matter of photo and run, not of the label
        found.append(
            LabelDoubt(
                run.id, sample_id, revision.number, **vars(doubted), prompts_differ=prompts_differ, runs_differ=runs_differ
            )
        )
    run.store.save_doubts(found)
    return len(found)


def measure_prompts(run: OpenedRun, on_progress: Progress = silent) -> int:
    """Ask the run for every synonym of each measured sample's class, and keep how far the masks differ.

    A photo is encoded once for all of its prompts. What was asked before is not asked again; returns how many were.
    """
    config, predictor = run.config, run.predictor()
    samples, found = {sample.id: sample for sample in run.store.samples()}, []
    waiting = [measured for measured in run.store.doubts(run.id).values() if measured.prompts_differ is None]
    for done, measured in enumerate(waiting):
        sample = samples[measured.sample_id]
        on_progress("ask every synonym", done, len(waiting))
        photo = read_photo(run.workspace.photo_path(sample.image_path))
        predictions = predictor.predict(photo, config.synonyms[sample.class_name])
        differ = masks_differ([prediction.mask(config.train.threshold) for prediction in predictions])
        found.append(LabelDoubt(**{**vars(measured), "prompts_differ": differ}))
    run.store.save_doubts(found)
    return len(found)


def masks_differ(masks: Sequence[Mask]) -> float:
    """1 - the mean IoU of each pair, in [0, 1]. One mask, or all of them empty: 0.0."""
    pairs = [(a, b) for number, a in enumerate(masks) for b in masks[number + 1 :]]
    return 1 - sum(iou(count_pixels(a, b)) for a, b in pairs) / len(pairs) if pairs else 0.0


def _run_before(store: Store, run_id: str) -> dict[int, tuple[str, str, float]]:
    """By sample: the newest run older than this one that scored it, with split and threshold."""
    runs = [run.id for run in store.runs()]
    older, scores, found = runs[runs.index(run_id) + 1 :], store.scores(), {}
    for other in reversed(older):
        for score in scores[scores["run_id"] == other].itertuples():
            found[int(score.sample_id)] = (other, str(score.split), float(score.threshold))
    return found
