"""Stores the privacy rule of servers as a code, in their settings and in the log of their admins."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0011"
down_revision = "0010"

_CODES = {"as people like": "free", "always private": "forced", "never private": "forbidden"}
_SETTINGS = sa.table("server_settings", sa.column("server_id", Int64), sa.column("settings", JsonText))
_LOG = sa.table("admin_log", sa.column("id", sa.Integer), sa.column("details", JsonText))


def upgrade() -> None:
    """Replace the stored words by codes."""
    for table, key, column in ((_SETTINGS, "server_id", "settings"), (_LOG, "id", "details")):
        _recode(table, table.c[key], table.c[column])


def _recode(table: sa.TableClause, key: sa.ColumnClause[Any], column: sa.ColumnClause[Any]) -> None:
    connection = op.get_bind()
    for row_id, stored in connection.execute(sa.select(key, column)).all():
        code = _CODES.get(stored.get("privacy"))
        if code is not None:
            changed = {**stored, "privacy": code}
            connection.execute(sa.update(table).where(key == row_id).values({column: changed}))
