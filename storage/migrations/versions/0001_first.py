"""All tables of the first version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them, referenced tables first."""
    _threads()
    _jobs()
    _submissions()
    _ledger()
    op.create_table(
        "state",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", JsonText, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_state"),
        sqlite_strict=True,
    )


def _threads() -> None:
    op.create_table(
        "threads",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("place_id", Int64, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created_at", Int64, nullable=False),
        sa.Column("updated_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_threads"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_threads_user_id_place_id_updated_at", "threads", ["user_id", "place_id", "updated_at"])
    op.create_table(
        "current_threads",
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("place_id", Int64, nullable=False),
        sa.Column("thread_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "place_id", name="pk_current_threads"),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], name="fk_current_threads_thread_id_threads", ondelete="CASCADE"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_current_threads_thread_id", "current_threads", ["thread_id"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("thread_id", sa.Integer),
        sa.Column("parent_id", sa.Integer),
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("server_id", Int64),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("options", JsonText, nullable=False),
        sa.Column("private", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("spoiler", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("channel_id", Int64, nullable=False),
        sa.Column("message_id", Int64),
        sa.Column("interaction_token", sa.Text),
        sa.Column("token_expires_at", Int64),
        sa.Column("bot_present", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("file_limit", Int64, nullable=False),
        sa.Column("delivery_nonce", sa.Text),
        sa.Column("delivery_note", sa.Text),
        sa.Column("resumed_at", Int64),
        sa.Column("created_at", Int64, nullable=False),
        sa.Column("updated_at", Int64, nullable=False),
        sa.Column("ended_at", Int64),
        sa.Column("delivered_at", Int64),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name="fk_jobs_thread_id_threads", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["parent_id"], ["jobs.id"], name="fk_jobs_parent_id_jobs", ondelete="SET NULL"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_user_id_created_at", "jobs", ["user_id", "created_at"])
    op.create_index("ix_jobs_status_user_id", "jobs", ["status", "user_id"])
    op.create_index("ix_jobs_server_id_created_at", "jobs", ["server_id", "created_at"])
    op.create_index("ix_jobs_thread_id", "jobs", ["thread_id"])
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
    op.create_index(
        "ix_jobs_token_expires_at",
        "jobs",
        ["token_expires_at"],
        sqlite_where=sa.text("interaction_token IS NOT NULL"),
        postgresql_where=sa.text("interaction_token IS NOT NULL"),
    )


def _submissions() -> None:
    op.create_table(
        "submissions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("job_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("request", JsonText, nullable=False),
        sa.Column("handle", JsonText),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", Int64),
        sa.Column("sent_at", Int64),
        sa.Column("finished_at", Int64),
        sa.Column("ended_at", Int64),
        sa.Column("error", sa.Text),
        sa.Column("created_at", Int64, nullable=False),
        sa.Column("updated_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submissions"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_submissions_job_id_jobs", ondelete="CASCADE"),
        sa.UniqueConstraint("job_id", "position", name="uq_submissions_job_id_position"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_submissions_status_created_at", "submissions", ["status", "created_at"])
    op.create_index("ix_submissions_engine_finished_at", "submissions", ["engine", "finished_at"])
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("submission_id", sa.Integer, nullable=False),
        sa.Column("old_status", sa.Text),
        sa.Column("new_status", sa.Text, nullable=False),
        sa.Column("at", Int64, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name="fk_events_submission_id_submissions", ondelete="CASCADE"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_events_submission_id", "events", ["submission_id"])
    op.create_table(
        "images",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("submission_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("file", sa.Text),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", Int64, nullable=False),
        sa.Column("seed", Int64),
        sa.Column("filtered", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name="fk_images_submission_id_submissions", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("submission_id", "position", name="uq_images_submission_id_position"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_images_created_at",
        "images",
        ["created_at"],
        sqlite_where=sa.text("file IS NOT NULL"),
        postgresql_where=sa.text("file IS NOT NULL"),
    )


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("submission_id", sa.Integer),
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("server_id", Int64),
        sa.Column("engine", sa.Text),
        sa.Column("amount", Int64, nullable=False),
        sa.Column("exact", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("raw_amount", Int64),
        sa.Column("note", sa.Text),
        sa.Column("counted_at", Int64, nullable=False),
        sa.Column("created_at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
        sa.UniqueConstraint("submission_id", "kind", name="uq_ledger_submission_id_kind"),
        sqlite_strict=True,
    )
    for owner in (["user_id"], ["server_id"], []):
        columns = [*owner, "counted_at", "kind", "amount"]
        op.create_index(f"ix_ledger_{'_'.join(columns)}", "ledger", columns)
