"""The cards of a job without a result: waiting for confirmation, in progress, or never started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from discord import ui

from bot.domain.money import Price
from bot.jobs.view import JobView
from bot.text import Message, message
from bot.ui.cards.buttons import (
    AGAIN,
    CANCEL,
    CONFIRM,
    DELETE,
    KEEP_IMAGES,
    NEW_SEED,
    NEW_SEED_FOR,
    POST,
    SAME_SEED_FOR,
    edit_button,
    job_rows,
)
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import NOT_CHARGED, ShownImage, for_author, heading, ignored_texts
from bot.ui.cards.job_text import engine_name, label
from bot.ui.cards.layout import WARM, Card, Words, facts, quiet, rule, text, within
from bot.ui.cards.layout import heading as bold
from bot.ui.cards.waiting import waiting_card
from bot.ui.cards.wording import IMAGES, moment
from storage.records import Job, JobStatus, LapseReason

LIST_AT_MOST = 1500

PROPOSAL = message("card.proposal", "**This makes {images} for {price}.** Nothing is sent until you confirm.")
EXPIRES = message("card.expires", "expires {when}")
POSTED_LATER = message("card.posted_later", "Posted here once you confirm")
SAME_IMAGE = message(
    "same_seed.question", "This seed makes the same image again.", "These seeds make the same {count} images again."
)
THERE_ALREADY = message("same_seed.there_already", "It is already here: {url}", "They are already here: {url}")
SAME_IMAGES = message("card.same_images", "The seed is fixed, so this makes the same images again.")
NEVER_STARTED = message("card.never_started", "Not started.")
LAPSED: Mapping[LapseReason, Message] = {
    LapseReason.EXPIRED: message("lapse.expired", "The price expired before you confirmed it."),
    LapseReason.CANCELLED: message("lapse.cancelled", "It was cancelled before the price was confirmed."),
    LapseReason.CANCELLED_BY_ADMIN: message("lapse.cancelled_by_admin", "An admin cancelled it."),
    LapseReason.REPLACED: message("lapse.replaced", "You requested too many other prices after it."),
    LapseReason.OTHER: message("lapse.other", "The price was not confirmed."),
}


def unfinished_card(
    view: JobView, shown: Sequence[ShownImage] = (), *, ending: Words | None = None, preview: str | None = None
) -> Card:
    """The card of a job in any of these states."""
    if view.job.status is JobStatus.PROPOSED:
        return proposal_card(view)
    if view.job.status is JobStatus.LAPSED:
        return lapsed_card(view)
    return waiting_card(view, shown, ending=ending, preview=preview)


def proposal_card(view: JobView) -> Card:
    """The card of a proposal: what it would make, its price, and the time until which it can be confirmed."""
    images = IMAGES(count=sum(request.images for request in view.planned))
    parts: list[ui.Item[Any]] = [*heading(view), rule()]
    parts.append(text(PROPOSAL(images=images, price=str(view.price))))
    lines = within(_each(view), LIST_AT_MOST)
    if lines:
        parts.append(text(*lines))
    if view.repeats:
        parts.append(text(SAME_IMAGES))
    whose = for_author(view) if view.asked_in_place else POSTED_LATER
    parts.append(text(quiet(facts(whose, EXPIRES(when=moment(view.lapses_at))))))
    confirm = CONFIRM if view.asked_in_place else POST
    row = [confirm.on(view.job.id, price=str(view.price))]
    if view.repeats:
        row.append(NEW_SEED.on(view.job.id))
    parts.append(ui.ActionRow(*row, CANCEL.on(view.job.id)))
    return Card(*parts)


def same_seed_card(job: Job, price: Price, *, images: int) -> Card:
    """The question whether to make the images of ``job`` again: either answer makes as many for this price."""
    url = jump_url(job)
    there = () if url is None else (THERE_ALREADY(url=url, count=images),)
    return Card(
        text(SAME_IMAGE(count=images), *there, quiet(NOT_CHARGED)),
        ui.ActionRow(
            NEW_SEED_FOR.on(job.id, price=str(price)),
            SAME_SEED_FOR.on(job.id, price=str(price)),
            KEEP_IMAGES.on(job.id),
        ),
    )


def lapsed_card(view: JobView) -> Card:
    """The card of a job that never started: why, and how to run it again.

    Where only its reader sees it, that person can dismiss it, so it has no button to delete it.
    """
    dismissable = view.job.private or not view.asked_in_place
    why = LAPSED[view.job.lapse_reason or LapseReason.EXPIRED]
    return Card(
        *heading(view),
        rule(),
        text(bold(NEVER_STARTED), why, NOT_CHARGED, quiet(for_author(view))),
        *job_rows(view, AGAIN, edit_button(view), *(() if dismissable else (DELETE,))),
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
