"""The card of /credits with its chart: what one has spent, what is left and when it renews."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord
from discord import ui

from bot.domain.periods import Period, moment_of
from bot.jobs.limits import LimitKind, LimitUse
from bot.servers.spending import CreditsView, Step
from bot.text import amount_text, credits_text
from bot.ui.cards.layout import Card, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment, safe
from bot.ui.charts import ChartSpec, Series, in_words

CHART = "credits.png"
ALT_AT_MOST = 1024


def credits_card(view: CreditsView, *, names: Mapping[str, str], chart: ChartSpec | None) -> Card:
    """What one person spent. ``names`` are the engines' names by their ids; ``chart`` is the one in the file CHART."""
    lines = [f"Spent ({view.name}): **{_spent(view)}**"]
    if view.in_flight:
        lines.append(f"In flight: {credits_text(view.in_flight)}, held for jobs that are not finished")
    lines += [_left(limit) for limit in view.limits] or ["No limit of credits is set for you here."]
    if view.grants is not None and view.grants.given:
        lines.append(
            f"Granted to you in this server: {credits_text(view.grants.left)} left of "
            f"{amount_text(view.grants.given)}; these do not lapse"
        )
    images = f", {counted(view.images, 'image')} a job" if view.images is not None else ""
    lines.append(f"At most at once here: {counted(view.jobs, 'unfinished job')}{images}")
    parts: list[ui.Item[Any]] = [text("**Your credits**"), text(*lines)]
    if chart is not None:
        alt = in_words(chart, ALT_AT_MOST)
        parts.append(ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{CHART}", description=alt)))
    if view.by_engine:
        parts.append(text("**By engine**", *within(_amounts(view.by_engine, names), 900)))
    if view.by_thread:
        parts.append(text("**By thread**", *within(_amounts(view.by_thread, {}), 1200)))
    parts += [
        rule(),
        text(
            quiet("Spent everywhere; days, weeks and months are those of UTC."),
            quiet("What failed or was cancelled before it was sent cost nothing."),
        ),
    ]
    return Card(*parts)


def credits_chart(view: CreditsView) -> ChartSpec | None:
    """The chart of what was spent; None where there is nothing to see."""
    if not view.exact + view.estimated:
        return None
    daily = next((use.limit for use in view.limits if view.step is Step.DAY and _daily(use)), None)
    return ChartSpec(
        title=f"Credits by {view.step}, {_stretch(view)} (UTC)",
        labels=tuple(_label(each.start, view) for each in view.spent),
        series=(
            Series("exact", tuple(each.exact / 1000 for each in view.spent)),
            Series("estimated", tuple(each.estimated / 1000 for each in view.spent), hatched=True),
        ),
        line=daily.credits / 1000 if daily is not None else None,
        line_name="limit of a day",
    )


def _spent(view: CreditsView) -> str:
    estimated = f", {amount_text(view.estimated)} of it estimated" if view.estimated else ""
    return f"{credits_text(view.exact + view.estimated)}{estimated}"


def _daily(use: LimitUse) -> bool:
    """Whether it is a limit of this one person for each day."""
    return use.limit.period is Period.DAY and use.limit.kind in {LimitKind.USER_DAILY, LimitKind.SERVER_USER}


_LIMIT_NAMES = {
    LimitKind.USER_DAILY: "your limit for {}",
    LimitKind.SERVER_USER: "your limit in this server for {}",
    LimitKind.SERVER: "everybody's limit in this server for {}",
    LimitKind.SERVER_MONTHLY: "this server's limit for {}",
}


def _left(use: LimitUse) -> str:
    name = _LIMIT_NAMES[use.limit.kind].format(use.limit.period.this)
    of = credits_text(use.limit.credits)
    return f"Left of {name}: {amount_text(use.left)} of {of}, renewed {moment(use.renews_at)}"


def _amounts(pairs: tuple[tuple[str, int], ...], names: Mapping[str, str]) -> list[str]:
    return [f"{safe(names.get(name, name), 100) or '(untitled)'}: {credits_text(spent)}" for name, spent in pairs]


def _stretch(view: CreditsView) -> str:
    first, last = moment_of(view.spent[0].start), moment_of(view.until - 1)
    if view.step is Step.MONTH:
        return (
            f"{first:%b %Y}"
            if (first.year, first.month) == (last.year, last.month)
            else f"{first:%b %Y} to {last:%b %Y}"
        )
    return (
        f"{first.day} {first:%b}" if first.date() == last.date() else f"{first.day} {first:%b} to {last.day} {last:%b}"
    )


def _label(start: int, view: CreditsView) -> str:
    at = moment_of(start)
    if view.step is Step.HOUR:
        return f"{at:%H:%M}"
    if view.step is Step.DAY:
        return f"{at.day} {at:%b}"
    return f"{at:%b}" if len(view.spent) <= 12 else f"{at:%b %y}"
