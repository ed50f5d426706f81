"""The dashboard: opened on a workspace, or on a demo that is made first."""

import errno
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
    """Open the dashboard on the workspace. Nobody signs in, so it listens on this machine alone unless --host says otherwise."""
    _check_address(host, port)
    opened = Workspace.open(workspace)
    command = streamlit_command(opened.root, port, host)
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def _check_address(host: str, port: int) -> None:
    """Raises RequestError when nothing can listen there."""
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


def streamlit_command(workspace: Path, port: int, host: str = LOOPBACK, **options: str) -> list[str]:
    """Starts the dashboard by itself; options: Streamlit's own, `server_headless="true"` for `--server.headless true`."""
    settings = {"server_port": str(port), "server_address": host, **options}
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '.', 1)}", value)]
    entry = str(ROOT / "dashboard" / "app.py")
    return [sys.executable, "-m", "streamlit", "run", entry, *flags, "--", "--workspace", str(workspace)]
