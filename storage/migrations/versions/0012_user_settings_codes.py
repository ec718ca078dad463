"""Stores people's setting for direct messages as a code instead of its wording."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0012"
down_revision = "0011"

_SETTINGS = sa.table("user_settings", sa.column("user_id", Int64), sa.column("settings", JsonText))
_CODES = {"late results": "late_results", "long jobs too": "long_jobs"}


def upgrade() -> None:
    """Replace the wordings by codes."""
    connection = op.get_bind()
    for user_id, settings in connection.execute(sa.select(_SETTINGS.c.user_id, _SETTINGS.c.settings)).all():
        if settings.get("messages") in _CODES:
            changed = settings | {"messages": _CODES[settings["messages"]]}
            mine = _SETTINGS.c.user_id == user_id
            connection.execute(sa.update(_SETTINGS).where(mine).values(settings=changed))
