"""Adds the servers that were welcomed. Those that use the bot already count as known, but not as welcomed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64

revision = "0013"
down_revision = "0012"

_WELCOMES = sa.table("welcomes", sa.column("server_id", Int64), sa.column("welcomed_at", Int64))
_TABLES = ("jobs", "ledger", "server_settings", "quotas", "admin_log")


def upgrade() -> None:
    """Create the table, and add the servers that other tables name."""
    op.create_table(
        "welcomes",
        sa.Column("server_id", Int64, nullable=False),
        sa.Column("welcomed_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("server_id", name="pk_welcomes"),
        sqlite_strict=True,
    )
    named: list[sa.Select[Any]] = [sa.select(sa.column("server_id")).select_from(sa.table(name)) for name in _TABLES]
    servers = sa.union(*named).subquery()
    known = sa.select(servers.c.server_id, sa.literal(0)).where(servers.c.server_id.is_not(None))
    op.get_bind().execute(sa.insert(_WELCOMES).from_select(["server_id", "welcomed_at"], known))
