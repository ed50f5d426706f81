"""Progress: how long work tells a terminal or a page how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as `on_progress(what, done, total)`: what is being done in words, how many of how many items are done."""


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""
