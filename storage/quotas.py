"""The limits that a server's admins set: for the server, for everybody in it, for a role, for a person.

Credits are integer millicredits; None in place of a limit means that there is none of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_QUOTAS = tables.quotas.c


class Subject(StrEnum):
    """Whom a limit is for."""

    SERVER = "server"
    """All people together."""
    DEFAULT = "default"
    """Each person who has no other."""
    ROLE = "role"
    """Each person with the role."""
    USER = "user"


# Made once: to put a statement together takes longer than to carry it out.
_FOR_PERSON = select(tables.quotas).where(
    _QUOTAS.server_id == bindparam("server"),
    or_(_QUOTAS.subject != Subject.USER.value, _QUOTAS.subject_id == bindparam("user")),
)


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of one subject: credits a period, images a job, unfinished jobs at once."""

    subject: Subject
    subject_id: int = 0
    credits: int | None = None
    images: int | None = None
    jobs: int | None = None

    @property
    def empty(self) -> bool:
        """Whether it limits nothing."""
        return self.credits is None and self.images is None and self.jobs is None


async def of_server(conn: AsyncConnection, server_id: int) -> list[Quota]:
    """All of the server's: its own first, then the default, the roles' and the people's by their ids."""
    statement = select(tables.quotas).where(_QUOTAS.server_id == server_id)
    found = [_quota(row) for row in (await conn.execute(statement)).mappings()]
    return sorted(found, key=lambda quota: (list(Subject).index(quota.subject), quota.subject_id))


async def for_person(conn: AsyncConnection, server_id: int, user_id: int) -> list[Quota]:
    """All of the server's but those of other people."""
    rows = (await conn.execute(_FOR_PERSON, {"server": server_id, "user": user_id})).mappings()
    return [_quota(row) for row in rows]


async def every(conn: AsyncConnection) -> dict[int, list[Quota]]:
    """Those of all servers by the server's id."""
    found: dict[int, list[Quota]] = {}
    for row in (await conn.execute(select(tables.quotas))).mappings():
        found.setdefault(row["server_id"], []).append(_quota(row))
    return found


async def put(tx: AsyncConnection, server_id: int, quota: Quota, *, at: int) -> None:
    """Set the limits of the subject, in place of those it had; an empty quota is forgotten. `at`: Unix milliseconds."""
    its = and_(
        _QUOTAS.server_id == server_id, _QUOTAS.subject == quota.subject.value, _QUOTAS.subject_id == quota.subject_id
    )
    if quota.empty:
        await tx.execute(delete(tables.quotas).where(its))
        return
    values = {"credits": quota.credits, "images": quota.images, "jobs": quota.jobs, "updated_at": at}
    changed = await tx.execute(update(tables.quotas).where(its).values(values))
    if changed.rowcount == 0:
        key = {"server_id": server_id, "subject": quota.subject.value, "subject_id": quota.subject_id}
        await tx.execute(insert(tables.quotas).values(key | values))


def _quota(row: object) -> Quota:
    known = dict(row)  # type: ignore[call-overload]  # a row's mapping is one, which its type does not say
    return Quota(Subject(known["subject"]), known["subject_id"], known["credits"], known["images"], known["jobs"])
