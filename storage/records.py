"""The rows of jobs, submissions, their events and images, as frozen records.

Times are Unix milliseconds (UTC); ids of Discord's are integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping


class JobStatus(StrEnum):
    """The states of a job."""

    PROPOSED = "proposed"
    WORKING = "working"
    READY = "ready"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    LAPSED = "lapsed"
    DELETED = "deleted"


class DeliveryMethod(StrEnum):
    """How a result reaches its author."""

    TOKEN = "token"  # noqa: S105 - a code, not a secret
    """The card was edited with the interaction's token."""
    BOT_EDIT = "bot_edit"
    """The card was edited with the bot's own token."""
    NEW_MESSAGE = "new_message"
    """A message of its own in the job's channel."""
    DIRECT_MESSAGE = "direct_message"
    FOUND_IN_CARD = "found_in_card"
    """An edit without an answer turned out to have been made."""
    HISTORY = "history"
    """A private answer in ``/history``, which no link leads to."""
    SHARE = "share"
    """Its author shared it in a channel."""
    OTHER = "other"
    """An older version stored something that is no longer understood."""


class DeliveryReason(StrEnum):
    """Why a delivery method could not be used."""

    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    MESSAGE_GONE = "message_gone"
    MESSAGE_UNKNOWN = "message_unknown"
    PLACE_GONE = "place_gone"
    NOT_ALLOWED = "not_allowed"
    NO_FILES = "no_files"
    NOT_PRESENT = "not_present"
    NO_DMS = "no_dms"
    DMS_OFF = "dms_off"
    MAYBE_POSTED = "maybe_posted"
    MAYBE_SHOWN = "maybe_shown"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    RESTORED = "restored"
    """The database was restored from a backup, which does not know what was shown since."""
    OTHER = "other"
    """An older version stored something that is no longer understood."""


class LapseReason(StrEnum):
    """Why a job never started."""

    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CANCELLED_BY_ADMIN = "cancelled_by_admin"
    OTHER = "other"
    """An older version stored something that is no longer understood."""


class ShareState(StrEnum):
    """How far sharing a private result has got."""

    POSTING = "posting"
    """The message is being sent, or may have been: it is looked for before another one is sent."""
    POSTED = "posted"


UNSHOWN = frozenset({JobStatus.PROPOSED, JobStatus.WORKING, JobStatus.READY})
"""A job in one of these waits for its images or for delivery, so nothing of it may be deleted."""

UNLISTED = frozenset({JobStatus.LAPSED, JobStatus.DELETED})
"""Jobs that lists leave out: never confirmed, or deleted."""


class SubmissionStatus(StrEnum):
    """The states of a submission."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RENDERING = "rendering"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class EventReason(StrEnum):
    """Why a submission took a step."""

    ASKED = "asked"
    SENT = "sent"
    ACCEPTED = "accepted"
    FOUND = "found"
    """The answer to the paid call was lost, and the provider has the request."""
    FINISHED = "finished"
    # Back to the queue.
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not_found"
    NOT_ARRIVED = "not_arrived"
    # The end without images.
    REFUSED = "refused"
    QUEUED_TOO_LONG = "queued_too_long"
    NOT_SENT_AGAIN = "not_sent_again"
    NO_ANSWER = "no_answer"
    NOT_LOOKED_FOR = "not_looked_for"
    LOST_TWICE = "lost_twice"
    FAILED = "failed"
    GONE = "gone"
    TIMED_OUT = "timed_out"
    NOTHING_MADE = "nothing_made"
    NO_IMAGES = "no_images"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    PROVIDER_REMOVED = "provider_removed"
    RESTORED = "restored"
    # Its end was taken back.
    REOPENED = "reopened"
    # An older version said something else, or the job was deleted.
    OTHER = "other"


ENDED = frozenset(
    {SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.CANCELLED, SubmissionStatus.UNKNOWN}
)
UNFINISHED = frozenset(SubmissionStatus) - ENDED
ON_THEIR_WAY = UNFINISHED - {SubmissionStatus.QUEUED}
"""Submissions that were sent, or may have been."""


@dataclass(frozen=True, slots=True)
class Job:
    """One card: what was asked for, by whom, and where it is shown."""

    id: int
    thread_id: int | None
    parent_id: int | None
    user_id: int
    server_id: int | None
    status: JobStatus
    options: dict[str, Any]
    private: bool
    spoiler: bool
    channel_id: int
    message_id: int | None
    interaction_token: str | None
    token_expires_at: int | None
    bot_present: bool
    file_limit: int
    attempting: DeliveryMethod | None
    """A way that was begun and may have worked, written before the request was sent."""
    delivered_by: DeliveryMethod | None
    """How it was shown; of an undelivered job, how its card was shown without the images."""
    delivery_reasons: tuple[DeliveryReason, ...]
    """Why the methods before that could not be used, in the order in which they were tried."""
    lapse_reason: LapseReason | None
    resumed_at: int | None
    created_at: int
    updated_at: int
    ended_at: int | None
    delivered_at: int | None
    words: str = ""
    share_state: ShareState | None = None
    share_server_id: int | None = None
    share_channel_id: int | None = None
    share_message_id: int | None = None

    @property
    def public_in(self) -> int | None:
        """The channel in which everybody can see its result, or None."""
        if self.share_state is ShareState.POSTED:
            return self.share_channel_id
        return None if self.private else self.channel_id

    def __repr__(self) -> str:
        # The token is a credential and must not appear in logs or tracebacks.
        return f"Job(id={self.id}, status={self.status.value!r}, user_id={self.user_id})"


def job_of(row: RowMapping) -> Job:
    """A row of the table ``jobs`` as a record."""
    codes: dict[str, Any] = {
        name: None if row[name] is None else kind(row[name])
        for name, kind in (
            ("status", JobStatus),
            ("attempting", DeliveryMethod),
            ("delivered_by", DeliveryMethod),
            ("lapse_reason", LapseReason),
            ("share_state", ShareState),
        )
    }
    codes["delivery_reasons"] = tuple(map(DeliveryReason, row["delivery_reasons"] or ()))
    return Job(**{**{str(name): value for name, value in row.items()}, **codes})


@dataclass(frozen=True, slots=True)
class Submission:
    """One paid request of a job.

    `sendings` is how often it was sent and may have arrived; `charged` is in the provider's own millicredits.
    `problems` are the stored texts that say why it failed or what is missing. `result` is what is known of images that
    could not be fetched, and `waits_for` names the setting that would fix that.
    """

    id: int
    job_id: int
    position: int
    user_id: int
    engine: str
    provider: str
    status: SubmissionStatus
    request: dict[str, Any]
    handle: dict[str, Any] | None
    attempts: int
    next_attempt_at: int | None
    sent_at: int | None
    finished_at: int | None
    ended_at: int | None
    problems: list[dict[str, Any]] | None
    created_at: int
    updated_at: int
    sendings: int = 0
    charged: int | None = None
    result: dict[str, Any] | None = None
    waits_for: str | None = None
    reopened_at: int | None = None


@dataclass(frozen=True, slots=True)
class Took:
    """How long a request took, from sent to finished."""

    request: dict[str, Any]
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of one submission in millicredits: what it holds now, and what was captured, or None.

    ``exact``: the captured amount is not an estimate.
    """

    held: int
    captured: int | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a submission: from which status (None: it was made) to which, when, and why (an EventReason)."""

    id: int
    submission_id: int
    old_status: SubmissionStatus | None
    new_status: SubmissionStatus
    at: int
    why: str


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A finished image; `file` is its name among the image files, None once that was deleted.

    `preview` is the name of its thumbnail in the same folder, or None.
    """

    id: int
    submission_id: int
    position: int
    file: str | None
    media_type: str
    width: int
    height: int
    bytes: int
    seed: int | None
    filtered: bool
    created_at: int
    preview: str | None = None
