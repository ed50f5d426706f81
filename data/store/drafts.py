"""Drafts: the strokes a reviewer drew and did not save yet, kept stroke by stroke so that nothing drawn is ever lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.masks.mask import Mask
from core.masks.strokes import Patch, apply_patch, patch_between
from data.store import tables as t
from data.store.database import Database, now_utc

_PROVENANCE_OF_TOOL = {
    "model": "accepted proposal",
    "proposal": "accepted proposal",
    "accepted proposal": "accepted proposal",  # these two: strokes that were put on a newer revision as one
    "edited proposal": "edited proposal",
}


@dataclass(frozen=True)
class Stroke:
    """tool: what drew it. undo: it takes an earlier stroke back."""

    tool: str
    undo: bool
    patch: Patch


@dataclass(frozen=True)
class Draft:
    """strokes: in the order they were drawn, from revision `based_on` on; last_id: of the newest of them."""

    sample_id: int
    reviewer: str
    based_on: int
    strokes: list[Stroke]
    last_id: int
    updated_at: datetime

    def draw_on(self, label: Mask) -> Mask:
        """The label with all strokes. label: (H, W) bool, is not changed."""
        mask = label.copy()
        for stroke in self.strokes:
            apply_patch(mask, stroke.patch)
        return mask

    @property
    def provenance(self) -> str:
        """`accepted proposal` if all of it was taken over, `edited proposal` if some, else `drawn`; undone strokes and
        those before a discard do not count."""
        kept: list[str] = []
        for stroke in self.strokes:
            if stroke.undo:
                del kept[-1:]
            else:
                kept.append(stroke.tool)
        if "discard" in kept:
            kept = kept[len(kept) - kept[::-1].index("discard") :]
        kinds = {_PROVENANCE_OF_TOOL.get(tool, "drawn") for tool in kept}
        return kinds.pop() if len(kinds) == 1 else "edited proposal" if kinds else "drawn"


class Drafts(Database):
    def add_strokes(self, sample_id: int, reviewer: str, based_on: int, strokes: Sequence[Stroke]) -> None:
        """Append to the reviewer's draft of a sample. based_on: the revision that is on the screen."""
        with self._write("add_strokes", sample_id) as session:
            _add(session, sample_id, reviewer, based_on, strokes)

    def draft(self, sample_id: int, reviewer: str) -> Draft | None:
        row = t.DraftStrokeRow
        query = select(row).where(row.sample_id == sample_id, row.reviewer == reviewer).order_by(row.id)
        with self._read() as session:
            rows = list(session.scalars(query))
            if not rows:
                return None
            strokes = [
                Stroke(row.tool, row.undo, Patch(row.x, row.y, row.width, row.height, row.added, row.removed)) for row in rows
            ]
            return Draft(sample_id, reviewer, min(row.based_on for row in rows), strokes, rows[-1].id, rows[-1].created_at)

    def drop_draft(self, draft: Draft) -> None:
        """Forget the draft's strokes; one drawn since stays."""
        with self._write("drop_draft") as session:
            forget(session, draft)

    def rebase_draft(self, draft: Draft, label: Mask, based_on: int) -> None:
        """Put what the draft changed on a newer revision, as one stroke: its pixels get the draft's values there.

        label: the mask of the revision the draft began from. Pixels the draft did not touch stay as the newer one has them.
        """
        patch = patch_between(label, draft.draw_on(label))
        with self._write("rebase_draft") as session:
            forget(session, draft)
            if patch is not None:
                _add(session, draft.sample_id, draft.reviewer, based_on, [Stroke(draft.provenance, False, patch)])


def forget(session: Session, draft: Draft) -> None:
    """Delete the draft's strokes; one drawn since stays."""
    row = t.DraftStrokeRow
    mine = (row.sample_id == draft.sample_id, row.reviewer == draft.reviewer, row.id <= draft.last_id)
    session.execute(delete(row).where(*mine))


def _add(session: Session, sample_id: int, reviewer: str, based_on: int, strokes: Sequence[Stroke]) -> None:
    now = now_utc()
    session.add_all(
        t.DraftStrokeRow(
            sample_id=sample_id,
            reviewer=reviewer,
            based_on=based_on,
            tool=stroke.tool,
            undo=stroke.undo,
            x=stroke.patch.x,
            y=stroke.patch.y,
            width=stroke.patch.width,
            height=stroke.patch.height,
            added=stroke.patch.added,
            removed=stroke.patch.removed,
            created_at=now,
        )
        for stroke in strokes
    )
