"""The dashboard: opened on a workspace, or on a demo that is made first."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import RequestError
from data.workspace import Workspace
from training.commands.options import LOOPBACK, HostOption, PortOption, WorkspaceOption, app
from training.terminal import progress

ROOT = Path(__file__).parents[2]


@app.command()
def demo(
    workspace: WorkspaceOption,
    port: PortOption = 8501,
    host: HostOption = LOOPBACK,
    dashboard_too: Annotated[bool, typer.Option("--open/--no-open", help="Open the dashboard on it")] = True,
) -> None:
    """Make the demo workspace (generated photos) and open the dashboard on it."""
    from data.synthetic.demo import ensure_demo
    from training.runs.demo_run import ensure_demo_run

    if dashboard_too:
        _check_address(host, port)
    opened = Workspace.open(workspace)
    with progress() as on_progress:
        ensure_demo(opened, on_progress)
        ensure_demo_run(opened, on_progress)
    if dashboard_too:
        dashboard(workspace, port, host)


@app.command()
def dashboard(workspace: WorkspaceOption, port: PortOption = 8501, host: HostOption = LOOPBACK) -> None:
    """Open the dashboard on the workspace. It listens on this machine alone unless --host says otherwise, which needs sign-in."""
    _check_address(host, port)
    opened = Workspace.open(workspace)
    command = server_command(opened.root, port, host)
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def _check_address(host: str, port: int) -> None:
    """Raises RequestError when nothing can listen there, or others could reach a dashboard that nobody signs in to."""
    if host not in ("127.0.0.1", "localhost", "::1") and not os.environ.get("DRYWALL_QA_OIDC_CLIENT_ID"):
        raise RequestError(
            f"the dashboard does not listen on {host} without sign-in: whoever reaches it would be an admin; "
            "configure it as docs/security.md says, or leave out --host"
        )
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a dashboard that ended just now is in nobody's way
            probe.bind((host, port))
    except OSError as error:
        option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise RequestError(
            f"the dashboard cannot listen on {host}, port {port} ({error.strerror}); choose another {option}"
        ) from error


def server_command(workspace: Path, port: int, host: str = LOOPBACK, **options: str) -> list[str]:
    """Starts the dashboard by itself; options: Streamlit's own, `theme_base="dark"` for theme.base."""
    flags = [part for name, value in options.items() for part in ("--option", f"{name.replace('_', '.', 1)}={value}")]
    place = ["--workspace", str(workspace), "--port", str(port), "--host", host]
    return [sys.executable, "-m", "dashboard.server", *place, *flags]
