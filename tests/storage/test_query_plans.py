"""Frequent queries use an index, however many rows there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from storage import (
    endings,
    hints,
    images,
    jobs,
    ledger,
    lineage,
    notifications,
    retention,
    sources,
    submissions,
    threads,
)
from storage.database import AsyncConnection, Database
from storage.jobs import JobFilter
from storage.records import UNFINISHED, JobStatus, SourceKind, SubmissionStatus

Ask = Callable[[AsyncConnection], Awaitable[Any]]

QUEUED, SUBMITTING, RENDERING = SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING

HOT: dict[str, tuple[Ask, str]] = {
    "queued": (lambda conn: submissions.queued(conn, due=[1, 2], limit=10), "ix_submissions_status_created_at"),
    "next_attempts": (submissions.next_attempts, "ix_submissions_status_created_at"),
    "with_status": (
        lambda conn: submissions.with_status(conn, (SUBMITTING, RENDERING)),
        "ix_submissions_status_created_at",
    ),
    "jobs_with_status": (lambda conn: jobs.jobs_with_status(conn, (JobStatus.READY,)), "ix_jobs_status_user_id"),
    "count_running": (lambda conn: jobs.count_running(conn, 1), "ix_jobs_status_user_id (status=? AND user_id=?)"),
    "free_images by user": (
        lambda conn: jobs.free_images(conn, since=1, user_id=1),
        "ix_ledger_user_id_counted_at_kind_amount (user_id=? AND counted_at>?)",
    ),
    "free_images by server": (
        lambda conn: jobs.free_images(conn, since=1, server_id=1),
        "ix_ledger_server_id_counted_at_kind_amount (server_id=? AND counted_at>?)",
    ),
    "free_images by both": (
        lambda conn: jobs.free_images(conn, since=1, user_id=1, server_id=1),
        "_id=? AND counted_at>?",
    ),
    "proposed_by": (lambda conn: jobs.proposed_by(conn, 1), "ix_jobs_status_user_id (status=? AND user_id=?)"),
    "durations": (lambda conn: submissions.durations(conn, "an engine"), "ix_submissions_engine_finished_at"),
    "submissions_of": (lambda conn: submissions.submissions_of(conn, 1), "(job_id=?)"),
    "images_of": (lambda conn: images.images_of(conn, 1), "(submission_id=?)"),
    "events_of": (lambda conn: submissions.events_of(conn, 1), "ix_events_submission_id"),
    "children by parent": (lambda conn: lineage.children(conn, 1), "ix_jobs_parent_id (parent_id=?)"),
    "children by picture": (lambda conn: lineage.children(conn, 1), "ix_sources_job_id (job_id=?)"),
    "places": (lambda conn: images.places(conn, [1]), "(submission_id=?)"),
    "ancestors": (lambda conn: lineage.ancestors(conn, 1, limit=9), "INTEGER PRIMARY KEY (rowid=?)"),
    "descendants by parent": (lambda conn: lineage.descendants(conn, 1, limit=9), "ix_jobs_parent_id (parent_id=?)"),
    "descendants by picture": (lambda conn: lineage.descendants(conn, 1, limit=9), "ix_sources_job_id (job_id=?)"),
    "unfinished_of_message": (lambda conn: jobs.unfinished_of_message(conn, 1), "ix_jobs_status_user_id (status=?)"),
    "notifications that are due": (notifications.due, "ix_jobs_notification"),
    "hints": (
        lambda conn: hints.was_shown(conn, 1, hints.Hint.FIRST_RESULT),
        "sqlite_autoindex_hints_1 (user_id=? AND hint=?)",
    ),
    "get_job": (lambda conn: jobs.get_job(conn, 1), "INTEGER PRIMARY KEY (rowid=?)"),
    "old_images": (lambda conn: images.old_images(conn, 1, kept_before=1), "ix_images_created_at (created_at<?)"),
    "spent_and_held by user": (
        lambda conn: ledger.spent_and_held(conn, since=1, user_id=1),
        "COVERING INDEX ix_ledger_user_id_counted_at_kind_amount (user_id=? AND counted_at>?)",
    ),
    "spent_and_held by server": (
        lambda conn: ledger.spent_and_held(conn, since=1, server_id=1),
        "COVERING INDEX ix_ledger_server_id_counted_at_kind_amount (server_id=? AND counted_at>?)",
    ),
    "spent_and_held by both": (
        lambda conn: ledger.spent_and_held(conn, since=1, user_id=1, server_id=1),
        "_id=? AND counted_at>?",
    ),
    "spent_and_held by everybody": (
        lambda conn: ledger.spent_and_held(conn, since=1),
        "COVERING INDEX ix_ledger_counted_at_kind_amount (counted_at>?)",
    ),
    "without_grants": (
        lambda conn: ledger.without_grants(conn, since=1, user_id=1, server_id=1),
        "ix_ledger_user_id_counted_at_kind_amount (user_id=? AND counted_at>?)",
    ),
    "totals": (lambda conn: ledger.totals(conn, since=1, user_id=1), "(user_id=? AND counted_at>?)"),
    "costs_of": (
        lambda conn: ledger.costs_of(conn, 1),
        "ledger USING INDEX sqlite_autoindex_ledger_1 (submission_id=?)",
    ),
    "with_costs": (
        lambda conn: submissions.with_costs(conn, [1]),
        "ledger USING INDEX sqlite_autoindex_ledger_1 (submission_id=?)",
    ),
    "current_thread": (lambda conn: threads.current_thread(conn, 1, 1), "(user_id=? AND place_id=?)"),
    "threads_of": (
        lambda conn: threads.threads_of(conn, 1, 1, limit=5, offset=5),
        "ix_threads_user_id_place_id_updated_at",
    ),
    "count_threads": (
        lambda conn: threads.count_threads(conn, 1, 1),
        "COVERING INDEX ix_threads_user_id_place_id_updated_at (user_id=? AND place_id=?)",
    ),
    "history": (
        lambda conn: jobs.jobs_of(conn, 1, JobFilter("fox", "an engine"), limit=4, offset=8),
        "ix_jobs_user_id_created_at (user_id=?)",
    ),
    "history of a thread": (
        lambda conn: jobs.jobs_of(conn, 1, JobFilter("fox", "an engine", 1), limit=4, offset=8),
        "_id=?)",
    ),
    "count_jobs": (lambda conn: jobs.count_jobs(conn, 1, JobFilter("fox")), "ix_jobs_user_id_created_at (user_id=?)"),
    "images_of_thread": (
        lambda conn: images.images_of_thread(conn, 1, 1, limit=6, offset=6),
        "ix_jobs_thread_id (thread_id=?)",
    ),
    "work_in": (lambda conn: threads.totals(conn, [1, 2]), "ix_jobs_thread_id (thread_id=?)"),
    "old_previews": (lambda conn: images.old_previews(conn, 1), "ix_images_preview_created_at (created_at<?)"),
    "without_preview": (
        lambda conn: images.without_preview(conn, (1, 1), before=2, limit=1),
        "ix_images_created_at (created_at>? AND created_at<?)",
    ),
    "latest sources": (lambda conn: sources.latest(conn, 1, limit=9), "ix_sources_user_id_digest (user_id=?)"),
    "a source by its digest": (
        lambda conn: sources.by_digest(conn, "a", user_id=1, kind=SourceKind.ATTACHED),
        "ix_sources_user_id_digest (user_id=? AND digest=?)",
    ),
    "a source by its image": (lambda conn: sources.by_image(conn, 1, user_id=1), "ix_sources_image_id (image_id=?)"),
    "the sources of a job": (lambda conn: sources.of_job(conn, 1), "INTEGER PRIMARY KEY (rowid=?)"),
    "unused sources": (lambda conn: sources.unused_beyond(conn, 1, keep=1), "ix_sources_user_id_digest (user_id=?)"),
    "sources that are due": (
        lambda conn: sources.due(conn, used_before=2, added_before=1, limit=1),
        "ix_sources_created_at_used_at (created_at<?)",
    ),
    "find_threads": (lambda conn: threads.find_threads(conn, 1, 1, "a"), "ix_threads_user_id_place_id_updated_at"),
}
MOVES: dict[str, tuple[Ask, str]] = {
    "move_submission": (
        lambda tx: submissions.move_submission(tx, 1, QUEUED, SUBMITTING, at=1, why=""),
        "INTEGER PRIMARY KEY (rowid=?)",
    ),
    "move_job": (
        lambda tx: jobs.move_job(tx, 1, JobStatus.WORKING, JobStatus.READY, at=1),
        "INTEGER PRIMARY KEY (rowid=?)",
    ),
    "settle_job": (lambda tx: jobs.settle_job(tx, 1, 1), "INTEGER PRIMARY KEY (rowid=?)"),
    "delete_thread": (lambda tx: threads.delete_thread(tx, 1, 1), "INTEGER PRIMARY KEY (rowid=?)"),
    "erase_tokens": (lambda tx: retention.erase_tokens(tx, 1), "ix_jobs_token_expires_at"),
    "delete_jobs": (lambda tx: retention.delete_jobs(tx, 1, limit=1), "ix_jobs_ended_at (ended_at<?)"),
    "forget the files of sources": (lambda tx: sources.forget_files(tx, [1, 2]), "ix_jobs_mask_id (mask_id=?)"),
    "unused sources": (
        lambda conn: sources.unused_beyond(conn, 1, keep=9),
        "ix_sources_user_id_digest (user_id=?)",
    ),
    "release": (lambda tx: sources.release(tx, 1), "INTEGER PRIMARY KEY (rowid=?)"),
    "touch": (lambda tx: sources.touch(tx, [1], at=1), "INTEGER PRIMARY KEY (rowid=?)"),
    "end_free": (
        lambda tx: endings.end_free(tx, UNFINISHED, SubmissionStatus.UNKNOWN, at=1, why="", problems=[]),
        "ix_submissions_status_created_at (status=?)",
    ),
    "mark_resumed": (lambda tx: endings.mark_resumed(tx, 1), "ix_jobs_status_user_id (status=?)"),
}
# Read in the order of the index, so that LIMIT ends the search: nothing is sorted.
IN_ORDER = {
    "durations",
    "find_threads",
    "threads_of",
    "history",
    "without_preview",
    "old_previews",
    "images_of_thread",
}


async def plan_of(database: Database, ask: Ask) -> list[str]:
    """The steps of SQLite's query plans for all statements of the operation."""
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    async with database.write() as tx:
        connection = tx.sync_connection
        event.listen(connection, "before_cursor_execute", note)
        await ask(tx)
        event.remove(connection, "before_cursor_execute", note)
        assert asked
        return [
            row.detail
            for statement, parameters in asked
            for row in await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


@pytest.mark.parametrize("name", [*HOT, *MOVES])
async def test_no_table_is_scanned(database: Database, name: str) -> None:
    ask, expected = (HOT | MOVES)[name]
    plan = await plan_of(database, ask)
    # A scan of a subquery's result is no table scan.
    found = ("SCAN (subquery", "SCAN anon_")
    assert not [step for step in plan if step.startswith("SCAN") and not step.startswith(found)], plan
    assert any(expected in step for step in plan), plan
    if name in IN_ORDER:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


async def test_the_plans_are_actually_examined(database: Database) -> None:
    plan = await plan_of(database, lambda conn: conn.exec_driver_sql("SELECT * FROM jobs WHERE file_limit = 1"))
    assert plan == ["SCAN jobs"]
