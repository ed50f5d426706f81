"""The report's sections: what a client reads, made from the facts."""

from collections import Counter
from typing import Any

import pandas as pd

from core.metrics.table import MEAN_KEYS, MEAN_TITLES, METRICS, TITLES
from training.config import RunConfig, dump_config
from training.report import charts, diagrams
from training.report.document import (
    Block,
    Bullets,
    Document,
    Figure,
    Gallery,
    Listing,
    Paragraph,
    Picture,
    Section,
    Subheading,
    Table,
    Tiles,
)
from training.report.facts import Facts
from training.report.pictures import jpeg
from training.report.verdict import SPLIT_NAMES, count, interval, verdict
from training.scoring.causes import FAILED_BELOW_IOU
from training.scoring.evaluation import flat_settings
from training.scoring.figures import TRUE_POSITIVE, paint, paint_agreement
from training.scoring.leakage import Tested, sentence

OVERLAP = ("iou", "dice", "precision", "recall")
THIN = tuple(m.key for m in METRICS if m.key not in OVERLAP and (m.headline or m.key == "ceiling"))
SHOWN_EACH = 3
SLICES_SHOWN = 8
EXPORTS_ACROSS = 6


def build(facts: Facts) -> Document:
    run, made = facts.run, facts.made_at
    names = (
        ("Run", run.id),
        ("Scored on", f"the {SPLIT_NAMES[facts.split]} split ({count(len(facts.scores), 'sample')})"),
        ("Label set", f"{facts.label_set.name} ({count(facts.label_set.samples, 'sample')})"),
        ("Started from", run.checkpoint),
        ("Date", f"{made.day} {made:%B %Y}"),
    )
    sections = (
        Section("Summary", tuple(_summary(facts))),
        Section("Method", tuple(_method(facts))),
        Section("Data", tuple(_data(facts))),
        Section("Training", tuple(_training(facts))),
        Section("Results", tuple(_results(facts))),
        Section("Best and worst predictions", tuple(_predictions(facts))),
        Section("Failures, their causes and remedies", tuple(_failures(facts))),
        Section("Reproducibility", tuple(_reproducibility(facts))),
    )
    return Document("Segmentation quality report", run.name, made, names, sections)


def _summary(facts: Facts) -> list[Block]:
    overall = facts.summary["overall"]
    bounds = interval(facts.scores)
    failed = len(facts.causes)
    tiles = [
        ("mean IoU", f"{overall['miou']:.4f}", f"95%: {bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else ""),
        ("mean Dice", f"{overall['dice']:.4f}", f"precision {overall['precision']:.2f}, recall {overall['recall']:.2f}"),
    ]
    if (tolerant := overall.get("tolerant_f1_2px")) is not None:
        tiles.append((TITLES["tolerant_f1_2px"], f"{tolerant:.4f}", "two pixels allowed"))
    tiles.append((f"IoU below {FAILED_BELOW_IOU:g}", f"{failed} of {len(facts.scores)}", "see section 7"))
    ranked = facts.scores.sort_values(["iou", "sample_id"])
    typical = [of_class.iloc[[len(of_class) // 2]] for _, of_class in ranked.groupby("class_name")]
    return [
        Tiles(tuple((value, name, note) for name, value, note in tiles)),
        *map(Paragraph, verdict(facts)),
        _metric_table(facts, (*OVERLAP, "tolerant_f1_2px"), "The classes at a glance."),
        Subheading("A typical sample of each class: the median IoU"),
        _gallery(facts, pd.concat(typical), height_mm=32),
    ]


def _method(facts: Facts) -> list[Block]:
    model = facts.model
    blocks: list[Block] = [
        Paragraph(
            "A photo and a sentence go in, a mask comes out. The model is CLIPSeg (Lüddecke and Ecker 2022): a CLIP vision "
            "tower reads the photo in patches, a CLIP text tower turns the sentence into one vector, and a small decoder "
            "combines the activations of a few vision layers with that vector into a map of probabilities. A pixel belongs "
            "to the mask if its probability reaches the threshold."
        )
    ]
    if model:
        layers = ", ".join(str(layer) for layer in model["extract_layers"])
        if "branch" in model:
            blocks.append(
                Paragraph(
                    "The decoder answers on a coarse grid. A light full-resolution branch behind it reads the photo again, up to "
                    f"{model['branch']['max_side']} pixels on its longer side, and puts the edges back where the photo has them."
                )
            )
        drawing = Picture(
            diagrams.architecture(model, facts.input_px),
            "svg",
            f"Photo and prompt go through CLIP's towers; the decoder reads vision layers {layers} and gives the mask.",
        )
        blocks.append(Figure(f"Architecture. The decoder reads vision layers {layers}, none after them is run.", drawing))
    alt = "Import, inspect, group copies, split, freeze labels, train, score, then browse failures and repair, or report."
    blocks.append(Figure("Pipeline, from the export to this report.", Picture(diagrams.pipeline(), "svg", alt)))
    rows = tuple((name, synonyms[0], ", ".join(synonyms[1:])) for name, synonyms in facts.opened.config.synonyms.items())
    header = ("class", "scored with", "also trained with")
    blocks.append(Table("Prompts. Training draws one at random, scoring uses the first.", header, rows, (1, 2)))
    return blocks


def _data(facts: Facts) -> list[Block]:
    label_set, data = facts.label_set, facts.provenance.get("data")
    blocks: list[Block] = [
        Paragraph(
            f"The run saw the frozen label set “{label_set.name}”: {count(label_set.samples, 'sample')}, one photo with one "
            "class's label each. What was frozen cannot change, so the run can be repeated on the very same labels."
        )
    ]
    if not data:
        return [*blocks, Paragraph("This run left no record of the import and the split; runs made from now on do.")]
    copies, leaks, boxes, corrected = (data["samples"] - data["groups"], data["leaks"], data["box_only"], data["corrected"])
    facts_of_split = (
        f"{count(data['samples'], 'sample')} of {count(data['groups'], 'source photo')}: {count(copies, 'copy', 'copies')} or "
        "near-duplicates of another, found by file name and by likeness.",
        "No copy of a training photo lies in another split."
        if not leaks
        else f"{count(leaks, 'group')} of copies in more than one split: the figures of this report flatter the model.",
        f"Drawn as boxes only: {count(boxes, 'label')}. Corrected by people after the import: {count(corrected, 'label')}.",
    )
    blocks.append(Bullets(facts_of_split))
    splits = [name for name in ("train", "val", "test") if any(name in row for row in data["counts"].values())]
    rows = [(name, *(str(row.get(s, 0)) for s in splits), str(sum(row.values()))) for name, row in data["counts"].items()]
    sums = [sum(row.get(s, 0) for row in data["counts"].values()) for s in splits]
    rows.append(("all", *map(str, sums), str(sum(sums))))
    blocks.append(Table("Samples by class and split.", ("class", *splits, "all"), tuple(rows), total=True))
    for first in range(0, len(data["inspection"]), EXPORTS_ACROSS):
        blocks.append(_inspection(data["inspection"][first : first + EXPORTS_ACROSS]))
    if data["problems"]:
        problems = tuple((p["reason"], p["action"], str(p["items"])) for p in data["problems"])
        blocks.append(Table("What the import repaired, refused or noted.", ("reason", "action", "items"), problems, (1,)))
    return blocks


def _inspection(rows: list[dict[str, Any]]) -> Table:
    names = {
        "images": "images",
        "annotations": "annotations",
        "polygon": "polygons",
        "rle": "run-length masks",
        "box_only": "boxes only",
        "empty": "empty",
        "unlabelled_images": "images without label",
        "mask_area_percent": "labelled area, %",
        "repaired": "repaired",
        "refused": "refused",
    }
    header = ("", *(f"{row['class']}, {row['split']}" for row in rows))
    body = tuple((name, *(_number(row.get(key, "")) for row in rows)) for key, name in names.items())
    return Table("What the import found, by class and folder of the export.", header, body)


def _training(facts: Facts) -> list[Block]:
    run, epochs = facts.run, facts.epochs
    if not epochs:
        return [Paragraph("The run has no finished epoch on record, so there are no training curves.")]
    lasted = f" The run took {_duration(run.seconds)}." if run.seconds else ""
    kept = ""
    if run.best_epoch:
        kept = f"Epoch {run.best_epoch} was kept: its validation mIoU, {run.best_val_miou:.4f}, is the highest."
    blocks: list[Block] = [
        Paragraph(f"{count(len(epochs), 'epoch')} of at most {epochs[-1]['epochs']} were trained. {kept}{lasted}")
    ]
    curves = Picture(
        charts.training_curves(epochs, run.best_epoch),
        "svg",
        f"Training loss from {epochs[0]['train_loss']:.3f} to {epochs[-1]['train_loss']:.3f}, validation mIoU by epoch.",
    )
    caption = "Loss (left) and validation mIoU (right) by epoch; the dashed line marks the epoch that was kept."
    blocks.append(Figure(caption, curves))
    changed = _changed_settings(facts.opened.config)
    if changed:
        caption = "Settings that differ from the published recipe; section 8 lists all."
        blocks.append(Table(caption, ("setting", "this run", "published"), tuple(changed)))
    else:
        blocks.append(Paragraph("All settings are those of the published recipe."))
    return blocks


def _changed_settings(config: RunConfig) -> list[tuple[str, str, str]]:
    ours, published = flat_settings(config.model_dump(mode="json")), flat_settings(RunConfig().model_dump(mode="json"))
    skipped = ("name", "label_set", "synonyms")
    return [
        (key, _number(value), _number(published.get(key)))
        for key, value in ours.items()
        if value != published.get(key) and not key.startswith(skipped)
    ]


def _results(facts: Facts) -> list[Block]:
    thresholds = facts.scores.groupby("class_name")["threshold"].unique()
    used = "; ".join(f"{name} {', '.join(f'{value:g}' for value in sorted(values))}" for name, values in thresholds.items())
    blocks: list[Block] = [
        Paragraph(
            "All figures are means over samples at the photos' full resolution. mIoU is the mean IoU of the foreground, as in "
            "the published table; an empty label with an empty mask counts as 1. Thresholds: " + used + "."
        ),
        _metric_table(facts, OVERLAP, "Overlap with the labels."),
    ]
    if any(key in facts.summary["overall"] for key in THIN):
        blocks.append(_metric_table(facts, THIN, "Metrics for thin structures."))
        blocks.append(Bullets(tuple(f"{m.title}: {m.meaning}" for m in METRICS if m.key in THIN)))
    if facts.leakage:
        blocks += [Subheading("Leaky and honest"), Paragraph(sentence(facts.leakage)), _leakage_table(facts.leakage)]
    if facts.without_copies:
        blocks.append(Paragraph(facts.without_copies))
    alt = f"IoU of {len(facts.scores)} samples, median {facts.scores['iou'].median():.3f}."
    spread = Picture(charts.score_spread(facts.scores), "svg", alt)
    blocks.append(Figure("How IoU spreads: samples by IoU (left), share of samples at or below an IoU (right).", spread))
    return [*blocks, *_slices(facts), *_prompts(facts)]


def _slices(facts: Facts) -> list[Block]:
    """The worst of them; none where no slice holds enough source photos."""
    rows = tuple(
        (
            row.slice,
            row.class_name,
            _metric(row.samples),
            _metric(row.source_photos),
            _metric(row.miou),
            "–" if pd.isna(row.low) else f"{row.low:.2f} to {row.high:.2f}",
            "yes" if row.worse else "",
        )
        for row in facts.slices.head(SLICES_SHOWN).itertuples()
    )
    if not rows:
        return []
    header = ("slice", "class", "samples", "source photos", "mIoU", "95% interval", "worse than its class")
    return [Table("Where the run is worst: slices of the split, by mIoU.", header, rows, (1,))]


def _prompts(facts: Facts) -> list[Block]:
    """How the run answers to every prompt, where that was asked."""
    if facts.prompts is None:
        return []
    classes = list(facts.prompts["samples"])
    rows = tuple(
        (prompt, facts.prompts["prompts"][prompt] or "no class", *(_metric(of_class.get(name)) for name in classes))
        for prompt, of_class in facts.prompts["miou"].items()
    )
    counts = ", ".join(f"{number} of {name}" for name, number in facts.prompts["samples"].items())
    caption = f"mIoU of each prompt with each class's labels, on {counts}. A prompt should find its own class alone."
    return [Table(caption, ("prompt", "asks for", *classes), rows, (1,))]


def _leakage_table(pair: tuple[Tested, Tested]) -> Table:
    names = sorted({name for run in pair for name in run.means} - {"all"})
    body = tuple(
        (
            way,
            run.run_id,
            _metric(run.samples),
            _metric(run.copied),
            *(_metric(run.means.get(name, {}).get("miou")) for name in (*names, "all")),
        )
        for way, run in zip(("at random", "by source photo"), pair, strict=True)
    )
    columns = ("divided", "run", "test photos", "with a copy in train", *(f"mIoU {name}" for name in (*names, "all")))
    return Table("One recipe, its photos divided in two ways.", columns, body, text_columns=(1,))


def _metric_table(facts: Facts, metrics: tuple[str, ...], caption: str) -> Table:
    """Means of the metrics the summary has, absent ones left out, and the number of samples."""
    rows = [*facts.summary["classes"].items(), *facts.summary["by_truth"].items(), ("overall", facts.summary["overall"])]
    known = [key for key in metrics if facts.summary["overall"].get(MEAN_KEYS[key]) is not None]
    body = tuple((name, *(_metric(row[MEAN_KEYS[key]]) for key in known), _metric(row["samples"])) for name, row in rows)
    return Table(caption, ("class", *(MEAN_TITLES[key] for key in known), "samples"), body, total=True)


def _predictions(facts: Facts) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(
            "Green is what label and prediction share, orange a false alarm, blue a miss. The label stands in the middle. "
            "Pictures are scaled down; scores are those of the full photo."
        )
    ]
    for name, of_class in facts.scores.sort_values(["iou", "sample_id"]).groupby("class_name"):
        worst = of_class.head(min(SHOWN_EACH, (len(of_class) + 1) // 2))
        best = of_class.iloc[len(worst) :].tail(SHOWN_EACH).iloc[::-1]
        for title, chosen in (("best", best), ("worst", worst)):
            if len(chosen):
                blocks += [Subheading(f"{str(name).capitalize()}: {title}"), _gallery(facts, chosen)]
    return blocks


def _failures(facts: Facts) -> list[Block]:
    failed = facts.failed
    if failed.empty:
        return [Paragraph(f"No sample has an IoU below {FAILED_BELOW_IOU:g}, so there is nothing to explain.")]
    causes = failed["sample_id"].map(facts.causes)
    counts = Counter(causes)
    ranked = sorted(counts, key=lambda cause: (-counts[cause], cause.name))
    rows = tuple(
        (cause.name, str(counts[cause]), f"{counts[cause] / len(failed):.0%}", f"{failed['iou'][causes == cause].mean():.4f}")
        for cause in ranked
    )
    blocks: list[Block] = [
        Paragraph(
            f"A sample counts as failed when its IoU is below {FAILED_BELOW_IOU:g}. Its cause is found by rules over label, "
            "mask and probabilities: the first rule that holds names it. Rules can be wrong in a single case; the counts say "
            "where work pays first."
        ),
        Table("Failed samples by cause.", ("cause", "samples", "share", "mean IoU"), rows),
    ]
    for cause in ranked:
        of_cause = failed[causes == cause]
        example = of_cause.iloc[len(of_cause) // 2 :].head(1)  # a typical one, not the most extreme
        blocks += [
            Subheading(f"{cause.name} ({count(counts[cause], 'sample')})"),
            Paragraph(f"{cause.why} Remedy: {cause.remedy}"),
            _gallery(facts, example),
        ]
    return blocks


def _reproducibility(facts: Facts) -> list[Block]:
    run, provenance = facts.run, facts.provenance
    machine = provenance.get("machine", {})
    commit = provenance.get("commit") or "not recorded"
    rows = [
        ("run", run.id),
        ("seed", str(facts.opened.config.train.seed)),
        ("commit", commit),
        *([("beside the commit", "changes that were not committed")] if provenance.get("uncommitted_changes") else []),
        ("label set", run.label_set),
        ("label set digest", facts.label_set.digest),
        ("started from", run.checkpoint),
        *((f"sha256 of {name}", digest) for name, digest in facts.checkpoint.items()),
    ]
    if formats := provenance.get("number_formats"):
        rows.append(("number formats", ", ".join(f"{use}: {name}" for use, name in sorted(formats.items()))))
    if machine:
        rows += [
            ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"),
            ("accelerator", machine["accelerator"]),
            ("system", machine["system"]),
        ]
    if run.started_at and run.finished_at:
        rows.append(("ran", f"{run.started_at:%Y-%m-%d %H:%M:%S} to {run.finished_at:%Y-%m-%d %H:%M:%S} UTC"))
    blocks: list[Block] = [Table("What made these figures.", ("", ""), tuple(rows), (1,))]
    if packages := provenance.get("packages"):
        versions = ", ".join(f"{name} {version or '(absent)'}" for name, version in packages.items())
        blocks.append(Paragraph(f"Versions: {versions}."))
    else:
        blocks.append(Paragraph("This run left no record of versions and machine; runs made from now on do."))
    commands = (
        f"drywall-qa train runs/{run.id}/config.yaml",
        f"drywall-qa evaluate RUN --split {facts.split}",
        f"drywall-qa report RUN --split {facts.split}",
    )
    blocks.append(Listing("To repeat the run, in its workspace; RUN is what the first prints", "\n".join(commands)))
    blocks.append(Listing("Configuration (config.yaml)", dump_config(facts.opened.config).rstrip()))
    return blocks


def _gallery(facts: Facts, scores: pd.DataFrame, height_mm: int = 50) -> Gallery:
    rows = []
    for score in scores.itertuples():
        sight = facts.look_at(score)
        views = (
            ("photo", sight.photo),
            ("label", paint(sight.photo, sight.truth, TRUE_POSITIVE)),
            ("prediction", paint_agreement(sight.photo, sight.truth, sight.prediction)),
        )
        pictures = tuple(Picture(jpeg(view), "jpg", f"{name} of sample {score.sample_id}") for name, view in views)
        rows.append((f"Sample {score.sample_id}, {score.file_name}. {_scores(score)}", pictures))
    return Gallery(("photo", "label", "prediction"), tuple(rows), height_mm)


def _scores(score: Any) -> str:
    if score.tp + score.fp + score.fn == 0:
        return "IoU 1.000: a clean wall, left clean"
    text = f"IoU {score.iou:.3f}, Dice {score.dice:.3f}"
    near = score.tolerant_f1_2px
    return text if near is None or pd.isna(near) else f"{text}, tolerant F1 {near:.3f}"


def _metric(value: Any) -> str:
    if value is None or pd.isna(value):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _number(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
