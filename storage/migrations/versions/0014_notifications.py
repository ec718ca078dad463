"""Adds the notifications about long jobs and the hints that people have seen, and splits a setting in two.

Direct messages about long jobs were a value of the setting ``messages``. Now they are a value of ``notify``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0014"
down_revision = "0013"

_SETTINGS = sa.table("user_settings", sa.column("user_id", Int64), sa.column("settings", JsonText))


def upgrade() -> None:
    """Create the columns and the table. People who have seen a result before need no hint about their first."""
    op.add_column("jobs", sa.Column("notification", sa.Text))
    for name in ("notification_channel_id", "notification_message_id"):
        op.add_column("jobs", sa.Column(name, Int64))
    op.create_index("ix_jobs_notification", "jobs", ["notification"], sqlite_where=sa.text("notification = 'due'"))
    op.create_table(
        "hints",
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("shown_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "hint", name="pk_hints"),
        sqlite_strict=True,
    )
    op.execute(
        """
        INSERT INTO hints (user_id, hint, shown_at)
        SELECT user_id, 'first_result', min(delivered_at) FROM jobs WHERE delivered_at IS NOT NULL GROUP BY user_id
        """
    )
    _split_setting()


def _split_setting() -> None:
    connection = op.get_bind()
    for user_id, settings in connection.execute(sa.select(_SETTINGS.c.user_id, _SETTINGS.c.settings)).all():
        if settings.get("messages") == "long_jobs":
            changed = {name: value for name, value in settings.items() if name != "messages"} | {"notify": "dm"}
            mine = _SETTINGS.c.user_id == user_id
            connection.execute(sa.update(_SETTINGS).where(mine).values(settings=changed))
