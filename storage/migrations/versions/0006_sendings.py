"""Adds how often a request was sent, what the service charged, and results that could not be fetched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, and count the calls recorded by the events."""
    for column in (
        sa.Column("sendings", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("charged", Int64),
        sa.Column("result", JsonText),
        sa.Column("waits_for", sa.Text),
        sa.Column("reopened_at", Int64),
    ):
        op.add_column("submissions", column)
    # Calls that the service certainly did not accept are not counted.
    op.execute(
        """
        UPDATE submissions SET sendings = (
            SELECT count(CASE WHEN events.new_status = 'submitting' THEN 1 END)
                - count(
                    CASE WHEN events.old_status = 'submitting' AND events.new_status = 'queued'
                        AND events.why <> 'it did not arrive' THEN 1 END
                )
            FROM events WHERE events.submission_id = submissions.id
        )
        """
    )
