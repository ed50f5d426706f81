"""What the command line opens and where: nothing but this machine may reach the dashboard, and nothing is left behind unasked."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from core.errors import RequestError
from core.models import onnx_export
from training import cli
from training.commands import dashboard

ROOT = Path(__file__).parents[3]


def test_the_dashboard_listens_on_this_machine_alone(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "training.cli", "dashboard", "--port", str(port), "--workspace", str(tmp_path / "ws")]
    environment = os.environ | {"STREAMLIT_SERVER_HEADLESS": "true"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        found = []
        for _ in range(240):
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            found = [c.laddr for each in family for c in each.net_connections("inet") if c.status == psutil.CONN_LISTEN]
            if found:
                break
            time.sleep(0.5)
        assert [(address.ip, address.port) for address in found] == [("127.0.0.1", port)]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def test_streamlit_alone_listens_there_too():
    assert tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]["address"] == "127.0.0.1"


@pytest.mark.parametrize("command", ["dashboard", "demo"])
def test_another_address_is_asked_for(command, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        dashboard.subprocess, "run", lambda command, **_: asked.append(command) or subprocess.CompletedProcess(command, 0)
    )
    monkeypatch.setattr("data.synthetic.demo.ensure_demo", lambda *_: None)
    monkeypatch.setattr("training.runs.demo_run.ensure_demo_run", lambda *_: None)
    refused = CliRunner().invoke(cli.app, [command, "--workspace", str(tmp_path), "--port", "8599", "--host", "0.0.0.0"])
    assert "does not listen on 0.0.0.0 without sign-in" in str(refused.exception)
    monkeypatch.setenv("DRYWALL_QA_OIDC_CLIENT_ID", "qa")
    for options, address in (([], "127.0.0.1"), (["--host", "0.0.0.0"], "0.0.0.0")):
        done = CliRunner().invoke(cli.app, [command, "--workspace", str(tmp_path), "--port", "8599", *options])
        assert done.exit_code == 0, done.exception
        assert asked[-1][asked[-1].index("--host") + 1] == address


def test_an_address_that_cannot_be_listened_on_is_one_sentence(tmp_path, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for command in ("dashboard", "demo"):
            done = CliRunner().invoke(cli.app, [command, "--workspace", str(tmp_path / "ws"), "--port", str(port)])
            assert isinstance(done.exception, RequestError)
            assert str(done.exception) == (
                f"the dashboard cannot listen on 127.0.0.1, port {port} (Address already in use); choose another --port"
            )
    monkeypatch.setenv("DRYWALL_QA_OIDC_CLIENT_ID", "qa")
    done = CliRunner().invoke(cli.app, ["dashboard", "--workspace", str(tmp_path / "ws"), "--host", "203.0.113.1"])
    assert str(done.exception).endswith("choose another --host")
    assert not (tmp_path / "ws").exists()


def test_a_checkpoint_by_name_needs_no_workspace(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRYWALL_QA_WORKSPACE", raising=False)
    monkeypatch.setattr(onnx_export, "export_onnx", lambda *_: {"decoder": 0.0})
    done = CliRunner().invoke(cli.app, ["onnx", "out", "--checkpoint", str(tiny_checkpoint)])
    assert done.exit_code == 0, done.exception
    assert list(tmp_path.iterdir()) == []
