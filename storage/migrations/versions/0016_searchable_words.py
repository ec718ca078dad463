"""Normalises the searchable words of old jobs, so that a search finds them with and without accents."""

from __future__ import annotations

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64

revision = "0016"
down_revision = "0015"

# Accents of Latin, Greek and Cyrillic letters, and invisible characters. In other scripts, marks are letters.
_LEFT_OUT = re.compile("[\u0300-\u036f\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_AT_ONCE = 1000
_JOBS = sa.table("jobs", sa.column("id", Int64), sa.column("words", sa.Text))


def upgrade() -> None:
    """Normalise the words in portions, because they can be large."""
    connection, last = op.get_bind(), 0
    while True:
        after = sa.select(_JOBS).where(_JOBS.c.id > last).order_by(_JOBS.c.id).limit(_AT_ONCE)
        rows = connection.execute(after).all()
        if not rows:
            return
        last = rows[-1].id
        changed = [{"job": row.id, "folded": each} for row in rows if (each := folded(row.words)) != row.words]
        if changed:
            statement = sa.update(_JOBS).where(_JOBS.c.id == sa.bindparam("job"))
            connection.execute(statement.values(words=sa.bindparam("folded")), changed)


def folded(text: str) -> str:
    """Normalise letter case, accents, compatibility forms and spaces."""
    bare = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return " ".join(unicodedata.normalize("NFC", bare).split())
