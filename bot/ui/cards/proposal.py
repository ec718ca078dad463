"""The card of a job that is not over: it waits for its price to be confirmed, is worked on, or was never begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import discord
from discord import ui

from bot.jobs.view import JobView
from bot.text import message
from bot.ui.cards.comparison import not_sent
from bot.ui.cards.delivery_text import lapse_text
from bot.ui.cards.job import ShownImage, heading, waiting_card
from bot.ui.cards.job_text import engine_name, label
from bot.ui.cards.layout import WARM, Card, Words, buttons, custom_id, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment
from storage.jobs import JobStatus

LIST_AT_MOST = 1500

NOT_STARTED = message("lapse.not_started", "**Not started.** {reason} Nothing was charged.")


def unfinished_card(view: JobView, shown: Sequence[ShownImage] = (), *, ending: Words | None = None) -> Card:
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
    parts.append(
        ui.ActionRow(
            ui.Button(
                label=f"Confirm: {view.price}",
                style=discord.ButtonStyle.primary,
                custom_id=custom_id("confirm", view.job.id),
            ),
            ui.Button(label="Cancel", custom_id=custom_id("cancel", view.job.id)),
        )
    )
    return Card(*parts)


def lapsed_card(view: JobView) -> Card:
    """It was never begun: why, that it cost nothing, and how to ask again."""
    return Card(
        *heading(view),
        rule(),
        text(
            NOT_STARTED(reason=lapse_text(view.job)),
            quiet(f"for <@{view.job.user_id}>"),
        ),
        buttons(view.job.id, [("again", "Again"), ("edit", "Edit"), ("delete", "Delete")]),
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
