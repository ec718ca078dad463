"""Adds limits on free images to the limits that a server's admins set."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column. Older limits have no such limit."""
    op.add_column("quotas", sa.Column("free_images", sa.Integer))
