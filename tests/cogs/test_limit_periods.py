"""Limits of members and of the whole server that reset at different times."""

from __future__ import annotations

from bot.domain.periods import Period
from bot.domain.place import Origin
from bot.jobs.limits import TOO_EXPENSIVE, LimitKind
from tests.cogs.conftest import Studio
from tests.cogs.test_quota import CORE_PRICE, EVERYONE, SERVER, asked, quota
from tests.doubles.texts import shows


async def test_members_and_the_server_can_have_different_periods(studio: Studio) -> None:
    manager = Origin(studio.admin.id, "grace", studio.server.id, studio.channel.id, 1, manage_server=True)
    await quota(studio, "set", credits=10, period="day", **EVERYONE)
    rules = studio.runtime.servers.rules
    assert (rules(studio.server.id).period, rules(studio.server.id).period_of_server) == (Period.DAY, Period.MONTH)
    await quota(studio, "set", credits=8, period="week", **SERVER)
    assert (rules(studio.server.id).period, rules(studio.server.id).period_of_server) == (Period.DAY, Period.WEEK)
    await asked(studio, studio.ada)
    limits = (await studio.runtime.servers.member_limits(manager, studio.ada.id, frozenset())).uses
    assert [(use.limit.kind, use.limit.period, use.used) for use in limits] == [
        (LimitKind.SERVER_USER, Period.DAY, CORE_PRICE),
        (LimitKind.SERVER, Period.WEEK, CORE_PRICE),
    ]
    studio.clock.advance(24 * 3600)
    refused = await asked(studio, studio.ada)
    assert shows(refused, TOO_EXPENSIVE[LimitKind.SERVER])
    assert not shows(refused, TOO_EXPENSIVE[LimitKind.SERVER_USER]), "the day is over"
    await quota(studio, "set", period="month")
    assert (rules(studio.server.id).period, rules(studio.server.id).server_period) == (Period.MONTH, None)
