import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import ModelCard

from core.errors import DrywallError, RequestError
from core.models.clipseg import PromptSegmenter
from data.store.records import Score
from training.config import load_config
from training.runs.model_card import model_card
from training.runs.opened import OpenedRun
from training.runs.push import push
from training.runs.runs import create_run


class FakeHub(BaseHTTPRequestHandler):
    """The endpoints a push needs; what was committed lies in `server.files`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append(self.path)
        if self.server.refuses:
            self._answer({"error": "you may not write here"}, 403)
        elif self.path == "/api/repos/create":
            self.server.created = json.loads(body)
            self._answer({"url": f"{self.server.url}/team/walls", "id": "team/walls"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif self.path == "/api/models/team/walls/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif self.path == "/api/models/team/walls/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitUrl": f"{self.server.url}/team/walls/commit/{'a' * 40}", "commitOid": "a" * 40})
        else:
            self._answer({"error": f"the fake hub has no {self.path}"}, 404)

    def _answer(self, document, code=200):
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.files, server.calls, server.created, server.refuses = {}, [], None, False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "made-up-for-the-fake-hub")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(workspace, store, tiny_segmenter):
    """A run as training leaves it, with two scores on the test split."""
    run = create_run(workspace, load_config("published", ["name=walls"]))
    folder = OpenedRun(workspace, run.id).folder
    folder.append_event({"event": "started", "run": run.id, "train": 11, "val": 3})
    tiny_segmenter.save_pretrained(folder.best_checkpoint, "# before\n")
    store.save_scores(
        Score(run.id, sample.id, "test", 1, 0.5, 1, 1, 2, 0, {"iou": iou, "dice": 0.5, "precision": 0.5, "recall": 0.25})
        for sample, iou in zip(store.samples(split="test"), (0.2, 0.4), strict=False)
    )
    store.update_run(run.id, status="finished", best_epoch=1)
    return store.run(run.id)


def test_a_push_carries_the_checkpoint_and_a_full_card(workspace, store, run, hub, tmp_path):
    address = push(OpenedRun(workspace, run.id), "team/walls", license_id="mit")
    assert address.endswith(f"/team/walls/commit/{'a' * 40}")
    assert hub.created["name"] == "walls"
    assert hub.created["organization"] == "team"
    assert hub.created["visibility"] == "private"
    for name, content in hub.files.items():
        (tmp_path / "back").mkdir(exist_ok=True)
        (tmp_path / "back" / name).write_bytes(content)
    assert PromptSegmenter.load(tmp_path / "back").branch is not None
    card = ModelCard(hub.files["README.md"].decode())
    assert card.data.license == "mit"
    assert card.data.base_model == "CIDAS/clipseg-rd64-refined"
    assert card.data.pipeline_tag == "image-segmentation"
    overall = next(result for result in card.data.eval_results if result.dataset_config == "overall")
    assert overall.metric_value == pytest.approx(0.3)
    for words in ("11 training and 3 validation", "| overall | 0.3000 | 0.5000 |", "## Intended use", "## Limits"):
        assert words in card.content
    assert "Divided 70% / 15% / 15%, stratified by class" in card.content


def test_the_card_before_any_score_is_valid_too(workspace, store):
    config = load_config("quick")
    card = ModelCard(model_card(config, create_run(workspace, config), 4, 2))
    assert card.data.license == "unknown"
    assert card.data.base_model is None  # the shipped checkpoint is on no hub
    assert card.data.eval_results is None
    assert "None yet: this checkpoint was not scored." in card.content


def test_what_cannot_be_pushed_is_told(workspace, store, run, hub):
    queued = create_run(workspace, load_config("published"))
    with pytest.raises(RequestError, match="has no checkpoint"):
        push(OpenedRun(workspace, queued.id), "team/walls")
    with pytest.raises(RequestError, match="write OWNER/NAME"):
        push(OpenedRun(workspace, run.id), "team/walls/extra")
    assert not hub.files
    hub.refuses = True
    with pytest.raises(DrywallError, match=r"team/walls was not pushed to http://127\.0\.0\.1.*hf auth login"):
        push(OpenedRun(workspace, run.id), "team/walls")
