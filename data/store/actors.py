"""Who writes: a person with a role, and which role each kind of write needs. Enforced by the store, below every page and command."""

from dataclasses import dataclass

from core.errors import DrywallError

ROLES = ("viewer", "reviewer", "trainer", "admin")
"""Each may do what those before it may."""
ACTIONS = {
    "save_label": "reviewer",
    "restore": "reviewer",
    "add_review": "reviewer",
    "reopen": "reviewer",
    "take": "reviewer",
    "release": "reviewer",
    "add_strokes": "reviewer",
    "drop_draft": "reviewer",
    "rebase_draft": "reviewer",
    "accept_proposals": "reviewer",
    "undo_batch": "reviewer",
    "send_to_review": "reviewer",
    "tag": "reviewer",
    "untag": "reviewer",
    "save_view": "reviewer",
    "drop_view": "reviewer",
    "set_scale": "reviewer",
    "save_quality": "reviewer",
    "freeze_labels": "trainer",
    "create_run": "trainer",
    "update_run": "trainer",
    "delete_run": "trainer",
    "save_scores": "trainer",
    "save_doubts": "trainer",
    "add_images": "trainer",
    "add_samples": "trainer",
    "save_import": "trainer",
    "set_groups_and_splits": "trainer",
    "plant_honeypot": "admin",
    "lift_honeypot": "admin",
    "set_role": "admin",
    "fill": "admin",
}
UNLOGGED = frozenset({"add_strokes", "take", "release", "save_quality", "save_scores", "save_doubts", "add_images", "fill"})
"""So many, and so little each, that the log of who did what would drown in them; what they lead to is logged."""


class NotAllowedError(DrywallError):
    """Somebody's role does not go so far."""


@dataclass(frozen=True)
class Actor:
    """name: who signed in; empty where nobody does, and people type their names. role: one of ROLES, or "" for none of them."""

    name: str = ""
    role: str = "admin"

    def check(self, action: str) -> None:
        """Raises NotAllowedError where the role does not go so far."""
        needed = ACTIONS[action]
        if self.role not in ROLES or ROLES.index(self.role) < ROLES.index(needed):
            words = f"a {self.role}" if self.role else "without a role"
            who = f"{self.name} is {words}" if self.name else f"you are {words}"
            raise NotAllowedError(f"{who}; {action.replace('_', ' ')} needs the role {needed}: ask an admin for it")


ALONE = Actor()
"""Whoever sits at this machine: the command line, and a dashboard that nobody signs in to."""
SYSTEM = Actor("", "admin")
"""The program itself, where it notes what it found."""
