"""What commands share: the application they register with, and the options that mean the same in each."""

from pathlib import Path
from typing import Annotated

import typer

from core.errors import RequestError
from data.exchange.placement import Exif
from data.workspace import default_root

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", help="The folder everything lives in", default_factory=default_root)
]
LOOPBACK = "127.0.0.1"
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout")]
SplitOption = Annotated[str, typer.Option(help="train, val or test")]
ExifOption = Annotated[
    Exif | None,
    typer.Option(help="Whether labels were drawn on the upright photo or on its stored pixels; default: as the sizes tell"),
]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard")]
HostOption = Annotated[
    str, typer.Option(help="Address the dashboard listens on; another than this machine needs sign-in (docs/security.md)")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting")]


def name_and_class(text: str) -> tuple[str, str]:
    """`walls=cracks` of --class. Raises RequestError for another form."""
    folder, separator, class_name = text.partition("=")
    if not separator or not folder or not class_name:
        raise RequestError(f"--class {text} needs the form NAME=CLASS, for example walls=cracks")
    return folder, class_name
