"""The dashboard's server: Streamlit's application behind a guard, with its health and its numbers: `python -m dashboard.server`.

The guard lets in only hosts that are named, refuses what another site's page sends, and sets the headers that keep the dashboard out
of other pages' frames. `/healthz` says whether the workspace can be read, `/prometheus` counts for Prometheus (`/metrics` is a page).
"""

import argparse
import json
import logging
import os
import sys
import time
import uuid
from collections import Counter as Tally
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import DrywallError
from dashboard.sign_in import URL_VARIABLE, auth_secrets
from data.workspace import Workspace

HOSTS_VARIABLE, LOG_VARIABLE = "DRYWALL_QA_HOSTS", "DRYWALL_QA_LOG"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ENTRY = Path(__file__).parent / "app.py"
HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Streamlit and Plotly make code at run time
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' ws: wss:",
            "worker-src 'self' blob:",
            "frame-src 'self' blob: data:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_READS = ("GET", "HEAD", "OPTIONS")
logger = logging.getLogger("drywall_qa.requests")

REQUESTS = Counter("drywall_qa_requests", "Requests by status", ["status"])
SECONDS = Histogram("drywall_qa_request_seconds", "How long requests took")
REFUSED = Counter("drywall_qa_refused", "Requests that the guard refused, by reason", ["reason"])
RUNS = Gauge("drywall_qa_runs", "Runs of the workspace by state", ["state"])
SAMPLES = Gauge("drywall_qa_samples", "Samples by review state", ["state"])


class Guard:
    """An ASGI middleware. hosts: the names under which the dashboard answers, without ports."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reason = self._refusal(scope, headers)
        identity, began, status = uuid.uuid4().hex[:16], time.perf_counter(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name.lower() for name, _ in message.get("headers", [])}
                more = {**HEADERS, "x-request-id": identity}
                added = [(k.encode(), v.encode()) for k, v in more.items() if k.encode() not in named]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        if reason:
            REFUSED.labels(reason).inc()
            await _refuse(scope, receive, send_guarded, reason)
        else:
            await self._app(scope, receive, send_guarded)
        if scope["type"] == "http":
            seconds = time.perf_counter() - began
            REQUESTS.labels(str(status)).inc()
            SECONDS.observe(seconds)
            about = {"request": identity, "method": scope["method"], "path": scope["path"], "status": status}
            logger.info("request", extra={"event": about | {"seconds": round(seconds, 4)}})

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> str:
        """Why not, in one word; empty where it may come in."""
        if _host(headers.get("host", "")) not in self._hosts:
            return "host"
        origin = headers.get("origin")
        asks = scope["type"] == "websocket" or scope["method"] not in _READS
        if asks and origin is not None and _origin_host(origin) not in self._hosts:
            return "origin"
        return ""


def _host(netloc: str) -> str:
    """Without its port; empty for what is no host."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _origin_host(origin: str) -> str:
    try:
        return _host(urlsplit(origin).netloc)
    except ValueError:
        return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        return await send({"type": "websocket.close", "code": 1008, "reason": reason})
    words = {
        "host": f"this dashboard does not answer under that name; allow it in {HOSTS_VARIABLE}",
        "origin": "another site's page",
    }
    await Response(words[reason] + "\n", 400 if reason == "host" else 403, media_type="text/plain")(scope, receive, send)


def allowed_hosts(host: str) -> frozenset[str]:
    """This machine's own names, the address that is listened on, the dashboard's public name and what the environment names."""
    named = os.environ.get(HOSTS_VARIABLE, "").replace(",", " ").split()
    public = urlsplit(os.environ.get(URL_VARIABLE, "")).hostname
    own = [host] if host not in ("0.0.0.0", "::") else []  # nosec B104: compared, not bound
    return frozenset(name.lower() for name in (*LOOPBACK, *own, *named, *filter(None, [public])))


def make_app(workspace: Path, host: str) -> st.App:
    """The ASGI application, to be served by `App.run` or by any ASGI server."""
    opened = Workspace.open(workspace)

    async def health(request: Request) -> Response:
        try:
            opened.store.edition()
        except (DrywallError, OSError) as error:
            return JSONResponse({"status": "failed", "reason": str(error)}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(request: Request) -> Response:
        for gauge, tally in (
            (RUNS, Tally(run.status for run in opened.store.runs())),
            (SAMPLES, opened.store.counts().groupby("review_state")["samples"].sum().to_dict()),
        ):
            gauge.clear()
            for state, number in tally.items():
                gauge.labels(str(state)).set(float(number))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    auth = auth_secrets()
    return st.App(
        str(ENTRY),
        secrets={"auth": auth} if auth else None,
        routes=[Route("/healthz", health), Route("/prometheus", metrics)],
        middleware=[Middleware(Guard, hosts=allowed_hosts(host))],
    )


class JsonLines(logging.Formatter):
    """One line of JSON an event."""

    def format(self, record: logging.LogRecord) -> str:
        about: dict[str, Any] = {"time": self.formatTime(record), "level": record.levelname.lower(), "logger": record.name}
        about |= {"message": record.getMessage(), **getattr(record, "event", {})}
        if record.exc_info:
            about["trace"] = self.formatException(record.exc_info)
        return json.dumps(about)


def log_as_configured() -> None:
    """DRYWALL_QA_LOG=json: every event, requests among them, as a line of JSON on stderr."""
    if os.environ.get(LOG_VARIABLE) == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the dashboard")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--host", default=LOOPBACK[0])
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of Streamlit's configuration")
    arguments = parser.parse_args()
    log_as_configured()
    if arguments.host not in LOOPBACK and auth_secrets() is None:
        parser.error(f"--host {arguments.host} needs sign-in: whoever reached it would be an admin (docs/security.md)")
    options = dict(option.partition("=")[::2] for option in arguments.option)
    config = {"server.port": arguments.port, "server.address": arguments.host, "server.headless": True, **options}
    app = make_app(arguments.workspace, arguments.host)
    app.run(config=config | {"browser.gatherUsageStats": False})


if __name__ == "__main__":
    sys.path.insert(0, str(ENTRY.parent.parent))
    main()
