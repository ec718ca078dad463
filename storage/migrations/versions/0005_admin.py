"""Adds admins' settings and their log. Also copies report data into the ledger, so that it outlives the jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0005"
down_revision = "0004"

_PAID, _FREE = sa.text("images IS NOT NULL"), sa.text("outcome IS NOT NULL")
_SPENT = ["engine", "channel_id", "amount", "exact", "position", "images"]
_GIVEN_BACK = ["user_id", "engine", "channel_id", "amount", "position", "outcome"]


def upgrade() -> None:
    """Create the tables, columns and indexes, and fill the columns from the jobs."""
    _tables()
    for column in (
        sa.Column("granted", Int64, nullable=False, server_default=sa.text("0")),
        sa.Column("job_id", sa.Integer),
        sa.Column("channel_id", Int64),
        sa.Column("position", sa.Integer),
        sa.Column("images", sa.Integer),
        sa.Column("outcome", sa.Text),
    ):
        op.add_column("ledger", column)
    _fill()
    _index("ix_ledger_spent_by_server", ["server_id", "counted_at", "user_id", *_SPENT], _PAID)
    _index("ix_ledger_spent_by_user", ["server_id", "user_id", "counted_at", *_SPENT], _PAID)
    _index("ix_ledger_spent", ["counted_at", "server_id", "user_id", *_SPENT], _PAID)
    _index("ix_ledger_freed_by_server", ["server_id", "counted_at", *_GIVEN_BACK], _FREE)
    _index("ix_ledger_freed", ["counted_at", "server_id", *_GIVEN_BACK], _FREE)
    _index("ix_ledger_grants", ["user_id", "server_id", "amount", "granted"], sa.text("granted <> 0 OR engine IS NULL"))


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "ledger", columns, sqlite_where=where, postgresql_where=where)


def _tables() -> None:
    op.create_table(
        "server_settings",
        sa.Column("server_id", Int64, nullable=False),
        sa.Column("settings", JsonText, nullable=False),
        sa.Column("updated_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("server_id", name="pk_server_settings"),
        sqlite_strict=True,
    )
    op.create_table(
        "quotas",
        sa.Column("server_id", Int64, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("subject_id", Int64, nullable=False),
        sa.Column("credits", Int64),
        sa.Column("images", sa.Integer),
        sa.Column("jobs", sa.Integer),
        sa.Column("updated_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("server_id", "subject", "subject_id", name="pk_quotas"),
        sqlite_strict=True,
    )
    op.create_table(
        "admin_log",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("server_id", Int64, nullable=False),
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("details", JsonText, nullable=False),
        sa.Column("at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_admin_log"),
        sqlite_strict=True,
    )
    op.create_index("ix_admin_log_server_id", "admin_log", ["server_id"])


def _fill() -> None:
    """Fill the columns from the jobs that still exist. Reports count nothing for deleted jobs."""
    op.execute(
        """
        UPDATE ledger SET
            job_id = (SELECT job_id FROM submissions WHERE id = ledger.submission_id),
            position = (SELECT position FROM submissions WHERE id = ledger.submission_id),
            channel_id = (
                SELECT jobs.channel_id FROM submissions JOIN jobs ON jobs.id = submissions.job_id
                WHERE submissions.id = ledger.submission_id
            )
        WHERE kind IN ('hold', 'capture', 'release')
        """
    )
    op.execute(
        """
        UPDATE ledger SET
            images = (SELECT count(*) FROM images WHERE images.submission_id = ledger.submission_id)
        WHERE kind = 'capture'
        """
    )
    op.execute(
        """
        UPDATE ledger SET outcome = coalesce(
            (SELECT status FROM submissions WHERE id = ledger.submission_id AND status <> 'done'), 'failed'
        )
        WHERE kind = 'release' AND NOT EXISTS (
            SELECT 1 FROM ledger AS paid WHERE paid.submission_id = ledger.submission_id AND paid.kind = 'capture'
        )
        """
    )
