"""Runs of small suites by pytest itself, alone and under xdist: which of them end well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PASSES = "def test_passes(): pass\n"
SKIPS = "import pytest\n\n@pytest.mark.skip(reason={reason!r})\ndef test_skips(): pass\n"
BROWSER, ELSE = SKIPS.format(reason="no Chromium at /nowhere"), SKIPS.format(reason="not today")


@pytest.mark.parametrize(
    ("files", "arguments", "ends_well"),
    [
        pytest.param({"a": PASSES, "b": PASSES}, [], True, id="all-pass"),
        pytest.param({"a": BROWSER, "b": PASSES}, [], True, id="the-browser-is-missing"),
        pytest.param({"a": BROWSER, "b": BROWSER}, [], False, id="nothing-but-the-browser"),
        pytest.param({"a": ELSE, "b": PASSES}, [], False, id="skipped-without-leave"),
        pytest.param({"a": "import pytest\npytest.importorskip('nowhere')", "b": PASSES}, [], False, id="a-file-left-out"),
        pytest.param({"a": BROWSER, "b": PASSES}, ["-k", "passes"], True, id="a-selection-that-ran"),
        pytest.param({"a": BROWSER, "b": PASSES}, ["-k", "skips"], False, id="a-selection-that-did-not"),
        pytest.param({"a": BROWSER}, ["--collect-only"], True, id="nothing-was-to-run"),
        pytest.param({"a": BROWSER, "b": PASSES}, ["-n2"], True, id="two-workers-one-passed"),
        pytest.param({"a": ELSE, "b": PASSES}, ["-n2"], False, id="two-workers-one-skipped"),
    ],
)
def test_a_run_ends_well_only_if_it_tested_something(tmp_path, files, arguments, ends_well):
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    for name, text in files.items():
        (tmp_path / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.honest_run", "-p", "xdist.plugin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run([*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == (0 if ends_well else 1), ended.stdout + ended.stderr
