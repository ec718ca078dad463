"""Where a private result was shared, and from which job's prompt a thread has its title."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables import Int64

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    """Make the columns, and find the jobs that named their threads."""
    op.add_column("jobs", sa.Column("share_state", sa.Text))
    for name in ("share_server_id", "share_channel_id", "share_message_id"):
        op.add_column("jobs", sa.Column(name, Int64))
    op.add_column("threads", sa.Column("titled_by", sa.Integer))
    # A thread that a prompt named was made in the transaction, and at the moment, of its first job.
    op.execute(
        """
        UPDATE threads SET titled_by = (
            SELECT min(jobs.id) FROM jobs
            WHERE jobs.thread_id = threads.id AND jobs.created_at = threads.created_at
        )
        """
    )
