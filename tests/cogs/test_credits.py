"""/credits as people ask for it: what was spent, on what, what is left, and the chart of it."""

from __future__ import annotations

import struct

import pytest

from bot.ui.charts import Charts
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, told

DAY = 86_400


async def test_credits_show_what_was_spent_and_what_is_in_flight(studio: Studio) -> None:
    await studio.imagine(prompt="a lighthouse", engine=CORE)
    await studio.imagine(prompt="a fox", engine=BASIC)
    await studio.finish()
    studio.stand_in.renderings.seconds = None
    await studio.imagine(engine=CORE)
    await studio.begun(count=2)
    result = await studio.ada.slash(studio.channel, "credits")
    said = told(result).text
    assert "Spent (this month): **6.9 credits, 0.9 of it estimated**" in said
    assert "In flight: 6 credits" in said
    assert "Stable Image Core: 6 credits" in said
    assert "Stable Diffusion 1.6: 0.9 credits" in said
    assert "a lighthouse: 6.9 credits" in said
    assert "No limit of credits is set for you here." in said
    (file,) = told(result).raw.attachments
    chart = studio.env.backend.cdn.get(file.url) or b""
    assert chart.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", chart[16:24])) > 500
    (shown,) = told(result).images
    assert shown["description"] == "Credits by hour, 1 Jan (UTC): 00:00 6.9. Estimated in all: 0.9."


async def test_what_others_spent_is_none_of_it(studio: Studio) -> None:
    await studio.imagine(studio.ada)
    await studio.finish()
    result = await studio.ben.slash(studio.channel, "credits")
    assert "Spent (this month): **0 credits**" in told(result).text
    assert not told(result).raw.attachments


async def test_credits_say_what_is_left_and_when_it_renews(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="20")
    await studio.imagine()
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "credits")
    tomorrow = studio.clock.now() // 1000 // DAY * DAY + DAY
    assert f"Left of your limit for today: 14 of 20 credits, renewed <t:{tomorrow}:R>" in told(result).text
    studio.clock.advance(2 * DAY)
    later = told(await studio.ada.slash(studio.channel, "credits"))
    assert "Left of your limit for today: 20 of 20 credits" in later.text
    assert later.images[0]["description"] == (
        "Credits by day, 1 Jan to 3 Jan (UTC): 1 Jan 6; nothing otherwise. Limit of a day 20."
    )


async def test_what_the_admins_set_and_gave_is_told_where_it_holds(make_studio: MakeStudio) -> None:
    studio = await make_studio(SERVER_MONTHLY_CREDITS="500")
    admin, channel = studio.admin, studio.channel
    await admin.slash(channel, "quota set", user=studio.ada, credits=20, images=4, jobs=3, period="week")
    await admin.slash(channel, "quota set", **{"for": "the server as a whole"}, credits=100)
    await admin.slash(channel, "quota grant", user=studio.ada, credits=50)
    await studio.imagine()
    await studio.finish()
    said = told(await studio.ada.slash(channel, "credits")).text
    for line in (
        "Left of your limit in this server for this week: 14 of 20 credits",
        "Left of everybody's limit in this server for this week: 94 of 100 credits",
        "Left of this server's limit for this month: 494 of 500 credits",
        "Granted to you in this server: 50 credits left of 50",
        "At most at once here: 3 unfinished jobs, 4 images a job",
    ):
        assert line in said
    elsewhere = told(await studio.ada.user.slash("credits")).text
    assert "in this server" not in elsewhere
    assert "At most at once here: 5 unfinished jobs" in elsewhere


@pytest.mark.parametrize(
    ("period", "spent", "chart"),
    [
        ("today", "6 credits", "Credits by hour, 2 Mar (UTC): "),
        ("last month", "12 credits", "Credits by day, 1 Feb to 28 Feb (UTC): 20 Feb 12; nothing otherwise."),
        ("30 days", "18 credits", "Credits by day, 1 Feb to 2 Mar (UTC): 20 Feb 12, 2 Mar 6; nothing otherwise."),
        (
            "all time",
            "24 credits",
            "Credits by day, 1 Jan to 2 Mar (UTC): 1 Jan 6, 20 Feb 12, 2 Mar 6; nothing otherwise.",
        ),
        (
            "2025-06..2026-03",
            "24 credits",
            "Credits by month, Jun 2025 to Mar 2026 (UTC): Jan 6, Feb 12, Mar 6; nothing",
        ),
        (
            "0001..9999",
            "24 credits",
            "Credits by day, 1 Jan to 2 Mar (UTC): 1 Jan 6, 20 Feb 12, 2 Mar 6; nothing otherwise.",
        ),
        ("2026-01", "6 credits", "Credits by day, 1 Jan to 31 Jan (UTC): 1 Jan 6; nothing otherwise."),
    ],
)
async def test_any_period_can_be_asked_for(studio: Studio, period: str, spent: str, chart: str) -> None:
    await studio.imagine()
    await studio.finish()
    studio.clock.advance(50 * DAY)
    await studio.imagine(images=2)
    await studio.finish()
    studio.clock.advance(10 * DAY)
    await studio.imagine()
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "credits", period=period)
    assert f"**{spent}**" in told(result).text
    assert told(result).images[0]["description"].startswith(chart)


async def test_what_is_no_period_is_refused(studio: Studio) -> None:
    assert "That is no period" in told(await studio.ada.slash(studio.channel, "credits", period="soon")).text
    offered = await studio.ada.autocomplete(studio.channel, "credits", "period", "last")
    assert [choice["value"] for choice in offered] == ["last week", "last month", "last year"]


async def test_without_a_chart_the_words_are_there_all_the_same(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.ui.charts.PROCESS", "/nowhere/at/all.py")
    await studio.imagine()
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "credits")
    assert "**6 credits**" in told(result).text
    assert not told(result).images
    assert "chart.failed" in caplog.text


async def test_it_is_the_same_in_a_direct_message(studio: Studio) -> None:
    await studio.imagine()
    await studio.finish()
    said = told(await studio.ada.user.slash("credits")).text
    assert "**6 credits**" in said
    assert isinstance(studio.runtime.client.charts, Charts)
