"""The tables. Times are Unix milliseconds (UTC), credits are integer millicredits, ids of Discord's are integers.

Only Integer, Text, REAL, LargeBinary and the types below are used, since the SQLite tables are STRICT.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine


class Int64(TypeDecorator[int]):
    """A 64-bit integer: a Discord id, a time in milliseconds, an amount in millicredits."""

    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name != "sqlite" else Integer())


class Flag(TypeDecorator[bool]):
    """True or False, kept as 1 or 0."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class JsonText(TypeDecorator[Any]):
    """Plain JSON, kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a STRICT table only when asked to; other databases are strict anyway.
STRICT: dict[str, Any] = {"sqlite_strict": True}
# Without this SQLite gives the id of a deleted row to the next one, and an old button or entry would speak of that.
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}

INT64_END = 2**63
"""The first number that a column of integers does not hold."""

# Not false() and true(): PostgreSQL refuses a boolean as the default of an integer column.
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
    # The job whose prompt the title was taken from, if it was not typed: the title goes when that prompt goes. Not a
    # foreign key: jobs point at threads.
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
    # What the person typed, so that it can be asked for again.
    Column("options", JsonText, nullable=False),
    Column("private", Flag, nullable=False, server_default=NO),
    Column("spoiler", Flag, nullable=False, server_default=NO),
    # Where the card is. The token is erased when the job is delivered or the token is over.
    Column("channel_id", Int64, nullable=False),
    Column("message_id", Int64),
    Column("interaction_token", Text),
    Column("token_expires_at", Int64),
    # Whether the bot itself is a member of the place, so that it can edit and post there without a token.
    Column("bot_present", Flag, nullable=False, server_default=YES),
    # Bytes that one file may have here, as the interaction said.
    Column("file_limit", Int64, nullable=False),
    # The delivery method that was begun, written before a new message is sent, so that it is never sent twice.
    Column("attempting", Text),
    # The method that showed the result, and the reasons why those before it could not: codes.
    Column("delivered_by", Text),
    Column("delivery_reasons", JsonText),
    # Why it was never started.
    Column("lapse_reason", Text),
    Column("resumed_at", Int64),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    Column("ended_at", Int64),
    Column("delivered_at", Int64),
    # The prompt without letter case, for searching.
    Column("words", Text, nullable=False, server_default=text("''")),
    # Of a private result that its author shows to others: how far that is, and the message, written before the images
    # are put into it.
    Column("share_state", Text),
    Column("share_server_id", Int64),
    Column("share_channel_id", Int64),
    Column("share_message_id", Int64),
    Index(None, "user_id", "created_at"),
    Index(None, "status", "user_id"),
    Index(None, "server_id", "created_at"),
    # Old jobs are forgotten.
    Index(None, "ended_at"),
    # The deletion of a thread or of a job looks for what points at it.
    Index(None, "thread_id"),
    Index(None, "parent_id"),
    # Only the few rows that still have a token.
    Index(
        None,
        "token_expires_at",
        sqlite_where=text("interaction_token IS NOT NULL"),
    ),
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
    # What the provider needs to find it again.
    Column("handle", JsonText),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Int64),
    # When the paid call was sent, when the provider had it finished (as we saw it), when its files were ours.
    Column("sent_at", Int64),
    Column("finished_at", Int64),
    Column("ended_at", Int64),
    # Stored texts that are safe to show: why it failed, or what is missing.
    Column("problems", JsonText),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    # How often the paid call was made. One that the provider surely did not take is not counted.
    Column("sendings", Integer, nullable=False, server_default=NO),
    # What the provider says that it charged for it, in its own millicredits; NULL: it said nothing.
    Column("charged", Int64),
    # Where the images are and what they cost, if they could not be fetched, and the setting that would fix that.
    Column("result", JsonText),
    Column("waits_for", Text),
    # When its end was taken back, to ask for it again. Its hold was released before.
    Column("reopened_at", Int64),
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
    # The file's name in DATA_DIR/images; None once it was tidied away.
    Column("file", Text),
    Column("media_type", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Int64, nullable=False),
    Column("seed", Int64),
    Column("filtered", Flag, nullable=False, server_default=NO),
    Column("created_at", Int64, nullable=False),
    # The name of a small picture of it in the same folder, which is kept longer than the file.
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

# The files in DATA_DIR/images that have to go: they are on it from the moment in which their records go.
removals = Table(
    "removals",
    metadata,
    Column("file", Text, primary_key=True),
    **STRICT,
)

SPENT = ("engine", "channel_id", "amount", "exact", "position", "images")
GIVEN_BACK = ("user_id", "engine", "channel_id", "amount", "position", "outcome")


def _partly(name: str, *columns: str, where: str) -> Index:
    """An index of some of the rows."""
    return Index(name, *columns, sqlite_where=text(where))


# Append-only. amount is signed: a hold adds, its release takes the whole hold away again, a capture adds what it cost;
# the sum is what is spent and held. counted_at is the moment of the hold for every entry of a submission, so that a
# job belongs to the period in which it was asked for.
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
    # What a report counts, so that it needs no other table and outlives the job: where it was asked for, which
    # request of its job it is (0: the first), the images that a capture paid for, and how a request ended that was
    # given back without a capture.
    Column("job_id", Integer),
    Column("channel_id", Int64),
    Column("position", Integer),
    Column("images", Integer),
    Column("outcome", Text),
    UniqueConstraint("submission_id", "kind"),
    # Limits are checked in the one writing transaction: these hold all that such a sum reads.
    Index(None, "user_id", "counted_at", "kind", "amount"),
    Index(None, "server_id", "counted_at", "kind", "amount"),
    Index(None, "counted_at", "kind", "amount"),
    # Reports: these hold all that one reads, one row for each request that has ended.
    _partly("ix_ledger_spent_by_server", "server_id", "counted_at", "user_id", *SPENT, where="images IS NOT NULL"),
    _partly("ix_ledger_spent_by_user", "server_id", "user_id", "counted_at", *SPENT, where="images IS NOT NULL"),
    _partly("ix_ledger_spent", "counted_at", "server_id", "user_id", *SPENT, where="images IS NOT NULL"),
    _partly("ix_ledger_freed_by_server", "server_id", "counted_at", *GIVEN_BACK, where="outcome IS NOT NULL"),
    _partly("ix_ledger_freed", "counted_at", "server_id", *GIVEN_BACK, where="outcome IS NOT NULL"),
    # What a person was granted and what was taken of it: few rows of many.
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

# What a person set for themselves; only what they set is in it.
user_settings = Table(
    "user_settings",
    metadata,
    Column("user_id", Int64, primary_key=True),
    Column("settings", JsonText, nullable=False),
    Column("updated_at", Int64, nullable=False),
    **STRICT,
)

# Who had everything deleted. Their entries in the ledger up to the last one of that moment stay under their id until
# due_at, so that nobody gets round a limit this way; then they go over to a random number below 0, which is nobody's.
departures = Table(
    "departures",
    metadata,
    Column("user_id", Int64, primary_key=True),
    Column("last_entry", Integer, nullable=False),
    Column("due_at", Int64, nullable=False),
    **STRICT,
)

# What the admins of a server set: its period, what is allowed there and what is used where nothing is said.
server_settings = Table(
    "server_settings",
    metadata,
    Column("server_id", Int64, primary_key=True),
    Column("settings", JsonText, nullable=False),
    Column("updated_at", Int64, nullable=False),
    **STRICT,
)

# Limits that a server's admins set, for the server, for everybody, for a role or for a person; NULL: none of this kind.
quotas = Table(
    "quotas",
    metadata,
    Column("server_id", Int64, primary_key=True),
    Column("subject", Text, primary_key=True),
    # The role or the person, else 0.
    Column("subject_id", Int64, primary_key=True),
    Column("credits", Int64),
    Column("images", Integer),
    Column("jobs", Integer),
    Column("updated_at", Int64, nullable=False),
    **STRICT,
)

# Every change that an admin made: who, what, when. Only ever added to.
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
    """Raise ValueError for columns that are guarded, or that are none of the table's.

    What is given with a statement and fits nothing in it would only be left out.
    """
    if wrong := set(columns) & set(guarded) | set(columns) - set(table.columns.keys()):
        raise ValueError(f"not to be set here: {', '.join(sorted(wrong))}")
