"""Adds the shares of private results and the jobs that titled threads, and erases the words of deleted jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import Int64, JsonText

revision = "0008"
down_revision = "0007"

_SUBMISSIONS = sa.table(
    "submissions", sa.column("id", sa.Integer), sa.column("job_id", sa.Integer), sa.column("request", JsonText)
)
_DELETED = "SELECT id FROM jobs WHERE status = 'deleted'"
_REQUESTS = f"SELECT id FROM submissions WHERE job_id IN ({_DELETED})"  # noqa: S608 - both are above
_MEASURES = frozenset({"engine", "size", "images", "steps"})


def upgrade() -> None:
    """Create the columns, and find the jobs that named their threads."""
    op.add_column("jobs", sa.Column("share_state", sa.Text))
    for name in ("share_server_id", "share_channel_id", "share_message_id"):
        op.add_column("jobs", sa.Column(name, Int64))
    op.add_column("threads", sa.Column("titled_by", sa.Integer))
    op.create_index("ix_threads_titled_by", "threads", ["titled_by"])
    # A thread named after a prompt was created in the same transaction as its first job, with the same time.
    op.execute(
        """
        UPDATE threads SET titled_by = (
            SELECT min(jobs.id) FROM jobs
            WHERE jobs.thread_id = threads.id AND jobs.created_at = threads.created_at
        )
        """
    )
    _blank()


def _blank() -> None:
    """Erase the prompts of jobs that were deleted by older versions, which kept them."""
    connection = op.get_bind()
    deleted = connection.execute(
        sa.select(_SUBMISSIONS.c.id, _SUBMISSIONS.c.request).where(_SUBMISSIONS.c.job_id.in_(sa.text(_DELETED)))
    ).all()
    for submission_id, request in deleted:
        left = {name: value for name, value in request.items() if name in _MEASURES} | {"prompts": []}
        connection.execute(sa.update(_SUBMISSIONS).where(_SUBMISSIONS.c.id == submission_id).values(request=left))
    op.execute(f"UPDATE threads SET title = 'Untitled', titled_by = NULL WHERE titled_by IN ({_DELETED})")  # noqa: S608 - as above
    op.execute(f"UPDATE submissions SET error = NULL WHERE job_id IN ({_DELETED})")  # noqa: S608 - as above
    op.execute(f"UPDATE events SET why = '' WHERE submission_id IN ({_REQUESTS})")  # noqa: S608 - as above
    op.execute(f"UPDATE images SET seed = NULL WHERE submission_id IN ({_REQUESTS})")  # noqa: S608 - as above
    op.execute(f"UPDATE ledger SET note = NULL WHERE submission_id IN ({_REQUESTS})")  # noqa: S608 - as above
    op.execute("""UPDATE jobs SET options = '{"prompt":""}', words = '' WHERE status = 'deleted'""")
