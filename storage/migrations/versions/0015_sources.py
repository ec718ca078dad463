"""Adds the pictures that requests start from, and the operation of every ledger entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64

revision = "0015"
down_revision = "0014"

_PAID = sa.text("images IS NOT NULL")
_FREED = sa.text("outcome IS NOT NULL")
_SPENT = ["engine", "channel_id", "amount", "exact", "position", "images", "operation"]
_GIVEN_BACK = ["user_id", "engine", "channel_id", "amount", "position", "outcome", "operation"]


def upgrade() -> None:
    """Create the table and the columns. The indexes for reports are made again with the new column."""
    _create_sources()
    # SQLite cannot add a constraint to a table, so the table is made again with all of its columns and indexes.
    kinds = {"sqlite_strict": True, "sqlite_autoincrement": True}
    with op.batch_alter_table("jobs", table_kwargs=kinds) as jobs:
        for name in ("source_id", "mask_id"):
            jobs.add_column(sa.Column(name, sa.Integer))
            jobs.create_foreign_key(f"fk_jobs_{name}_sources", "sources", [name], ["id"], ondelete="SET NULL")
    if op.get_bind().dialect.name == "sqlite":
        # Copying the rows of an empty table records its highest id as 0. A table that never had a row has no record.
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'jobs' AND seq = 0")
    for name in ("source_id", "mask_id"):
        _index(f"ix_jobs_{name}", "jobs", [name], sa.text(f"{name} IS NOT NULL"))
    op.add_column("ledger", sa.Column("operation", sa.Text))
    for index, columns, where in (
        ("spent_by_server", ["server_id", "counted_at", "user_id", *_SPENT], _PAID),
        ("spent_by_user", ["server_id", "user_id", "counted_at", *_SPENT], _PAID),
        ("spent", ["counted_at", "server_id", "user_id", *_SPENT], _PAID),
        ("freed_by_server", ["server_id", "counted_at", *_GIVEN_BACK], _FREED),
        ("freed", ["counted_at", "server_id", *_GIVEN_BACK], _FREED),
    ):
        op.drop_index(f"ix_ledger_{index}", "ledger")
        _index(f"ix_ledger_{index}", "ledger", columns, where)


def _create_sources() -> None:
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("user_id", Int64, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("image_id", sa.Integer),
        sa.Column("job_id", sa.Integer),
        sa.Column("author_id", Int64),
        sa.Column("file", sa.Text),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", Int64, nullable=False),
        sa.Column("transparent", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("digest", sa.Text),
        sa.Column("created_at", Int64, nullable=False),
        sa.Column("used_at", Int64),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_sources_image_id_images", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_sources_job_id_jobs", ondelete="SET NULL"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sources_user_id_digest", "sources", ["user_id", "digest"])
    for name in ("image_id", "job_id", "author_id"):
        _index(f"ix_sources_{name}", "sources", [name], sa.text(f"{name} IS NOT NULL"))
    _index("ix_sources_created_at_used_at", "sources", ["created_at", "used_at"], sa.text("file IS NOT NULL"))


def _index(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
