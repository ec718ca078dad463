"""The tables. Times are Unix milliseconds (UTC), credits are integer millicredits, Discord's ids are integers.

Only Integer, Text, REAL, LargeBinary and the types of :mod:`storage.column_types` are used, because the SQLite tables
are STRICT.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint, text

from storage.column_types import Flag, Int64, JsonText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes STRICT tables only on request. Other databases are always strict.
STRICT: dict[str, Any] = {"sqlite_strict": True}
# Without this, SQLite reuses the id of a deleted row, and an old button or entry would refer to the wrong row.
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}

INT64_END = 2**63
"""The lowest number that is too large for an integer column."""

# false() and true() do not work: PostgreSQL refuses a boolean as the default of an integer column.
NO = text("0")
YES = text("1")

threads = Table(
    "threads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Int64, nullable=False),
    # The server, or 0 for direct messages and user installs.
    Column("place_id", Int64, nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    # The job whose prompt is the title, if it was not typed. The title is deleted with that prompt. Not a foreign key,
    # because jobs reference threads.
    Column("titled_by", Integer),
    Index(None, "user_id", "place_id", "updated_at"),
    Index(None, "titled_by"),
    **STRICT,
    **NEVER_REUSED,
)

current_threads = Table(
    "current_threads",
    metadata,
    Column("user_id", Int64, primary_key=True),
    Column("place_id", Int64, primary_key=True),
    Column("thread_id", ForeignKey("threads.id", ondelete="CASCADE"), nullable=False),
    Index(None, "thread_id"),
    **STRICT,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("thread_id", ForeignKey("threads.id", ondelete="SET NULL")),
    Column("parent_id", ForeignKey("jobs.id", ondelete="SET NULL")),
    Column("user_id", Int64, nullable=False),
    Column("server_id", Int64),
    Column("status", Text, nullable=False),
    # The typed options, so that the job can be repeated.
    Column("options", JsonText, nullable=False),
    Column("private", Flag, nullable=False, server_default=NO),
    Column("spoiler", Flag, nullable=False, server_default=NO),
    # The location of the card. The token is erased when the job is delivered or the token has expired.
    Column("channel_id", Int64, nullable=False),
    Column("message_id", Int64),
    Column("interaction_token", Text),
    Column("token_expires_at", Int64),
    # Whether the bot is a member of the place, so that it can edit and post there without a token.
    Column("bot_present", Flag, nullable=False, server_default=YES),
    # The size limit of a file here in bytes, from the interaction.
    Column("file_limit", Int64, nullable=False),
    # The started delivery method. It is stored before a new message is sent, so that the message is never sent twice.
    Column("attempting", Text),
    # The method that showed the result, and the reasons why earlier methods could not be used: codes.
    Column("delivered_by", Text),
    Column("delivery_reasons", JsonText),
    # The reason why it never started.
    Column("lapse_reason", Text),
    Column("resumed_at", Int64),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    Column("ended_at", Int64),
    Column("delivered_at", Int64),
    # The prompt without letter case, for searching.
    Column("words", Text, nullable=False, server_default=text("''")),
    # For a private result that its author shares: the progress, and the message, stored before the images are added to
    # it.
    Column("share_state", Text),
    Column("share_server_id", Int64),
    Column("share_channel_id", Int64),
    Column("share_message_id", Int64),
    # For a long job: the state of the notification of its author, stored before it is sent; and its message.
    Column("notification", Text),
    Column("notification_channel_id", Int64),
    Column("notification_message_id", Int64),
    # The picture that it starts from, and the mask for it. Sources reference jobs and images as well.
    Column("source_id", ForeignKey("sources.id", ondelete="SET NULL", use_alter=True)),
    Column("mask_id", ForeignKey("sources.id", ondelete="SET NULL", use_alter=True)),
    Index(None, "user_id", "created_at"),
    Index(None, "status", "user_id"),
    Index(None, "server_id", "created_at"),
    # For deleting old jobs.
    Index(None, "ended_at"),
    # For foreign keys: deleting a thread or a job looks for rows that reference it.
    Index(None, "thread_id"),
    Index(None, "parent_id"),
    # Only the few rows that still have a token.
    Index(
        None,
        "token_expires_at",
        sqlite_where=text("interaction_token IS NOT NULL"),
    ),
    # Only the few rows that wait for it.
    Index(None, "notification", sqlite_where=text("notification = 'due'")),
    # For foreign keys, like those above. Only the jobs that start from a picture.
    Index(None, "source_id", sqlite_where=text("source_id IS NOT NULL")),
    Index(None, "mask_id", sqlite_where=text("mask_id IS NOT NULL")),
    **STRICT,
    **NEVER_REUSED,
)

submissions = Table(
    "submissions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("user_id", Int64, nullable=False),
    Column("engine", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("request", JsonText, nullable=False),
    # The provider's data for finding it again.
    Column("handle", JsonText),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Int64),
    # The times of the paid call, of the end at the provider (as observed), and of the stored files.
    Column("sent_at", Int64),
    Column("finished_at", Int64),
    Column("ended_at", Int64),
    # Stored texts, safe to show: why it failed, or what is missing.
    Column("problems", JsonText),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    # The number of paid calls. Calls that the provider certainly did not accept are not counted.
    Column("sendings", Integer, nullable=False, server_default=NO),
    # The charge that the provider reported, in its own millicredits; NULL: none reported.
    Column("charged", Int64),
    # The URLs and the cost of images that could not be fetched, and the setting that would fix that.
    Column("result", JsonText),
    Column("waits_for", Text),
    # When it was reopened to be polled again. Its hold was released before, and it was captured if it was done.
    Column("reopened_at", Int64),
    # When somebody cancelled it after it was sent, if its provider can stop it. It is not sent again.
    Column("cancelled_at", Int64),
    UniqueConstraint("job_id", "position"),
    Index(None, "status", "created_at"),
    Index(None, "engine", "finished_at"),
    **STRICT,
    **NEVER_REUSED,
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("submission_id", ForeignKey("submissions.id", ondelete="CASCADE"), nullable=False),
    Column("old_status", Text),
    Column("new_status", Text, nullable=False),
    Column("at", Int64, nullable=False),
    # A code: see EventReason.
    Column("why", Text, nullable=False),
    Index(None, "submission_id"),
    **STRICT,
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("submission_id", ForeignKey("submissions.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    # The file's name in DATA_DIR/images; NULL after the file was deleted.
    Column("file", Text),
    Column("media_type", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Int64, nullable=False),
    Column("seed", Int64),
    Column("filtered", Flag, nullable=False, server_default=NO),
    Column("created_at", Int64, nullable=False),
    # The name of its small preview in the same folder, which is kept longer than the file.
    Column("preview", Text),
    UniqueConstraint("submission_id", "position"),
    # Only the rows whose file is still there.
    Index(
        None,
        "created_at",
        sqlite_where=text("file IS NOT NULL"),
    ),
    # Only the rows that have a preview.
    Index(
        "ix_images_preview_created_at",
        "created_at",
        sqlite_where=text("preview IS NOT NULL"),
    ),
    **STRICT,
    **NEVER_REUSED,
)

# The pictures that requests start from. A row outlives its file while a job refers to it.
sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    # The person who started from it.
    Column("user_id", Int64, nullable=False),
    # A code: see SourceKind.
    Column("kind", Text, nullable=False),
    # For an image that the bot made: the image and its job.
    Column("image_id", ForeignKey("images.id", ondelete="SET NULL")),
    Column("job_id", ForeignKey("jobs.id", ondelete="SET NULL")),
    # The person whose picture it is, if known.
    Column("author_id", Int64),
    # The file's name in DATA_DIR/images; NULL after the file was deleted.
    Column("file", Text),
    Column("media_type", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Int64, nullable=False),
    Column("transparent", Flag, nullable=False, server_default=NO),
    # The SHA-256 of the original bytes, to recognise the same picture; NULL after the file was deleted.
    Column("digest", Text),
    # When the person last brought it, and when a job last started from it (NULL: never).
    Column("created_at", Int64, nullable=False),
    Column("used_at", Int64),
    Index(None, "user_id", "digest"),
    # For foreign keys.
    Index(None, "image_id", sqlite_where=text("image_id IS NOT NULL")),
    Index(None, "job_id", sqlite_where=text("job_id IS NOT NULL")),
    # For a deletion by the person whose pictures they are.
    Index(None, "author_id", sqlite_where=text("author_id IS NOT NULL")),
    # Only the rows whose file is still there.
    Index(None, "created_at", "used_at", sqlite_where=text("file IS NOT NULL")),
    **STRICT,
    **NEVER_REUSED,
)

# The files in DATA_DIR/images to remove. A file is listed in the transaction that deletes its record.
removals = Table(
    "removals",
    metadata,
    Column("file", Text, primary_key=True),
    **STRICT,
)

SPENT = ("engine", "channel_id", "amount", "exact", "position", "images", "operation")
GIVEN_BACK = ("user_id", "engine", "channel_id", "amount", "position", "outcome", "operation")


def _partly(name: str, *columns: str, where: str) -> Index:
    """Make a partial index."""
    return Index(name, *columns, sqlite_where=text(where))


# Append-only. amount is signed: a hold adds, its release subtracts the whole hold again, a capture adds the cost. The
# sum is what is spent and held. counted_at is the time of the hold for every entry of a submission, so that a job
# counts in the period in which it was requested.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    # Not a foreign key: the entry outlives the submission.
    Column("submission_id", Integer),
    Column("user_id", Int64, nullable=False),
    Column("server_id", Int64),
    Column("engine", Text),
    Column("amount", Int64, nullable=False),
    Column("exact", Flag, nullable=False, server_default=YES),
    # The provider's own millicredits.
    Column("raw_amount", Int64),
    Column("note", Text),
    Column("counted_at", Int64, nullable=False),
    Column("created_at", Int64, nullable=False),
    # The part of amount that a person's grants pay for, with the same sign.
    Column("granted", Int64, nullable=False, server_default=NO),
    # The data for reports, which outlives the job: its place, the request's position in its job (0: the first), the
    # images that a capture paid for, and the outcome of a request that ended without a capture.
    Column("job_id", Integer),
    Column("channel_id", Int64),
    Column("position", Integer),
    Column("images", Integer),
    Column("outcome", Text),
    # What the request does; NULL: text_to_image.
    Column("operation", Text),
    UniqueConstraint("submission_id", "kind"),
    # For the check of limits, which runs in the writing transaction: these cover all columns of its sums.
    Index(None, "user_id", "counted_at", "kind", "amount"),
    Index(None, "server_id", "counted_at", "kind", "amount"),
    Index(None, "counted_at", "kind", "amount"),
    # For reports: these cover all columns that a report reads, with one row for each ended request.
    _partly("ix_ledger_spent_by_server", "server_id", "counted_at", "user_id", *SPENT, where="images IS NOT NULL"),
    _partly("ix_ledger_spent_by_user", "server_id", "user_id", "counted_at", *SPENT, where="images IS NOT NULL"),
    _partly("ix_ledger_spent", "counted_at", "server_id", "user_id", *SPENT, where="images IS NOT NULL"),
    _partly("ix_ledger_freed_by_server", "server_id", "counted_at", *GIVEN_BACK, where="outcome IS NOT NULL"),
    _partly("ix_ledger_freed", "counted_at", "server_id", *GIVEN_BACK, where="outcome IS NOT NULL"),
    # For a person's grants and their use: few of many rows.
    _partly("ix_ledger_grants", "user_id", "server_id", "amount", "granted", where="granted <> 0 OR engine IS NULL"),
    **STRICT,
)

state = Table(
    "state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JsonText, nullable=False),
    **STRICT,
)

# A person's own settings. Only options that they set are stored.
user_settings = Table(
    "user_settings",
    metadata,
    Column("user_id", Int64, primary_key=True),
    Column("settings", JsonText, nullable=False),
    Column("updated_at", Int64, nullable=False),
    **STRICT,
)

# The hints that people have seen. Each is shown to a person once.
hints = Table(
    "hints",
    metadata,
    Column("user_id", Int64, primary_key=True),
    Column("hint", Text, primary_key=True),
    Column("shown_at", Int64, nullable=False),
    **STRICT,
)

# People who had everything deleted. Their ledger entries up to then keep their id until due_at, so that a deletion does
# not reset limits. Then the id is replaced by a random negative number.
departures = Table(
    "departures",
    metadata,
    Column("user_id", Int64, primary_key=True),
    Column("last_entry", Integer, nullable=False),
    Column("due_at", Int64, nullable=False),
    **STRICT,
)

# The settings by a server's admins: the period of its limits, its rules, and its defaults.
server_settings = Table(
    "server_settings",
    metadata,
    Column("server_id", Int64, primary_key=True),
    Column("settings", JsonText, nullable=False),
    Column("updated_at", Int64, nullable=False),
    **STRICT,
)

# The limits that a server's admins set, for the server, for everybody, for a role or for a person; NULL: no such limit.
quotas = Table(
    "quotas",
    metadata,
    Column("server_id", Int64, primary_key=True),
    Column("subject", Text, primary_key=True),
    # The id of the role or the person, else 0.
    Column("subject_id", Int64, primary_key=True),
    Column("credits", Int64),
    Column("images", Integer),
    Column("jobs", Integer),
    Column("free_images", Integer),
    Column("updated_at", Int64, nullable=False),
    **STRICT,
)

# The servers that were welcomed, or used the bot before there was a welcome. Written before the card is posted.
welcomes = Table(
    "welcomes",
    metadata,
    Column("server_id", Int64, primary_key=True),
    # 0: never welcomed.
    Column("welcomed_at", Int64, nullable=False),
    **STRICT,
)

# Every change that an admin made: who, what, when. Append-only.
admin_log = Table(
    "admin_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("server_id", Int64, nullable=False),
    Column("user_id", Int64, nullable=False),
    Column("what", Text, nullable=False),
    Column("details", JsonText, nullable=False),
    Column("at", Int64, nullable=False),
    Index(None, "server_id"),
    **STRICT,
)


def settable(table: Table, columns: Collection[str], *guarded: str) -> None:
    """Raise ValueError for guarded columns, and for columns that the table does not have.

    Without this check, values for unknown columns would be silently ignored.
    """
    if wrong := set(columns) & set(guarded) | set(columns) - set(table.columns.keys()):
        raise ValueError(f"not to be set here: {', '.join(sorted(wrong))}")
