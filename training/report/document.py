"""A report as data: sections of blocks that the PDF and the HTML file draw alike. All texts are plain, never markup."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Picture:
    """An image file. suffix: "svg" or "jpg". alt: what it shows, in words."""

    data: bytes
    suffix: str
    alt: str


@dataclass(frozen=True)
class Paragraph:
    text: str
    kind: str = field(default="paragraph", init=False)


@dataclass(frozen=True)
class Subheading:
    text: str
    kind: str = field(default="subheading", init=False)


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]
    kind: str = field(default="bullets", init=False)


@dataclass(frozen=True)
class Tiles:
    """Headline numbers: (value, name, note)."""

    tiles: tuple[tuple[str, str, str], ...]
    kind: str = field(default="tiles", init=False)


@dataclass(frozen=True)
class Table:
    """The first column names the row. text_columns: further columns that hold words; the rest are numbers, set right.

    total: the last row sums the others up.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = ()
    total: bool = False
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Figure:
    """A drawing as wide as the text."""

    caption: str
    picture: Picture
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures under common headings, each row with its caption. height_mm: the most a picture takes on paper."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]
    height_mm: int = 50
    kind: str = field(default="gallery", init=False)


@dataclass(frozen=True)
class Listing:
    """Text kept line by line, such as a configuration."""

    caption: str
    text: str
    kind: str = field(default="listing", init=False)


Block = Paragraph | Subheading | Bullets | Tiles | Table | Figure | Gallery | Listing


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """made_at: the run's own time, aware, so that one run gives one report. facts: (name, value) below the title."""

    title: str
    subtitle: str
    made_at: datetime
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
