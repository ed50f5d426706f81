"""Reports: what a run reached and why it failed where it did, as a PDF and as one HTML file, from the run alone."""

from dataclasses import dataclass
from pathlib import Path

from core.files import write_atomically
from training.report.facts import gather
from training.report.html import render_html
from training.report.pdf import render_pdf
from training.report.sections import build
from training.runs.opened import OpenedRun


@dataclass(frozen=True)
class ReportFiles:
    pdf: Path
    html: Path


def write_report(run: OpenedRun, split: str = "test") -> ReportFiles:
    """Write runs/ID/report.pdf and report.html; the same run and scores give the same bytes.

    Raises RequestError for an unknown run, or one that was not scored on the split.
    """
    facts = gather(run, split)
    document = build(facts)
    files = ReportFiles(run.folder.report("pdf"), run.folder.report("html"))
    write_atomically(files.pdf, render_pdf(document))
    write_atomically(files.html, render_html(document))
    return files
