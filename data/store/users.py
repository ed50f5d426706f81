"""Who may do what, for a dashboard that people sign in to; and the log of who did it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core.errors import RequestError
from data.store import tables as t
from data.store.actors import ROLES
from data.store.database import Database, now_utc, values_of


@dataclass(frozen=True)
class Audit:
    """One write: who, in which role, what, of what. actor is empty where nobody signs in."""

    id: int
    at: datetime
    actor: str
    role: str
    action: str
    target: str


class Users(Database):
    def roles(self) -> dict[str, str]:
        """By e-mail address, in lower case."""
        with self._read() as session:
            return {row.email: row.role for row in session.scalars(select(t.UserRow).order_by(t.UserRow.email))}

    def set_role(self, email: str, role: str | None) -> None:
        """role: one of ROLES; None takes it away. Raises RequestError for another, or what is no address."""
        email = email.strip().lower()
        if "@" not in email or len(email) > 254:
            raise RequestError(f"{email or 'nothing'} is no e-mail address; name who signs in, for example ann@example.org")
        if role is not None and role not in ROLES:
            raise RequestError(f"role {role} is unknown; use one of {', '.join(ROLES)}")
        with self._write("set_role", f"{email} {role or 'none'}") as session:
            row = session.get(t.UserRow, email)
            if role is None:
                if row is not None:
                    session.delete(row)
            else:
                session.merge(t.UserRow(email=email, role=role, since=now_utc()))

    def audit(self, count: int = 200) -> list[Audit]:
        """The newest first."""
        with self._read() as session:
            rows = session.scalars(select(t.AuditRow).order_by(t.AuditRow.id.desc()).limit(count))
            return [Audit(**values_of(row)) for row in rows]
