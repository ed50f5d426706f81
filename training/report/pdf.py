"""The report as a PDF, set by Typst (the `typst` package): without network, with fonts that packages ship."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import typst

from training.report.document import Document

_TEMPLATE = Path(__file__).parent / "report.typ"


def render_pdf(document: Document) -> bytes:
    """The same document gives the same bytes: its own date is the file's date."""
    with TemporaryDirectory(prefix="drywall-report-") as name:
        folder = Path(name)  # typst takes pictures from files only

        def keep(value: Any) -> str:
            """What JSON cannot hold: a picture becomes a file named by its content, the date a text."""
            if not isinstance(value, bytes):
                return value.isoformat()
            file_name = hashlib.sha256(value).hexdigest()[:24]
            (folder / file_name).write_bytes(value)
            return file_name

        (folder / "document.json").write_text(json.dumps(asdict(document), default=keep), "utf-8")
        shutil.copy(_TEMPLATE, folder)
        return typst.compile(
            str(folder / _TEMPLATE.name),
            root=name,
            format="pdf",
            timestamp=document.made_at,
            ignore_system_fonts=True,
            font_paths=[str(Path(mpl.get_data_path()) / "fonts" / "ttf")],
        )
