"""The dashboard's server as a real process: its guard, its headers, its health, and what it never does: call anybody."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dashboard.server import Guard, allowed_hosts
from training.commands.dashboard import server_command

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(prepared, tmp_path_factory):
    """Address and process of a dashboard; its log is a line of JSON an event."""
    import shutil

    root = shutil.copytree(prepared, tmp_path_factory.mktemp("served") / "workspace")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (root / "log.txt").open("wb")
    process = subprocess.Popen(
        server_command(root, port), cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "DRYWALL_QA_LOG": "json"}
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            requests.get(f"{address}/healthz", timeout=1)
            break
        except requests.RequestException:
            time.sleep(0.25)
    yield address, process, root / "log.txt"
    process.terminate()
    assert process.wait(15) is not None
    log.close()


def test_health_and_numbers(served):
    address, _, _ = served
    assert requests.get(f"{address}/healthz", timeout=5).json() == {"status": "ok"}
    text = requests.get(f"{address}/prometheus", timeout=5).text
    assert 'drywall_qa_samples{state="to review"}' in text
    assert "drywall_qa_requests_total" in text


def test_headers_keep_it_out_of_frames_and_other_origins(served):
    headers = requests.get(served[0], timeout=5).headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "[::2]", "localhost@evil.example", ""]
)
def test_a_host_of_anybodys_choosing_is_refused(served, host):
    assert requests.get(f"{served[0]}/_stcore/host-config", headers={"Host": host}, timeout=5).status_code == 400


def test_what_another_sites_page_sends_is_refused(served):
    address = served[0]
    sent = requests.put(f"{address}/_stcore/upload_file/a/b", headers={"Origin": "http://evil.example"}, data=b"x", timeout=5)
    assert sent.status_code == 403


def test_every_request_is_a_line_with_an_id(served):
    address, _, log = served
    identity = requests.get(f"{address}/healthz", timeout=5).headers["x-request-id"]
    time.sleep(0.5)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (found,) = (line for line in lines if line.get("request") == identity)
    assert (found["method"], found["path"], found["status"]) == ("GET", "/healthz", 200)


def test_it_listens_on_this_machine_and_calls_nobody(served):
    address, process, _ = served
    requests.get(address, timeout=5)
    connections = [
        c for p in (psutil.Process(process.pid), *psutil.Process(process.pid).children(True)) for c in p.net_connections()
    ]
    assert connections
    for connection in connections:
        assert connection.laddr.ip in ("127.0.0.1", "::1")
        assert not connection.raddr or connection.raddr.ip in ("127.0.0.1", "::1")


async def answers(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def test_a_websocket_of_another_site_is_closed():
    client = TestClient(Guard(answers, allowed_hosts("127.0.0.1")), base_url="http://127.0.0.1")
    with client.websocket_connect("ws://127.0.0.1/", headers={"Origin": "http://localhost:8501"}):
        pass
    for origin in ("http://evil.example", "null", "http://[", "file://"):
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client.websocket_connect("ws://127.0.0.1/", headers={"Origin": origin}),
        ):
            pass
        assert refused.value.code == 1008


def test_names_are_allowed_by_the_environment(monkeypatch):
    monkeypatch.setenv("DRYWALL_QA_HOSTS", "qa.example.org, QA2.example.org")
    monkeypatch.setenv("DRYWALL_QA_URL", "https://drywall.example.org")
    found = allowed_hosts("10.1.2.3")
    assert {"qa.example.org", "qa2.example.org", "drywall.example.org", "10.1.2.3", "localhost"} <= found
    assert "0.0.0.0" not in allowed_hosts("0.0.0.0")


def test_another_address_needs_sign_in(prepared):
    command = [sys.executable, "-m", "training.cli", "dashboard", "--host", "0.0.0.0", "--workspace", str(prepared)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "does not listen on 0.0.0.0 without sign-in" in done.stderr
