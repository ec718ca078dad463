"""An index for finding old jobs."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create it."""
    op.create_index("ix_jobs_ended_at", "jobs", ["ended_at"])
