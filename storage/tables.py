"""The tables. Times are Unix milliseconds (UTC), credits are integer millicredits, ids of Discord's are integers.

Only Integer, Text, REAL, LargeBinary and the types below are used, since the SQLite tables are STRICT.
"""

from __future__ import annotations

import json
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
    Index(None, "user_id", "place_id", "updated_at"),
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
    # Written before a new message is sent, so that it is never sent a second time.
    Column("delivery_nonce", Text),
    Column("delivery_note", Text),
    Column("resumed_at", Int64),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    Column("ended_at", Int64),
    Column("delivered_at", Int64),
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
        postgresql_where=text("interaction_token IS NOT NULL"),
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
    # A sentence that is safe to show: why it failed or what became of it.
    Column("error", Text),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
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
    UniqueConstraint("submission_id", "position"),
    # Only the rows whose file is still there.
    Index(
        None,
        "created_at",
        sqlite_where=text("file IS NOT NULL"),
        postgresql_where=text("file IS NOT NULL"),
    ),
    **STRICT,
)

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
    UniqueConstraint("submission_id", "kind"),
    # Limits are checked in the one writing transaction: these hold all that such a sum reads.
    Index(None, "user_id", "counted_at", "kind", "amount"),
    Index(None, "server_id", "counted_at", "kind", "amount"),
    Index(None, "counted_at", "kind", "amount"),
    **STRICT,
)

state = Table(
    "state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JsonText, nullable=False),
    **STRICT,
)
