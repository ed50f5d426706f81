"""A model server around any Python callable, for systems that live in an environment of their own (docs/model_server.md).

This file stands alone (Python, numpy, Pillow): copy it beside the other system's code, write a function from photo and prompts to
probabilities, and call `serve`.
"""

import base64
import io
import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

Predict = Callable[[np.ndarray, Sequence[str]], Sequence[np.ndarray]]
"""(H, W, 3) uint8 and prompts to a (H, W) float array in [0, 1] each; bool for systems that answer with masks."""
MOST_BYTES = 256_000_000


def serve(predict: Predict, name: str, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A server that listens; call `serve_forever` on it. One photo is looked at at a time. port 0: any that is free."""
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"protocol": "drywall-qa-model", "version": 1, "name": name})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= MOST_BYTES:
                return self._answer(413, {"error": f"a request has 1 to {MOST_BYTES} bytes"})
            try:
                asked = json.loads(self.rfile.read(length))
                photo = np.array(Image.open(io.BytesIO(base64.b64decode(asked["photo"]))).convert("RGB"))
                prompts = [str(prompt) for prompt in asked["prompts"]]
            except (ValueError, KeyError, TypeError, OSError) as error:
                return self._answer(400, {"error": f"the request cannot be read: {error}"})
            try:
                with turn:
                    found = predict(photo, prompts)
                self._answer(200, {"probabilities": [_png(one) for one in found]})
            except Exception as error:  # whatever the system raises is told to who asked, and the next may ask
                self._answer(500, {"error": f"{type(error).__name__}: {error}"})

        def _answer(self, status: int, document: dict) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    return ThreadingHTTPServer((host, port), Handler)


def _png(probabilities: np.ndarray) -> str:
    """In 256 equal steps: a pixel's grey is floor(256 p), so a mask cut at 128 is the mask at 0.5."""
    levels = np.minimum(np.floor(np.asarray(probabilities, np.float32) * 256), 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()
