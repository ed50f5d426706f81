import io
import json
import re
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from pypdf import PdfReader

from core.errors import RequestError
from data.intake.preparation import prepare
from data.workspace import Workspace
from training.config import load_config
from training.report import write_report
from training.report.diagrams import architecture, pipeline
from training.report.document import Table
from training.report.facts import gather
from training.report.sections import build
from training.runs.execution import execute
from training.runs.opened import OpenedRun
from training.runs.runs import create_run
from training.scoring.evaluation import summary

SMALL = ["train.epochs=2", "train.size_px=64", "train.batch_size=4", "train.lr=1e-3"]


@pytest.fixture(scope="module")
def workspace(raw_export, tmp_path_factory):
    """One for all tests here: a report reads its run and changes nothing."""
    opened = Workspace.open(tmp_path_factory.mktemp("report"))
    store = opened.store
    prepare(raw_export, opened)
    store.close()
    return opened


@pytest.fixture(scope="module")
def store(workspace):
    opened = workspace.store
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def finished(workspace, store, tiny_checkpoint):
    run = create_run(workspace, load_config("quick", [*SMALL, f"checkpoint={tiny_checkpoint}"]))
    execute(OpenedRun(workspace, run.id))
    return run.id


def text_of(pdf: bytes) -> str:
    """Without white space: how a line breaks is not the matter."""
    return re.sub(r"\s+", "", "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))


def test_the_report_holds_the_summary_and_is_the_same_bytes_twice(workspace, store, finished):
    files = write_report(OpenedRun(workspace, finished), "test")
    folder = OpenedRun(workspace, finished).folder
    assert (files.pdf, files.html) == (folder.root / "report.pdf", folder.root / "report.html")
    pdf, html = files.pdf.read_bytes(), files.html.read_bytes()
    time.sleep(1.1)  # a date of the writing would show
    write_report(OpenedRun(workspace, finished), "test")
    assert files.pdf.read_bytes() == pdf
    assert files.html.read_bytes() == html

    document, text, page = summary(store, finished, "test"), text_of(pdf), html.decode()
    for row in (*document["classes"].values(), document["overall"]):
        for key in ("miou", "dice", "precision", "recall"):
            assert f"{row[key]:.4f}" in text
            assert f"{row[key]:.4f}" in page
    run, environment = store.run(finished), json.loads(folder.environment.read_text())
    for fact in (finished, store.label_set(run.label_set).digest, environment["packages"]["torch"], "Page1of"):
        assert fact in text.replace("\u200b", "")
    heading = ["Summary", "Method", "Data", "Training", "Results", "Bestandworstpredictions", "Failures", "Reproducibility"]
    places = [text.index(f"{number}{name}") for number, name in enumerate(heading, start=1)]
    assert places == sorted(places)


class References(HTMLParser):
    """What a page would fetch, its tags that were opened and not closed, and its pictures without words."""

    VOID = ("meta", "img", "br", "link", "input", "hr", "path", "use")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []
        self.wordless: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.found += [values[key] for key in ("src", "href", "xlink:href", "srcset", "data") if values.get(key)]
        if (tag == "img" and not values.get("alt")) or (values.get("role") == "img" and not values.get("aria-label")):
            self.wordless.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_html_file_is_whole_and_refers_to_nothing_outside(workspace, store, finished):
    page = write_report(OpenedRun(workspace, finished), "test").html.read_text("utf-8")
    references = References(page)
    assert references.open == []
    assert references.wordless == []
    assert references.found
    assert all(found.startswith(("data:image/jpeg;base64,", "#")) for found in references.found)
    assert not re.search(r"@import|<script|<link|url\((?!#)", page)
    assert "prefers-color-scheme: dark" in page


def test_facts_are_those_of_the_run_however_the_data_change_later(workspace, store, finished):
    def document():
        return build(gather(OpenedRun(workspace, finished), "test"))

    before = document()
    sample = store.samples(split="test")[0]
    store.save_label(sample.id, np.ones(sample.size_hw, bool), based_on=1, author="ann", tool="brush")
    everything_trains = {s.id: "train" for s in store.samples()}
    store.set_groups_and_splits({s.id: s.group for s in store.samples()}, everything_trains)
    after = document()
    assert after == before


def test_a_run_without_scores_is_one_sentence(workspace, store, finished, tiny_checkpoint):
    queued = create_run(workspace, load_config("quick", [f"checkpoint={tiny_checkpoint}"]))
    with pytest.raises(RequestError, match=f"run {queued.id} has no scores on test; run drywall-qa evaluate"):
        write_report(OpenedRun(workspace, queued.id), "test")
    assert not OpenedRun(workspace, queued.id).folder.report("pdf").exists()
    with pytest.raises(RequestError, match="run nope is not in this workspace"):
        write_report(OpenedRun(workspace, "nope"), "test")


def test_a_run_from_before_provenance_was_kept_still_has_a_report(workspace, store, finished):
    environment = OpenedRun(workspace, finished).folder.environment
    hidden = environment.rename(environment.with_suffix(".hidden"))
    try:
        text = text_of(write_report(OpenedRun(workspace, finished), "test").pdf.read_bytes())
    finally:
        hidden.rename(environment)
    assert "leftnorecordofversionsandmachine" in text
    assert "leftnorecordoftheimportandthesplit" in text


def test_metrics_the_summary_has_are_shown_and_absent_ones_are_not(workspace, store, finished):
    facts = gather(OpenedRun(workspace, finished), "test")

    def headers() -> set[str]:
        blocks = [block for section in build(facts).sections for block in section.blocks]
        return {name for block in blocks if isinstance(block, Table) for name in block.header}

    for row in (*facts.summary["classes"].values(), facts.summary["overall"]):
        row |= {"cldice": 0.4321, "tolerant_f1_2px": None}
    assert "clDice" in headers()
    assert "Tolerant F1, 2 px" not in headers()


def test_drawings_follow_the_model(tiny_segmenter):
    model = tiny_segmenter.clipseg.config.to_dict()
    plain, with_branch = (architecture(model, 352), architecture({**model, "branch": {"max_side": 128, "width": 8}}, 352))
    assert plain == architecture(model, 352)
    assert plain != with_branch
    assert pipeline() == pipeline()


def test_prompts_and_copies_enter_the_report(workspace, store, finished):
    run = OpenedRun(workspace, finished)
    asked = {"prompts": {"segment wall crack": "cracks", "a cable": ""}, "samples": {"cracks": 3, "taping": 2}}
    asked["miou"] = {"segment wall crack": {"cracks": 0.5, "taping": 0.01}, "a cable": {"cracks": 0.0}}
    run.folder.prompts("test").write_text(json.dumps(asked))
    try:
        blocks = [block for section in build(gather(run, "test")).sections for block in section.blocks]
    finally:
        run.folder.prompts("test").unlink()
    (table,) = (block for block in blocks if isinstance(block, Table) and block.header[:1] == ("prompt",))
    assert table.rows == (("segment wall crack", "cracks", "0.5000", "0.0100"), ("a cable", "no class", "0.0000", "–"))
    assert any("has a copy among the photos the run was trained on" in getattr(block, "text", "") for block in blocks)
