"""Model servers: the compact checkpoint served by a real process, and servers that do everything wrong."""

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from core.errors import CheckpointError, DrywallError
from core.models.remote import HOSTS_VARIABLE, RemoteModel
from data.synthetic.walls import make_scene
from training.inference.model_server import serve
from training.inference.predictors import named_predictor

ROOT = Path(__file__).parents[3]
PROMPTS = ["segment wall crack", "segment joint tape"]


def test_a_served_checkpoint_gives_equal_masks(tmp_path):
    command = [sys.executable, "-m", "training.cli", "serve", "--port", "0", "--workspace", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        address = process.stderr.readline().split()[-1]
        remote, here = named_predictor(address), named_predictor("compact")
        assert remote.name == "compact"
        photo = make_scene(3, (160, 220)).photo
        for theirs, ours in zip(remote.predict(photo, PROMPTS), here.predict(photo, PROMPTS), strict=True):
            assert theirs.prompt == ours.prompt
            for threshold in (0.25, 0.5, 0.75):
                assert np.array_equal(theirs.mask(threshold), ours.mask(threshold))
        assert remote.grid_hw((160, 220)) == (160, 220)
        process.terminate()


@pytest.fixture
def answering():
    """A server that answers POST with what it is given: status, body; GET greets."""
    servers = []

    def start(body: bytes, status: int = 200, seconds: float = 0.0, greeting: bytes | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.say(200, greeting or json.dumps({"protocol": "drywall-qa-model", "name": "wrong"}).encode())

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(seconds)
                self.say(status, body)

            def say(self, code, content):
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "http://example.org/")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


PHOTO = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>", 200, "no JSON"),
        (b"[" * 100_000, 200, "no JSON"),
        (b"[]", 200, "no JSON object"),
        (b"{}", 200, "a picture for each of 1 prompts"),
        (b'{"probabilities": ["?"]}', 200, "no PNG"),
        (b'{"probabilities": [7]}', 200, "no PNG"),
        (b'{"probabilities": ["aGVsbG8="]}', 200, "no PNG"),
        (b"out of memory", 500, "answered 500 to POST /predict: out of memory"),
        (b"", 302, "answered 302"),
    ],
)
def test_what_is_no_answer_is_said_in_a_sentence(answering, body, status, words):
    model = RemoteModel.load(answering(body, status))
    with pytest.raises(DrywallError, match=words):
        model.predict(PHOTO, ["crack"])


def test_a_picture_of_another_size_is_refused():
    server = serve(lambda photo, prompts: [np.zeros((3, 3))], "small", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(DrywallError, match="needs"):
            RemoteModel.load(f"http://127.0.0.1:{server.server_port}").predict(PHOTO, ["crack"])
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_is_too_slow_is_left(answering):
    model = RemoteModel.load(answering(b"{}", seconds=3), seconds=0.3)
    with pytest.raises(DrywallError, match="does not answer"):
        model.predict(PHOTO, ["crack"])


def test_what_fails_in_the_system_is_told_and_the_next_may_ask():
    answers = iter([ValueError("no such word"), None])

    def predict(photo, prompts):
        if (trouble := next(answers)) is not None:
            raise trouble
        return [np.ones(photo.shape[:2], bool) for _ in prompts]

    server = serve(predict, "moody", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        model = RemoteModel.load(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(DrywallError, match="ValueError: no such word"):
            model.predict(PHOTO, ["crack"])
        assert model.predict(PHOTO, ["crack"])[0].mask(0.99).all()
    finally:
        server.shutdown()
        server.server_close()


def test_only_this_machine_is_called_unless_another_is_allowed(monkeypatch, answering):
    for address in ("http://example.org:80", "ftp://127.0.0.1/", "http://127.0.0.1.example.org/"):
        with pytest.raises(CheckpointError, match=r"is not asked|does not answer"):
            RemoteModel.load(address)
    monkeypatch.setenv(HOSTS_VARIABLE, "nowhere.invalid")
    with pytest.raises(CheckpointError, match="does not answer"):
        RemoteModel.load("http://nowhere.invalid:80")
    with pytest.raises(CheckpointError, match="is no model server"):
        RemoteModel.load(answering(b"", greeting=b"{}"))
