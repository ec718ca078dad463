"""Texts about a job's delivery, and the link to its result. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.text import Message, Text, message, t
from bot.ui.cards.wording import moment
from storage.records import DeliveryMethod, DeliveryReason, Job, JobStatus, ShareState

METHODS: Mapping[DeliveryMethod, Message] = {
    DeliveryMethod.TOKEN: message("delivery.method.token", "in the original message"),
    DeliveryMethod.BOT_EDIT: message("delivery.method.bot_edit", "in the original message, edited by the bot itself"),
    DeliveryMethod.NEW_MESSAGE: message("delivery.method.new_message", "in a new message"),
    DeliveryMethod.DIRECT_MESSAGE: message("delivery.method.direct_message", "in a direct message"),
    DeliveryMethod.FOUND_IN_CARD: message(
        "delivery.method.found_in_card", "in the original message, as found out later"
    ),
    DeliveryMethod.HISTORY: message("delivery.method.history", "privately, through /history"),
    DeliveryMethod.SHARE: message("delivery.method.share", "by sharing it"),
    DeliveryMethod.OTHER: message("delivery.method.other", "by an older version of the bot"),
}
"""Each text continues "Shown"."""

REASONS: Mapping[DeliveryReason, Message] = {
    DeliveryReason.TOKEN_EXPIRED: message("delivery.reason.token_expired", "Discord's 15 minutes were over"),
    DeliveryReason.MESSAGE_GONE: message("delivery.reason.message_gone", "the original message was deleted"),
    DeliveryReason.MESSAGE_UNKNOWN: message("delivery.reason.message_unknown", "the original message is unknown"),
    DeliveryReason.PLACE_GONE: message("delivery.reason.place_gone", "the channel or server is gone"),
    DeliveryReason.NOT_ALLOWED: message("delivery.reason.not_allowed", "the bot can't see the channel or write there"),
    DeliveryReason.NO_FILES: message("delivery.reason.no_files", "Discord accepts no images here"),
    DeliveryReason.NOT_PRESENT: message("delivery.reason.not_present", "the bot isn't a member there"),
    DeliveryReason.NO_DMS: message("delivery.reason.no_dms", "this person doesn't accept direct messages"),
    DeliveryReason.DMS_OFF: message("delivery.reason.dms_off", "this person turned direct messages off"),
    DeliveryReason.MAYBE_POSTED: message("delivery.reason.maybe_posted", "it may have been posted already"),
    DeliveryReason.MAYBE_SHOWN: message("delivery.reason.maybe_shown", "it may have been shown already"),
    DeliveryReason.TOO_LARGE: message("delivery.reason.too_large", "it was too large for Discord"),
    DeliveryReason.REFUSED: message("delivery.reason.refused", "Discord refused it"),
    DeliveryReason.RESTORED: message(
        "delivery.reason.restored", "the bot was restored from a backup, and it may have been shown before"
    ),
    DeliveryReason.OTHER: message("delivery.reason.other", "of a reason that only an older version of the bot knew"),
}
"""Each text continues "because"."""

NO_LONGER_STORED = message(
    "delivery.no_longer_stored",
    "{count} image is no longer stored.",
    "{count} images are no longer stored.",
)
TOO_LARGE_HERE = message(
    "delivery.too_large_here",
    "{count} image is too large to show here. It's still stored.",
    "{count} images are too large to show here. They're still stored.",
)
NOT_SHOWN = message(
    "delivery.not_shown",
    "{count} image isn't shown, because {reason}. It's still stored.",
    "{count} images aren't shown, because {reason}. They're still stored.",
)
IN_HISTORY = message("delivery.in_history", "See what is stored in /history until {date}.")


def reasons_text(reasons: Iterable[DeliveryReason]) -> list[Message]:
    """The reasons as a value for a text: ``a, b and c``."""
    return [REASONS[reason] for reason in reasons]


def delivery_text(job: Job) -> Text | None:
    """How the job was shown or why it was not; None for an ordinary delivery."""
    how, why = job.delivered_by, reasons_text(job.delivery_reasons)
    if how is None:
        return t("Not shown, because {reasons}", reasons=why) if why else None
    if job.status is JobStatus.UNDELIVERED:
        return t("Shown without the images {how}", how=METHODS[how])
    if why:
        return t("Shown {how}, because {reasons}", how=METHODS[how], reasons=why)
    return None if how is DeliveryMethod.TOKEN else t("Shown {how}", how=METHODS[how])


def missing_images(
    *, shown: int, gone: int, unfit: int, kept_until: int, reason: DeliveryReason = DeliveryReason.TOO_LARGE
) -> Sequence[Text]:
    """The texts about images that are missing in their card: no longer stored, or not sent for this reason."""
    notes = []
    if gone:
        notes.append(NO_LONGER_STORED(count=gone))
    if unfit:
        too_large = reason is DeliveryReason.TOO_LARGE
        notes.append(TOO_LARGE_HERE(count=unfit) if too_large else NOT_SHOWN(count=unfit, reason=REASONS[reason]))
        if not shown:
            notes.append(IN_HISTORY(date=moment(kept_until, "D")))
    return notes


def jump_url(job: Job) -> str | None:
    """The link to the message that shows the job; None for a private answer or a deleted card."""
    if job.share_state is ShareState.POSTED:
        return message_url(job.share_server_id, job.share_channel_id, job.share_message_id)
    if job.message_id is None or job.delivered_by is DeliveryMethod.HISTORY:
        return None
    if job.status is JobStatus.UNDELIVERED and job.delivered_by is None:
        return None
    in_dms = job.delivered_by is DeliveryMethod.DIRECT_MESSAGE
    if job.only_author_sees and not in_dms:
        return None
    return message_url(None if in_dms else job.server_id, job.channel_id, job.message_id)


def message_url(server_id: int | None, channel_id: int | None, message_id: int | None) -> str:
    """The address of a message; ``server_id`` is None for direct messages."""
    return f"https://discord.com/channels/{server_id or '@me'}/{channel_id}/{message_id}"
