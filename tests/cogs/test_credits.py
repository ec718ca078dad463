"""/credits as people use it: spending by engine, the rest of each limit, and the chart."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from bot.domain.periods import DAY_AND_MONTH, MONTH_AND_YEAR, NOT_A_PERIOD, SUGGESTED, Period, date_text
from bot.jobs.limits import LimitKind
from bot.servers.reports import Step
from bot.text import Text, t
from bot.ui.cards.usage import (
    BY_TIME,
    CREDITS_TITLE,
    DAILY_LIMIT,
    EXTRA,
    FROM_TO,
    JOBS_AND_IMAGES,
    JOBS_AT_A_TIME,
    LEFT,
    NO_LIMIT,
    ON_HOLD,
    SPENT,
    SPENT_ESTIMATED,
)
from bot.ui.cards.wording import IMAGES
from bot.ui.charts import Charts
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

DAY = 86_400


def chart_of(step: Step, first: tuple[int, int, int], last: tuple[int, int, int] | None = None) -> str:
    """The title of the chart over this period, by days or months."""
    form = MONTH_AND_YEAR if step is Step.MONTH else DAY_AND_MONTH
    begin = date_text(datetime(*first, tzinfo=UTC), form)
    end = begin if last is None else date_text(datetime(*last, tzinfo=UTC), form)
    return str(BY_TIME[step](time=begin if begin == end else FROM_TO(first=begin, last=end)))


def left(kind: LimitKind, left: int, limit: int, period: Period, resets: str = "") -> Text:
    """The line of one limit; without ``resets``, the line up to the time of the reset."""
    return LEFT[kind](left=left, limit=limit, period=period.this, resets=resets)


async def test_credits_show_spent_and_held_amounts(studio: Studio) -> None:
    await studio.imagine(prompt="a lighthouse", engine=CORE)
    await studio.imagine(prompt="a fox", engine=BASIC)
    await studio.finish()
    studio.stand_in.renderings.seconds = None
    await studio.imagine(engine=CORE)
    await studio.begun(count=2)
    result = await studio.ada.slash(studio.channel, "credits")
    said = told(result).text
    for line in (
        CREDITS_TITLE(period=SUGGESTED["this month"]),
        SPENT_ESTIMATED(spent=6900, estimated=900),
        ON_HOLD(held=6000),
        NO_LIMIT(),
        t("Stable Image Core: {spent:credits}", spent=6000),
        t("Stable Diffusion 1.6: {spent:credits}", spent=900),
    ):
        assert shows(said, line)
    assert "a lighthouse" not in said, "there is only one thread"
    (file,) = told(result).raw.attachments
    chart = studio.env.backend.cdn.get(file.url) or b""
    assert chart.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", chart[16:24])) > 500
    (shown,) = told(result).images
    assert shown["description"].startswith(f"{chart_of(Step.HOUR, (2026, 1, 1))}: 00:00 6.9; ")
    assert shown["description"].endswith(" 0.9")


async def test_credits_show_spending_by_thread_if_there_are_several(studio: Studio) -> None:
    await studio.imagine(prompt="a lighthouse", engine=CORE)
    await studio.finish()
    await studio.ada.slash(studio.channel, "thread new")
    await studio.imagine(prompt="a fox", engine=CORE, images=2)
    await studio.finish()
    said = told(await studio.ada.slash(studio.channel, "credits")).text
    assert shows(said, t("a lighthouse: {spent:credits}", spent=6000))
    assert shows(said, t("a fox: {spent:credits}", spent=12_000))


async def test_other_peoples_spending_is_not_included(studio: Studio) -> None:
    await studio.imagine(studio.ada)
    await studio.finish()
    result = await studio.ben.slash(studio.channel, "credits")
    assert shows(told(result).text, SPENT(spent=0))
    assert not told(result).raw.attachments


async def test_credits_show_what_is_left_and_when_it_renews(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="20")
    await studio.imagine()
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "credits")
    tomorrow = studio.clock.now() // 1000 // DAY * DAY + DAY
    line = left(LimitKind.USER_DAILY, 14_000, 20_000, Period.DAY, f"<t:{tomorrow}:R>")
    assert shows(told(result).text, line)
    studio.clock.advance(2 * DAY)
    later = told(await studio.ada.slash(studio.channel, "credits"))
    assert shows(later.text, left(LimitKind.USER_DAILY, 20_000, 20_000, Period.DAY))
    chart = chart_of(Step.DAY, (2026, 1, 1), (2026, 1, 3))
    assert later.images[0]["description"] == f"{chart}: 1 Jan 6; {DAILY_LIMIT} 20"


async def test_limits_and_grants_are_shown_in_their_server_only(make_studio: MakeStudio) -> None:
    studio = await make_studio(SERVER_MONTHLY_CREDITS="500")
    admin, channel = studio.admin, studio.channel
    await admin.slash(channel, "quota set", user=studio.ada, credits=20, images=4, jobs=3, period="week")
    await admin.slash(channel, "quota set", **{"for": "server"}, credits=100)
    await admin.slash(channel, "quota grant", user=studio.ada, credits=50)
    await studio.imagine()
    await studio.finish()
    said = told(await studio.ada.slash(channel, "credits")).text
    for line in (
        left(LimitKind.SERVER_USER, 14_000, 20_000, Period.WEEK),
        left(LimitKind.SERVER, 94_000, 100_000, Period.MONTH),
        left(LimitKind.SERVER_MONTHLY, 494_000, 500_000, Period.MONTH),
        EXTRA(left=50_000, given=50_000),
        JOBS_AND_IMAGES(jobs=JOBS_AT_A_TIME(count=3), images=IMAGES(count=4)),
    ):
        assert shows(said, line)
    elsewhere = told(await studio.ada.user.slash("credits")).text
    assert not shows(elsewhere, LEFT[LimitKind.SERVER_USER])
    assert not shows(elsewhere, EXTRA)
    assert shows(elsewhere, JOBS_AT_A_TIME(count=5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("period", "spent", "chart"),
    [
        ("today", 6000, f"{chart_of(Step.HOUR, (2026, 3, 2))}: "),
        ("last month", 12_000, f"{chart_of(Step.DAY, (2026, 2, 1), (2026, 2, 28))}: 20 Feb 12"),
        ("30 days", 18_000, f"{chart_of(Step.DAY, (2026, 2, 1), (2026, 3, 2))}: 20 Feb 12, 2 Mar 6"),
        ("all time", 24_000, f"{chart_of(Step.DAY, (2026, 1, 1), (2026, 3, 2))}: 1 Jan 6, 20 Feb 12, 2 Mar 6"),
        ("2025-06..2026-03", 24_000, f"{chart_of(Step.MONTH, (2025, 6, 1), (2026, 3, 1))}: Jan 6, Feb 12, Mar 6"),
        ("0001..9999", 24_000, f"{chart_of(Step.DAY, (2026, 1, 1), (2026, 3, 2))}: 1 Jan 6, 20 Feb 12, 2 Mar 6"),
        ("2026-01", 6000, f"{chart_of(Step.DAY, (2026, 1, 1), (2026, 1, 31))}: 1 Jan 6"),
    ],
)
async def test_any_period_can_be_shown(studio: Studio, period: str, spent: int, chart: str) -> None:
    await studio.imagine()
    await studio.finish()
    studio.clock.advance(50 * DAY)
    await studio.imagine(images=2)
    await studio.finish()
    studio.clock.advance(10 * DAY)
    await studio.imagine()
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "credits", period=period)
    assert shows(told(result).text, SPENT(spent=spent))
    assert told(result).images[0]["description"].startswith(chart)


async def test_an_invalid_period_is_refused(studio: Studio) -> None:
    assert shows(told(await studio.ada.slash(studio.channel, "credits", period="soon")).text, NOT_A_PERIOD)
    offered = await studio.ada.autocomplete(studio.channel, "credits", "period", "last")
    assert [choice["value"] for choice in offered] == ["last week", "last month", "last year"]


async def test_the_text_is_shown_without_a_chart(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.ui.charts.PROCESS", "/nowhere/at/all.py")
    await studio.imagine()
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "credits")
    assert shows(told(result).text, SPENT(spent=6000))
    assert not told(result).images
    assert "chart.failed" in caplog.text


async def test_credits_work_in_direct_messages(studio: Studio) -> None:
    await studio.imagine()
    await studio.finish()
    said = told(await studio.ada.user.slash("credits")).text
    assert shows(said, SPENT(spent=6000))
    assert isinstance(studio.runtime.charts, Charts)
