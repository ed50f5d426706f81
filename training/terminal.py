"""What the command line prints: results to stdout, a bar and what happens to stderr."""

import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from core.errors import RequestError
from core.metrics.table import HEADLINE, MEAN_KEYS, MEAN_TITLES
from core.progress import Progress as OnProgress
from data.intake.duplicates import by_source, find_leaks
from data.store.records import Problem
from data.store.store import Store
from training.scoring.tables import COUNTS, comparison_rows, metric_rows


class PlainConsole(Console):
    """Shows texts from outside as they are: no markup in them, no control characters, nothing looked for in a long one."""

    def render_str(self, text: str, **keywords: Any) -> Text:
        return super().render_str(printable(text), **{**keywords, "markup": False, "highlight": False, "emoji": False})


def printable(text: str) -> str:
    """Without what steers a terminal or cannot be written to it; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


stderr, stdout = PlainConsole(stderr=True, highlight=False), PlainConsole(highlight=False)


@contextmanager
def progress() -> Iterator[OnProgress]:
    """A bar on stderr; yields `onprogress(what, done, total)`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def emit(document: dict[str, Any], as_json: bool, text: Any) -> None:
    """The command's result: one JSON document, or what people read."""
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        stdout.print(text, soft_wrap=True)


def metrics_table(document: dict[str, Any]) -> Group:
    """One column a class: there are more metrics than a terminal has room for in a row."""

    rows, intervals = metric_rows(document), document["intervals"]
    table = Table("mean over samples", *rows.index, title=f"run {document['run']} on {document['split']}")
    for title, means in rows.items():
        table.add_row(str(title), *(f"{value:.0f}" if title in COUNTS.values() else _number(value) for value in means))
    ends = (intervals.get(name, {}).get("miou") for name in rows.index)
    table.add_row("mIoU, 95 % interval", *(f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else "-" for low_high in ends))
    return Group(table, *document["advice"])


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def print_inspection(store: Store, as_json: bool) -> None:
    """Duplicates, leakage, label problems and class balance. Raises RequestError when nothing was imported."""
    report = store.last_import()
    if report is None:
        raise RequestError("nothing was imported into this workspace yet; run drywall-qa prepare RAW_DIR")
    samples = store.samples()
    groups, leaks = len(by_source(samples)), find_leaks(samples)
    unlabelled = sum(sample.revision == 0 for sample in samples)
    document = {
        "classes": report.rows,
        "problems": [vars(problem) for problem in report.problems],
        "samples": store.counts().to_dict("records"),
        "no_label_yet": unlabelled,
        "groups": groups,
        "leaks": [{"group": leak.group, "splits": leak.splits, "samples": leak.sample_ids} for leak in leaks],
    }
    if as_json:
        emit(document, True, None)
        return
    if report.rows:
        stdout.print(_rows_table(report.rows))
    for line in _by_kind(report.problems):
        stdout.print(line, markup=False, soft_wrap=True)
    if report.problems:
        stdout.print("each of them is on the Data page and in drywall-qa inspect --json", soft_wrap=True)
    if not samples:
        return
    stdout.print(store.counts().pivot_table(index="class_name", columns="split", values="samples", aggfunc="sum", fill_value=0))
    stdout.print(
        f"{len(samples)} samples of {groups} source photos ({len(samples) - groups} copies), {len(leaks)} groups cross splits"
    )
    if unlabelled:
        stdout.print(f"{unlabelled} samples have no label yet: draw one, or accept them as clean (the queue shows them)")


def _rows_table(rows: Sequence[dict[str, Any]]) -> Table:
    """One row a class and split, as wide as a terminal of 80 columns."""
    table = Table(
        "", *(Column(name, justify="right") for name in ("photos", "shapes", "boxes", "clean", "no label", "mask %")), "size"
    )
    for row in rows:
        clean, unknown = row["unlabelled_images"], row["no_label_yet"]
        counts = (row["images"], row["annotations"], row["box_only"], clean, unknown, row["mask_area_percent"])
        size, _, others = row["sizes"].partition(", ")
        table.add_row(
            f"{row['class']} {row['split']}", *map(str, counts), size.partition(" ")[0] + (" and others" if others else "")
        )
    return table


def _by_kind(problems: Sequence[Problem]) -> list[str]:
    """What was refused, repaired and noted, a line a kind: how often, and one example; the gravest first."""
    kinds: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[problem.action, re.sub(r"\d+(\.\d+)?", "#", problem.reason)].append(problem)
    lines = []
    for action in ("refused", "repaired", "noted"):
        for (of_action, _), alike in sorted(kinds.items(), key=lambda item: -len(item[1])):
            if of_action == action:
                first = alike[0]
                place = f"{first.class_name}/{first.split} {first.file_name}".rstrip()
                many = f"{len(alike)} times, first " if len(alike) > 1 else ""
                lines.append(f"{action}: {many}{first.item} in {place}: {first.reason}")
    return lines


def show_event(on_progress: OnProgress, event: dict[str, Any]) -> None:
    """A training event as a move of the bar or a line."""
    if event["event"] == "step":
        on_progress(f"epoch {event['epoch']} loss {event['loss']:.3f}", event["taken"], event["planned"])
    elif event["event"] == "seams":
        on_progress("look for seams", event["done"], event["total"])
    elif event["event"] == "epoch":
        stderr.print(f"epoch {event['epoch']}: loss {event['train_loss']:.4f}, val mIoU {event['val_miou']:.4f}")
    elif event["event"] == "memory":
        stderr.print(f"memory ran out: {event['batch']} samples at a time, {event['accumulate']} to a step")
    elif event["event"] == "cache" and event["used"]:
        stderr.print(f"feature cache: {event['photos']} views to encode, {event['gigabytes']:.2f} GB")
    elif event["event"] == "cache":
        stderr.print(f"no feature cache ({event['gigabytes']:.2f} GB): {event['reason']}; photos are encoded anew")


def bench_table(document: dict[str, Any]) -> Table:
    table = Table(Column("work", no_wrap=True), "ratio", "reference", "ours", "peak, reference", "peak, ours")
    for name, row in document["ratios"].items():
        peaks = ("" if row[key] is None else f"{row[key]:.0%}" for key in ("reference_peak", "ours_peak"))
        table.add_row(name, f"{row['ratio']:.2f}x", *(_duration(row[key]) for key in ("reference_ms", "ours_ms")), *peaks)
    return table


def store_table(document: dict[str, Any]) -> Table:
    """One row a query: its median at each size, and how it grows."""
    table = Table(
        "query", *(f"{size:,}" for size in document["sizes"]), "growth", caption="median milliseconds by scored samples"
    )
    for name, row in document["store"].items():
        table.add_row(name, *(f"{ms:.1f}" for ms in row["ms"].values()), f"{row['growth']:.2f}x")
    return table


def sweep_table(document: dict[str, Any]) -> Table:
    """One row a trial, the best first."""
    rows = document["trials"]
    tried = [key for key in rows[0] if key not in ("run", "state", "val_miou", "epochs")]
    table = Table("run", *tried, "val mIoU", "epochs", "state", caption=f"best: {document['best'] or 'none'}")
    for row in rows:
        values = (f"{row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in tried)
        table.add_row(row["run"], *values, _number(row["val_miou"]), str(row["epochs"]), row["state"])
    return table


def prompts_table(document: dict[str, Any]) -> Table:
    """mIoU of each prompt with each class's labels."""
    classes = list(document["samples"])
    table = Table("prompt", "of", *classes, caption=f"mIoU on {document['split']}, {document['samples']} photos")
    for prompt, of_class in document["miou"].items():
        table.add_row(prompt, document["prompts"][prompt] or "-", *(_number(of_class.get(name)) for name in classes))
    return table


def metrics_bench_table(document: dict[str, Any]) -> Table:
    """All metrics of a pair, and all thresholds of a sample beside torchmetrics."""
    table = Table("", "ours", "torchmetrics", "ratio", caption=f"median milliseconds, one core, {document['pairs']} pairs")
    for name, ms in document["all_metrics_ms"].items():
        table.add_row(f"all metrics of a pair, {name}", f"{ms:.2f}", "", "")
    row = document["all_thresholds"]
    what = f"IoU at {row['thresholds']} thresholds of a sample"
    table.add_row(what, f"{row['ours_ms']:.2f}", f"{row['torchmetrics_ms']:.2f}", f"{row['ratio']:.1f}x")
    return table


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 3.6e5 else f"{milliseconds / 3.6e6:.2f} h"


def runs_table(document: dict[str, Any]) -> Table:
    """One row a run and class."""

    titles = (MEAN_TITLES[key] for key in HEADLINE)
    table = Table("run", "", *titles, caption=f"means over {document['samples']} samples of {document['split']}")
    for row in document["runs"]:
        table.add_row(row["run"], row["checkpoint"])
        for name, figures in [*row["classes"].items(), ("overall", row["overall"])]:
            numbers = (_number(figures[MEAN_KEYS[key]]) for key in HEADLINE)
            table.add_row("", name, *numbers, end_section=name == "overall")
    return table


def comparison_table(document: dict[str, Any]) -> Table:
    """Two runs, one row a metric and class."""

    run, other = document["runs"]
    caption = f"on {document['split']}; intervals of the gain: 95 %, paired bootstrap over source photos"
    table = Table("", "mean over samples", run, other, "gain", "95 %", caption=caption)
    classes = {**document["classes"], "overall": document["overall"]}
    for name, rows in comparison_rows(document).groupby("class", sort=False):
        for _, metric, before, after, gain, low, high, _ in rows.itertuples(index=False, name=None):
            change = "-" if math.isnan(gain) else f"{gain:+.4f}"
            ends = "-" if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"
            table.add_row(str(name), metric, _number(before), _number(after), change, ends)
        counts = classes[str(name)]
        for words, better, worse in (("better, worse", "better", "worse"), ("mended, broken", "mended", "broken")):
            last = words.startswith("mended")
            table.add_row(
                str(name), f"{words} of {counts['samples']}", "", f"{counts[better]}, {counts[worse]}", "", "", end_section=last
            )
    return table
