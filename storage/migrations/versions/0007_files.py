"""Makes image ids unique for ever, and adds the list of files to remove."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# No request has made more.
_IMAGES_A_SUBMISSION = 10


def upgrade() -> None:
    """Rebuild the table of images with all its rows, and create the list of files to remove."""
    op.create_table(
        "removals",
        sa.Column("file", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("file", name="pk_removals"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "sqlite":  # other databases never reuse ids
        _make_anew()


def _make_anew() -> None:
    kinds = {"sqlite_strict": True, "sqlite_autoincrement": True}
    with op.batch_alter_table("images", recreate="always", table_kwargs=kinds):
        pass  # The table keeps all of its columns and indexes.
    # The highest ids may belong to deleted images. So continue above the most ids that all requests can have used.
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'images'")
    op.execute(
        f"""
        INSERT INTO sqlite_sequence (name, seq)
        SELECT 'images', max(coalesce((SELECT max(id) FROM images), 0), seq * {_IMAGES_A_SUBMISSION})
        FROM sqlite_sequence WHERE name = 'submissions'
        """  # noqa: S608 - our own number
    )
