"""Adds when a request was cancelled after it had been sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column. What was cancelled before goes on, if it was not stopped."""
    op.add_column("submissions", sa.Column("cancelled_at", Int64))
