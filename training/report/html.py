"""The report as one HTML file that needs nothing else: pictures inside it, light or dark as the reader's system is."""

import base64
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from training.report.charts import INK
from training.report.document import Document, Picture


def render_html(document: Document) -> bytes:
    """UTF-8."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = _picture
    return environment.get_template("report.html.jinja").render(document=document).encode()


def _picture(picture: Picture) -> Markup:
    """Drawings inline, so that their ink follows the page's; photos as data."""
    if picture.suffix == "svg":
        drawing = picture.data.decode()
        drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
        drawing = re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", drawing, count=1)
        start = Markup('<svg role="img" aria-label="{}" ').format(picture.alt)
        return start + Markup(drawing.removeprefix("<svg "))  # nosec B704
    encoded = base64.b64encode(picture.data).decode()
    return Markup('<img alt="{}" src="data:image/jpeg;base64,{}">').format(picture.alt, encoded)
