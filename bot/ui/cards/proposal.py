"""The cards of a job that has no result yet or never will: waiting for confirmation, in progress, or never started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from discord import ui

from bot.jobs.view import JobView
from bot.text import Message, message
from bot.ui.cards.buttons import AGAIN, CANCEL, CONFIRM, DELETE, EDIT, job_rows
from bot.ui.cards.job import NOT_CHARGED, ShownImage, for_author, heading, ignored_texts
from bot.ui.cards.job_text import engine_name, label
from bot.ui.cards.layout import WARM, Card, Words, facts, quiet, rule, text, within
from bot.ui.cards.layout import heading as bold
from bot.ui.cards.waiting import waiting_card
from bot.ui.cards.wording import IMAGES, moment
from storage.records import JobStatus, LapseReason

LIST_AT_MOST = 1500

PROPOSAL = message("card.proposal", "**This makes {images} for {price}.** Nothing is sent until you confirm.")
EXPIRES = message("card.expires", "expires {when}")
NEVER_STARTED = message("card.never_started", "Not started.")
LAPSED: Mapping[LapseReason, Message] = {
    LapseReason.EXPIRED: message("lapse.expired", "The price was not confirmed in time."),
    LapseReason.CANCELLED: message("lapse.cancelled", "It was cancelled before the price was confirmed."),
    LapseReason.CANCELLED_BY_ADMIN: message("lapse.cancelled_by_admin", "An admin cancelled it."),
    LapseReason.OTHER: message("lapse.other", "The price was not confirmed."),
}


def unfinished_card(view: JobView, shown: Sequence[ShownImage] = (), *, ending: Words | None = None) -> Card:
    """The card of a job in any of these states."""
    if view.job.status is JobStatus.PROPOSED:
        return proposal_card(view)
    if view.job.status is JobStatus.LAPSED:
        return lapsed_card(view)
    return waiting_card(view, shown, ending=ending)


def proposal_card(view: JobView) -> Card:
    """The card of a proposal: what it would make, its price, and the time until which it can be confirmed."""
    images = IMAGES(count=sum(request.images for request in view.planned))
    parts: list[ui.Item[Any]] = [*heading(view), rule()]
    parts.append(text(PROPOSAL(images=images, price=str(view.price))))
    lines = within(_each(view), LIST_AT_MOST)
    if lines:
        parts.append(text(*lines))
    parts.append(text(quiet(facts(for_author(view), EXPIRES(when=moment(view.lapses_at))))))
    parts.append(ui.ActionRow(CONFIRM.on(view.job.id, price=str(view.price)), CANCEL.on(view.job.id)))
    return Card(*parts)


def lapsed_card(view: JobView) -> Card:
    """The card of a job that never started: why, and how to run it again."""
    why = LAPSED[view.job.lapse_reason or LapseReason.EXPIRED]
    return Card(
        *heading(view),
        rule(),
        text(bold(NEVER_STARTED), why, NOT_CHARGED, quiet(for_author(view))),
        *job_rows(view, AGAIN, EDIT, DELETE),
        accent=WARM,
    )


def _each(view: JobView) -> Iterator[str]:
    """A line for each request, if they differ."""
    compared = view.options.engines is not None
    ignored = ignored_texts(view) if compared else {}
    for request, price in zip(view.planned, view.prices, strict=True):
        if compared:
            yield facts(bold(engine_name(view, request.engine)), str(request.size), str(price))
            if request.engine in ignored:
                yield quiet(ignored[request.engine])
        elif name := label(view, request):
            yield facts(name, IMAGES(count=request.images) if request.images > 1 else None, str(price))
