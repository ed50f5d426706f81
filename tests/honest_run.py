"""A run that tested nothing fails: the few reasons a test may be skipped for, and what the others do to the run."""

import pytest

MAY_SKIP = (
    "no Chromium at ",  # the browser's tests
    "no real photos at ",  # ../shared is not part of a checkout
    "this file system does not tell ",  # c.jpg from C.jpg
    "no mlflow server at ",  # a hundred packages for one test
)
"""How the reason of an expected skip begins; a test skipped for any other reason fails the run."""


class HonestRun:
    """Counts what passed and notes what was skipped without leave; under xdist it sits where the reports come together."""

    def __init__(self) -> None:
        self.passed, self.fault = 0, ""
        self.unexpected: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = (report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)).removeprefix("Skipped: ")
        if not reason.startswith(MAY_SKIP):
            self.unexpected.append(f"{report.nodeid} ({reason})")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus != pytest.ExitCode.OK or session.config.option.collectonly:
            return
        if not self.passed:
            self.fault = "no test passed: this run proves nothing"
        elif self.unexpected:
            self.fault = "skipped for a reason that tests/honest_run.py does not name: " + ", ".join(self.unexpected)
        if self.fault:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.fault:
            terminalreporter.write_line(self.fault, red=True)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(HonestRun())
