"""Frozen records for the rows of jobs, submissions, events, images and sources.

Times are Unix milliseconds (UTC). Discord's ids are integers.
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
    """The ways in which a result reaches its author."""

    TOKEN = "token"  # noqa: S105 - a code, not a secret
    """The card was edited with the interaction's token."""
    BOT_EDIT = "bot_edit"
    """The card was edited with the bot's own token."""
    NEW_MESSAGE = "new_message"
    """A separate message in the job's channel."""
    DIRECT_MESSAGE = "direct_message"
    FOUND_IN_CARD = "found_in_card"
    """An edit without a response turned out to have succeeded."""
    HISTORY = "history"
    """A private response to ``/history``, which has no link."""
    SHARE = "share"
    """Its author shared it in a channel."""
    OTHER = "other"
    """An older version stored something that is no longer understood."""


class DeliveryReason(StrEnum):
    """The reasons why a delivery method could not be used."""

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
    """The database was restored from a backup, which does not have the later deliveries."""
    OTHER = "other"
    """An older version stored something that is no longer understood."""


class LapseReason(StrEnum):
    """The reasons why a job never started."""

    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CANCELLED_BY_ADMIN = "cancelled_by_admin"
    REPLACED = "replaced"
    """Its author asked for the prices of too many other jobs since."""
    OTHER = "other"
    """An older version stored something that is no longer understood."""


class ShareState(StrEnum):
    """The progress of sharing a private result."""

    POSTING = "posting"
    """The message is being sent, or may have been sent. The bot looks for it before it sends another."""
    POSTED = "posted"


class NotificationState(StrEnum):
    """The progress of the notification that a long job is done."""

    DUE = "due"
    """The result is shown. Nothing has been sent yet."""
    CHANNEL = "channel"
    """A message in the job's channel is about to be sent, or was sent. The same holds for the states below."""
    FOLLOW_UP = "follow_up"
    """A private follow-up to the interaction."""
    DIRECT_MESSAGE = "direct_message"


UNSHOWN = frozenset({JobStatus.PROPOSED, JobStatus.WORKING, JobStatus.READY})
"""A job with one of these statuses waits for its images or for delivery, so no part of it may be deleted."""

NEVER_STARTED = frozenset({JobStatus.PROPOSED, JobStatus.LAPSED})
"""A job with one of these statuses has no result, and only its author sees its card."""

UNLISTED = frozenset({JobStatus.LAPSED, JobStatus.DELETED})
"""The statuses of jobs that are not listed: never confirmed, or deleted."""


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
    """The reasons for the steps of a submission."""

    ASKED = "asked"
    SENT = "sent"
    ACCEPTED = "accepted"
    FOUND = "found"
    """The response to the paid call was lost, but the provider has the request."""
    FINISHED = "finished"
    # Back to the queue.
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not_found"
    NOT_ARRIVED = "not_arrived"
    TOO_LARGE = "too_large"
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
    # The end was reverted.
    REOPENED = "reopened"
    # An older version stored another reason, or the job was deleted.
    OTHER = "other"


class SourceKind(StrEnum):
    """Where a picture that a request starts from comes from."""

    ATTACHED = "attached"
    """A person attached it to a command."""
    MESSAGE = "message"
    """It was in a message of somebody in Discord."""
    RESULT = "result"
    """It is an image that the bot made."""
    MASK = "mask"
    """A person attached it to mark a part of another picture."""


ENDED = frozenset(
    {SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.CANCELLED, SubmissionStatus.UNKNOWN}
)
UNFINISHED = frozenset(SubmissionStatus) - ENDED
ON_THEIR_WAY = UNFINISHED - {SubmissionStatus.QUEUED}
"""The statuses of submissions that were sent, or may have been."""


@dataclass(frozen=True, slots=True)
class Job:
    """One card: the request, its author, and where it is shown."""

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
    """A delivery method that was started and may have succeeded. It is stored before the request is sent."""
    delivered_by: DeliveryMethod | None
    """How the result was shown; for an undelivered job, how its card was shown without the images."""
    delivery_reasons: tuple[DeliveryReason, ...]
    """Why the earlier methods could not be used, in the order of the attempts."""
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
    notification: NotificationState | None = None
    """How its author was notified of the end; None if that was not necessary."""
    notification_channel_id: int | None = None
    notification_message_id: int | None = None
    source_id: int | None = None
    """The stored picture that it starts from."""
    mask_id: int | None = None
    """The stored mask for that picture, if a person attached one."""

    @property
    def public_in(self) -> int | None:
        """The channel in which everybody can see the result, or None."""
        if self.share_state is ShareState.POSTED:
            return self.share_channel_id
        return None if self.only_author_sees else self.channel_id

    @property
    def only_author_sees(self) -> bool:
        """Whether only its author sees the card: it is private, or it only asks for the confirmation of a price."""
        return self.private or self.status in NEVER_STARTED

    def __repr__(self) -> str:
        # The token is a credential and must not appear in logs or tracebacks.
        return f"Job(id={self.id}, status={self.status.value!r}, user_id={self.user_id})"


def job_of(row: RowMapping) -> Job:
    """Convert a row of the table ``jobs`` to a record."""
    codes: dict[str, Any] = {
        name: None if row[name] is None else kind(row[name])
        for name, kind in (
            ("status", JobStatus),
            ("attempting", DeliveryMethod),
            ("delivered_by", DeliveryMethod),
            ("lapse_reason", LapseReason),
            ("share_state", ShareState),
            ("notification", NotificationState),
        )
    }
    codes["delivery_reasons"] = tuple(map(DeliveryReason, row["delivery_reasons"] or ()))
    return Job(**{**{str(name): value for name, value in row.items()}, **codes})


@dataclass(frozen=True, slots=True)
class Submission:
    """One paid request of a job.

    `sendings` is how often it was sent and may have arrived. `charged` is in the provider's own millicredits.
    `problems` are the stored texts that say why it failed or what is missing. `result` has the facts about images that
    could not be fetched but may be later, and `waits_for` names the setting that would fix that. One with `reopened_at`
    was unknown, or done without some of its images. One with `cancelled_at` was cancelled after it had been sent.
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
    cancelled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Took:
    """The duration of a request, from sent to finished."""

    request: dict[str, Any]
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of one submission in millicredits: the held amount, and the captured amount or None.

    ``exact``: the captured amount is not an estimate.
    """

    held: int
    captured: int | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a submission: the old status (None: it was added), the new status, the time, and an EventReason."""

    id: int
    submission_id: int
    old_status: SubmissionStatus | None
    new_status: SubmissionStatus
    at: int
    why: str


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A finished image. `file` is the name of its file in the image folder, or None after the file was deleted.

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


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A picture that requests start from. ``user_id`` is the person who started from it.

    ``file`` is the name of its file in the image folder, or None after the file was deleted. ``image_id`` and
    ``job_id`` are set for an image that the bot made, until it is deleted. ``author_id`` is the person whose picture it
    is. ``digest`` is the SHA-256 of the original bytes in hexadecimal. ``created_at`` is when the person last brought
    it, ``used_at`` when a job last started from it.
    """

    id: int
    user_id: int
    kind: SourceKind
    image_id: int | None
    job_id: int | None
    author_id: int | None
    file: str | None
    media_type: str
    width: int
    height: int
    bytes: int
    transparent: bool
    digest: str | None
    created_at: int
    used_at: int | None
