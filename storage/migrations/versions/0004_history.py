"""Adds the searchable text of the history, and an index for finding old previews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.jobs import words_of
from storage.migrations.column_types import JsonText

revision = "0004"
down_revision = "0003"

_JOBS = sa.table("jobs", sa.column("id", sa.Integer), sa.column("options", JsonText), sa.column("words", sa.Text))


def upgrade() -> None:
    """Create them, and fill the searchable text of older jobs."""
    op.add_column("jobs", sa.Column("words", sa.Text, nullable=False, server_default=sa.text("''")))
    connection = op.get_bind()
    every = connection.execute(sa.select(_JOBS.c.id, _JOBS.c.options)).all()
    for job_id, options in every:
        connection.execute(sa.update(_JOBS).where(_JOBS.c.id == job_id).values(words=words_of(options)))
    op.create_index(
        "ix_images_preview_created_at",
        "images",
        ["created_at"],
        sqlite_where=sa.text("preview IS NOT NULL"),
        postgresql_where=sa.text("preview IS NOT NULL"),
    )
