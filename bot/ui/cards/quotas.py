"""The cards of /quota: the limits of a server, and how one person stands."""

from __future__ import annotations

from typing import Any

from discord import ui

from bot.domain.periods import Period
from bot.jobs.limits import LimitKind, Limits
from bot.servers.settings import MemberLimits
from bot.text import amount_text, credits_text
from bot.ui.cards.layout import Card, quiet, rule, text, within
from bot.ui.cards.usage import person
from bot.ui.cards.wording import counted, moment
from storage.quotas import Quota, Subject

_EVERYDAY = {Period.DAY: "every day", Period.WEEK: "every Monday", Period.MONTH: "on the first of every month"}


def quotas_card(quotas: list[Quota], period: Period, operator: Limits) -> Card:
    """All limits of a server."""
    lines = [f"{subject_text(quota)}: {limits_text(quota, period)}" for quota in quotas]
    return Card(
        text(f"**Limits in this server**, renewed {_EVERYDAY[period]} at 00:00 UTC"),
        text(*within(lines or ["None are set: everybody may spend what the operator allows."], 3000)),
        *_operators(operator),
        text(
            quiet("A person's own limit counts, else the best of their roles', else that of everybody."),
            quiet("Extra credits are used only for what goes beyond the period's limit; they do not lapse."),
        ),
    )


def member_card(user_id: int, member: MemberLimits) -> Card:
    """What holds for one member of a server, and what is left of it."""
    limits, period = member.limits, member.period.this.capitalize()
    lines = []
    if not any(use.limit.kind is LimitKind.SERVER_USER for use in member.uses):
        lines.append(f"{period}: {credits_text(member.spent)} used; no limit is set")
    for use in member.uses:
        whose = period if use.limit.kind is LimitKind.SERVER_USER else "Of what all people here share"
        lines.append(f"{whose}: {amount_text(use.left)} of {credits_text(use.limit.credits)} left")
    lines.append(f"Renewed {moment(member.renews_at)}")
    if member.grants.given:
        lines.append(
            f"Extra credits: {amount_text(member.grants.left)} left of {credits_text(member.grants.given)} granted"
        )
    if limits.images is not None:
        lines.append(f"Images a job: {limits.images}")
    most = f" of {limits.server_jobs}" if limits.server_jobs is not None else ""
    lines.append(f"Unfinished jobs: {member.unfinished}{most}")
    return Card(text(f"**How {person(user_id)} stands here**"), text(*lines))


def subject_text(quota: Quota) -> str:
    """Whom a limit is for."""
    match quota.subject:
        case Subject.SERVER:
            return "**This server as a whole**"
        case Subject.DEFAULT:
            return "**Everybody**"
        case Subject.ROLE:
            return f"<@&{quota.subject_id}>"
        case Subject.USER:
            return person(quota.subject_id)


def limits_text(quota: Quota, period: Period) -> str:
    """What a limit is."""
    parts = []
    if quota.credits is not None:
        parts.append(f"{credits_text(quota.credits)} a {period}")
    if quota.images is not None:
        parts.append(f"{counted(quota.images, 'image')} a job")
    if quota.jobs is not None:
        parts.append(f"{counted(quota.jobs, 'unfinished job')} at once")
    return ", ".join(parts) or "no limit"


def _operators(limits: Limits) -> list[ui.Item[Any]]:
    lines = [f"{counted(limits.jobs_per_user, 'unfinished job')} a person at once"]
    for limit, what in (
        (limits.user_daily, "a person a day"),
        (limits.server_monthly, "a server a month"),
        (limits.bot_daily, "all people of the bot a day"),
    ):
        if limit is not None:
            lines.append(f"{credits_text(limit)} {what}")
    return [rule(), text("**Within the limits of whoever runs the bot**", *lines)]
