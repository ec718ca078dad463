"""The card of a job that is not over: it waits for its price to be confirmed, is worked on, or was never begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from discord import ui

from bot.jobs.view import JobView
from bot.ui.cards.buttons import AGAIN, CANCEL, CONFIRM, DELETE, EDIT, job_row
from bot.ui.cards.comparison import not_sent
from bot.ui.cards.job import ShownImage, heading, waiting_card
from bot.ui.cards.job_text import engine_name, label
from bot.ui.cards.layout import WARM, Card, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment, safe
from storage.jobs import JobStatus

LIST_AT_MOST = 1500


def unfinished_card(view: JobView, shown: Sequence[ShownImage] = (), *, ending: str | None = None) -> Card:
    """Whatever a job that has no result yet, or will never have one, has to say."""
    if view.job.status is JobStatus.PROPOSED:
        return proposal_card(view)
    if view.job.status is JobStatus.LAPSED:
        return lapsed_card(view)
    return waiting_card(view, shown, ending=ending)


def proposal_card(view: JobView) -> Card:
    """What it would make, what it would cost, and until when it can be confirmed."""
    images = counted(sum(request.images for request in view.planned), "image")
    parts: list[ui.Item[Any]] = [*heading(view), rule()]
    parts.append(text(f"**This makes {images} for {view.price}.** Nothing is sent before you confirm."))
    lines = within(_each(view), LIST_AT_MOST)
    if lines:
        parts.append(text(*lines))
    parts.append(text(quiet(f"for <@{view.job.user_id}> · lapses {moment(view.lapses_at)}")))
    parts.append(ui.ActionRow(CONFIRM.on(view.job.id, price=str(view.price)), CANCEL.on(view.job.id)))
    return Card(*parts)


def lapsed_card(view: JobView) -> Card:
    """It was never begun: why, that it cost nothing, and how to ask again."""
    why = view.job.delivery_note or "its price was not confirmed in time"
    return Card(
        *heading(view),
        rule(),
        text(
            f"**Not started:** {safe(why, 200)}. Nothing was sent, and nothing was charged.",
            quiet(f"for <@{view.job.user_id}>"),
        ),
        *job_row(view, AGAIN, EDIT, DELETE),
        accent=WARM,
    )


def _each(view: JobView) -> Iterator[str]:
    """The requests one by one, where they are not all the same."""
    engines = {engine.id: engine for engine in view.engines}
    compared = view.options.engines is not None
    for request, price in zip(view.planned, view.prices, strict=True):
        if compared:
            yield f"**{engine_name(view, request.engine)}** · {request.size} · {price}"
            if request.engine in engines and (missing := not_sent(view, engines[request.engine])):
                yield quiet(missing)
        elif name := label(view, request):
            yield f"{name} · {counted(request.images, 'image') + ' · ' if request.images > 1 else ''}{price}"
