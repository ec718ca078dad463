"""How often a request was sent, what a service charged for it, and what it brought that could not be fetched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, and count the sendings that the events tell of."""
    for column in (
        sa.Column("sendings", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("charged", Int64),
        sa.Column("result", JsonText),
        sa.Column("waits_for", sa.Text),
        sa.Column("reopened_at", Int64),
    ):
        op.add_column("submissions", column)
    # One that the service surely did not take counts as none.
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
