"""Adds people's settings, the list of people whose entries must be anonymised, and image previews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables and the column."""
    op.create_table(
        "user_settings",
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("settings", JsonText, nullable=False),
        sa.Column("updated_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_settings"),
        sqlite_strict=True,
    )
    op.create_table(
        "departures",
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("last_entry", sa.Integer, nullable=False),
        sa.Column("due_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_departures"),
        sqlite_strict=True,
    )
    op.add_column("images", sa.Column("preview", sa.Text))
