"""Another text-to-mask system behind a small protocol: a server that is sent a photo and prompts and answers with probabilities.

`docs/model_server.md` has the protocol. Only this machine's own addresses are called, unless DRYWALL_QA_MODEL_HOSTS names others.
"""

import base64
import binascii
import io
import json
import os
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image

from core.errors import CheckpointError, DrywallError
from core.models.predictor import Prediction
from core.photos import Photo

HOSTS_VARIABLE = "DRYWALL_QA_MODEL_HOSTS"
SECONDS = 120.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_BYTES = 256_000_000
_GREETING = "drywall-qa-model"


class RemoteModel:
    """`predict` as `core.models.predictor.Predictor` has it. Probabilities come in 256 steps."""

    def __init__(self, address: str, seconds: float = SECONDS) -> None:
        self.address, self.name, self.seconds = address.rstrip("/"), "", seconds
        self.number_format = "remote"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no password of this machine goes along

    @classmethod
    def load(cls, address: str, seconds: float = SECONDS) -> "RemoteModel":
        """address: `http://127.0.0.1:8600`. Raises CheckpointError for a host that is not allowed, or where no such server answers."""
        parts = urlsplit(address)
        allowed = (*_LOOPBACK, *filter(None, os.environ.get(HOSTS_VARIABLE, "").replace(",", " ").split()))
        if parts.scheme not in ("http", "https") or parts.hostname not in allowed:
            raise CheckpointError(
                f"{address} is not asked: models are called on {', '.join(allowed)} alone; "
                f"name its host in {HOSTS_VARIABLE} to allow it"
            )
        model = cls(address, seconds)
        greeting = model._ask("GET", "/", None, CheckpointError)
        if greeting.get("protocol") != _GREETING:
            raise CheckpointError(f"{address} is no model server (docs/model_server.md); its answer lacks protocol {_GREETING}")
        model.name = str(greeting.get("name", ""))[:80]
        return model

    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. Raises DrywallError where the server fails, is too slow, or answers something else."""
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, format="PNG", compress_level=1)
        asked = {"prompts": list(prompts), "photo": base64.b64encode(buffer.getvalue()).decode()}
        answers = self._ask("POST", "/predict", asked, DrywallError).get("probabilities")
        if not isinstance(answers, list) or len(answers) != len(prompts):
            raise DrywallError(
                f"{self.address} must answer with a picture for each of {len(prompts)} prompts (docs/model_server.md)"
            )
        return [
            Prediction(prompt, self._probabilities(answer, photo.shape[:2]), False, self.number_format)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def grid_hw(self, photo_hw: tuple[int, int]) -> tuple[int, int]:
        """Nobody knows in what resolution it looks: the photo's own."""
        return photo_hw

    def _probabilities(self, answer: Any, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        try:
            with Image.open(io.BytesIO(base64.b64decode(answer, validate=True)), formats=["PNG"]) as image:
                if image.size != size_hw[::-1] or image.mode != "L":
                    raise DrywallError(
                        f"{self.address} answered with a picture of {image.size} in mode {image.mode}, "
                        f"the photo needs {size_hw[::-1]} in L (8-bit grey)"
                    )
                return (np.asarray(image).astype(np.float32) + np.float32(0.5)) / np.float32(256)
        except (binascii.Error, TypeError, ValueError, OSError, SyntaxError) as error:
            raise DrywallError(f"{self.address} answered with something that is no PNG ({error})") from error

    def _ask(self, method: str, path: str, document: Any, kind: type[DrywallError]) -> dict[str, Any]:
        timeout, ends = (5.0, self.seconds), time.monotonic() + self.seconds
        try:
            asked = self._session.request(
                method, self.address + path, json=document, timeout=timeout, stream=True, allow_redirects=False
            )
            with asked as response:
                received = bytearray()
                for part in response.iter_content(65536):
                    received += part
                    if len(received) > _MOST_BYTES:
                        raise kind(f"{self.address} answered with more than {_MOST_BYTES / 1e6:.0f} MB; it was cut off")
                    if time.monotonic() > ends:
                        raise kind(f"{self.address} took more than {self.seconds:g} seconds; it was cut off")
            if response.status_code != 200:
                words = received[:200].decode(errors="replace")
                raise kind(f"{self.address} answered {response.status_code} to {method} {path}: {words}")
            found = json.loads(received)
        except requests.RequestException as error:
            reason = type(error).__name__
            raise kind(f"{self.address} does not answer ({reason}); is the model server running?") from error
        except (ValueError, RecursionError) as error:
            raise kind(f"{self.address} answered with something that is no JSON (docs/model_server.md)") from error
        if not isinstance(found, dict):
            raise kind(f"{self.address} answered with something that is no JSON object (docs/model_server.md)")
        return found
