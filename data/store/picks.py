"""What people pick out: tags on samples, and views, a page with its filters under a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert

from core.errors import RequestError
from data.store import tables as t
from data.store.database import Database, named, now_utc, values_of

LONGEST_NAME = 60


@dataclass(frozen=True)
class View:
    """A page with its filters. query: what stands in its address."""

    name: str
    page: str
    query: dict[str, Any]
    author: str
    created_at: datetime


class Picks(Database):
    def tag(self, ids: Sequence[int], tag: str) -> None:
        """Raises RequestError for a name that is empty or too long."""
        tag = _checked(tag, "tag")
        with self._write("tag", tag) as session:
            rows = [{"tag": tag, "sample_id": sample_id} for sample_id in ids]
            if rows:
                session.execute(insert(t.TagRow).on_conflict_do_nothing(), rows)

    def untag(self, ids: Sequence[int], tag: str) -> None:
        with self._write("untag", tag) as session:
            session.execute(delete(t.TagRow).where(t.TagRow.tag == tag, t.TagRow.sample_id.in_(ids)))

    def tags(self) -> dict[str, int]:
        """Every tag with the number of its samples, by name."""
        row = t.TagRow
        with self._read() as session:
            counted = session.execute(select(row.tag, func.count()).group_by(row.tag).order_by(row.tag))
            return {tag: number for tag, number in counted}  # noqa: C416  rows are no pairs to dict()'s type

    def tagged(self, tag: str) -> list[int]:
        with self._read() as session:
            return list(session.scalars(select(t.TagRow.sample_id).where(t.TagRow.tag == tag).order_by(t.TagRow.sample_id)))

    def save_view(self, name: str, page: str, query: dict[str, Any], author: str) -> View:
        """Under a name that is taken the older view is replaced. Raises RequestError without a name or an author."""
        row = t.ViewRow(
            name=_checked(name, "view"),
            page=page,
            query=query,
            author=named(author, "saving a view", self._actor),
            created_at=now_utc(),
        )
        with self._write("save_view", name) as session:
            return View(**values_of(session.merge(row)))

    def views(self, page: str) -> list[View]:
        """By name."""
        with self._read() as session:
            rows = session.scalars(select(t.ViewRow).where(t.ViewRow.page == page).order_by(t.ViewRow.name))
            return [View(**values_of(row)) for row in rows]

    def drop_view(self, name: str) -> None:
        with self._write("drop_view", name) as session:
            session.execute(delete(t.ViewRow).where(t.ViewRow.name == name))


def _checked(name: str, what: str) -> str:
    folded = " ".join(name.split())
    if not folded or len(folded) > LONGEST_NAME:
        raise RequestError(f"a {what} needs a name of 1 to {LONGEST_NAME} letters, got {len(folded)}")
    return folded
