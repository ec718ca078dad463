"""/quota as an admin uses it, its effect on people, and the refusals for members."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.periods import Period
from bot.domain.rules import WORD_REFUSED
from bot.jobs.limits import GRANTS_TOO_SMALL, TOO_EXPENSIVE, TOO_MANY_IMAGES, TOO_MANY_JOBS_HERE, LimitKind
from bot.servers.settings import NO_SUCH_LIMIT, NOT_A_MANAGER, TOO_LITTLE_LEFT
from bot.text import Message, Text, Value, relative, t
from bot.ui.admin import (
    GRANTED,
    LIMIT_REMOVED,
    LIMIT_SET,
    NO_LIMIT_NAMED,
    ONLY_ONE,
    PERIOD_ALONE,
    TAKEN_BACK,
)
from bot.ui.cards.server import NO_QUOTAS, PERIODS, limits_text, subject_text
from bot.ui.cards.usage import EXTRA, LEFT, USED
from bot.ui.interactions import MISSING_PERMISSIONS
from storage import ledger
from storage.records import SubmissionStatus
from storage.settings import Quota, Subject
from tests.cogs.conftest import CORE, THE_BEGINNING, Studio, card, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

CORE_PRICE = 6000
DAY = 86_400_000
FEBRUARY = THE_BEGINNING + 31 * DAY
EVERYONE = {"for": Subject.DEFAULT.value}
SERVER = {"for": Subject.SERVER.value}


def too_much(limit: int, left: int, period: Period = Period.MONTH) -> Text:
    """The refusal of one image by a personal limit. The month ends with January, the week on its first Sunday."""
    resets = FEBRUARY if period is Period.MONTH else THE_BEGINNING + 4 * DAY
    return TOO_EXPENSIVE[LimitKind.SERVER_USER](
        needed=CORE_PRICE, left=left, limit=limit, period=period.this, resets=resets
    )


async def quota(studio: Studio, name: str, **options: Any) -> str:
    return told(await studio.admin.slash(studio.channel, f"quota {name}", **options)).text


async def asked(studio: Studio, person: simcord.MemberActor, **options: Any) -> str:
    """Run /imagine and return the final answer."""
    result = await studio.imagine(person, **options)
    await studio.finish()
    return told(result).text if result.followups else card(result).text


async def test_the_default_limit_applies_and_reports_what_is_left(studio: Studio) -> None:
    said = await quota(studio, "set", credits=10, period="week")
    quota_set = Quota(Subject.DEFAULT, credits=10_000)
    assert shows(said, LIMIT_SET(who=subject_text(quota_set), limits=limits_text(quota_set, Period.WEEK)))
    assert "6 credits" in await asked(studio, studio.ada)
    assert shows(await asked(studio, studio.ada), too_much(10_000, 4000, Period.WEEK))
    assert "6 credits" in await asked(studio, studio.ben), "each person has their own limit"


async def test_a_personal_limit_overrides_role_limits_and_the_default(studio: Studio) -> None:
    artists = studio.server.create_role("Artists")
    masters = studio.server.create_role("Masters")
    both = studio.server.add_member(studio.env.create_user("both"), roles=[artists, masters])
    await quota(studio, "set", credits=0, **EVERYONE)
    await quota(studio, "set", credits=6, role=artists)
    await quota(studio, "set", credits=12, role=masters)
    assert shows(await asked(studio, studio.ada), too_much(0, 0))
    for _ in range(2):
        assert not shows(await asked(studio, both), TOO_EXPENSIVE[LimitKind.SERVER_USER])
    assert shows(await asked(studio, both), too_much(12_000, 0))
    await quota(studio, "set", credits=6, user=both.user)
    assert shows(await asked(studio, both), too_much(6000, 0))
    await quota(studio, "clear", user=both.user)
    assert shows(await asked(studio, both), too_much(12_000, 0))


async def test_the_server_as_a_whole_has_a_limit(studio: Studio) -> None:
    await quota(studio, "set", credits=8, **SERVER)
    await asked(studio, studio.ada)
    refused = await asked(studio, studio.ben)
    values: dict[str, Value] = {"needed": CORE_PRICE, "left": 2000, "limit": 8000, "period": Period.MONTH.this}
    assert shows(refused, TOO_EXPENSIVE[LimitKind.SERVER](**values, resets=FEBRUARY))
    report = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert shows(report, USED[LimitKind.SERVER](used=6000, limit=8000, period=Period.MONTH.this, percent=75))


async def test_too_many_images_are_reported_with_the_other_problems(studio: Studio) -> None:
    await quota(studio, "set", images=2)
    result = await studio.imagine(studio.ada, images=3, steps=30, engine=CORE)
    assert not result.deferred
    said = told(result).text
    problem = str(TOO_MANY_IMAGES(images=3, count=2))
    assert said.count(problem) == 1
    assert "steps" in said
    said = told(await studio.imagine(studio.ada, images=3)).text
    assert said.count(problem) == 1
    assert studio.stand_in.calls == []


async def test_credit_and_job_limits_are_reported_with_the_other_problems(studio: Studio) -> None:
    await quota(studio, "set", credits=7)
    await asked(studio, studio.ada)
    await studio.admin.slash(studio.channel, "server set", refused_words="ugly")
    said = told(await studio.imagine(studio.ada, prompt="an ugly fox")).text
    assert shows(said, WORD_REFUSED(word="ugly"))
    assert not shows(said, too_much(7000, 1000)), "no limit would help there"
    quiet = studio.server.create_text_channel(
        "quiet", overwrites={studio.server.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    said = told(await studio.ada.slash(quiet, "imagine", prompt="a fox")).text
    assert shows(said, MISSING_PERMISSIONS)
    assert shows(said, too_much(7000, 1000))


async def test_running_jobs_are_counted(slow_studio: Studio) -> None:
    studio = slow_studio
    await quota(studio, "set", jobs=1)
    await studio.imagine(studio.ada)
    refused = told(await studio.imagine(studio.ada)).text
    assert shows(refused, TOO_MANY_JOBS_HERE(count=1, most=1))


async def test_a_grant_pays_only_for_spending_above_the_limit(studio: Studio) -> None:
    await quota(studio, "set", credits=8)
    said = await quota(studio, "grant", user=studio.ada.user, credits=7, note="for the poster")
    ada = f"<@{studio.ada.id}>"
    assert shows(said, GRANTED(amount=7000, person=ada, left=7000))
    for _ in range(2):
        assert not shows(await asked(studio, studio.ada), TOO_EXPENSIVE[LimitKind.SERVER_USER])
    shown = await quota(studio, "show", user=studio.ada.user)
    month: dict[str, Value] = {"limit": 8000, "left": 0, "period": Period.MONTH.this}
    assert shows(shown, LEFT[LimitKind.SERVER_USER](**month, resets=relative(FEBRUARY)))
    assert shows(shown, EXTRA(left=3000, given=7000))
    refused = await asked(studio, studio.ada)
    assert shows(refused, GRANTS_TOO_SMALL(**month, needed=CORE_PRICE, extra=3000, resets=FEBRUARY))
    taken = await quota(studio, "grant", user=studio.ada.user, credits=-3)
    assert shows(taken, TAKEN_BACK(amount=3000, person=ada, left=0))
    assert shows(await quota(studio, "grant", user=studio.ada.user, credits=-1), TOO_LITTLE_LEFT(left=0))


async def test_failed_jobs_do_not_use_a_grant(slow_studio: Studio) -> None:
    studio = slow_studio
    await quota(studio, "set", credits=0)
    await quota(studio, "grant", user=studio.ada.user, credits=6)
    await studio.imagine(studio.ada)
    await studio.begun()

    async def left() -> int:
        async with studio.runtime.database.read() as connection:
            return (await ledger.balance(connection, user_id=studio.ada.id, server_id=studio.server.id)).left

    assert await left() == 0
    submission = (await studio.runtime.jobs.view(1)).submissions[0].record
    assert await studio.runtime.jobs.steps.ended_free(submission, SubmissionStatus.FAILED, why="a test", problems=[])
    assert await left() == 6000


async def test_limits_are_shown_and_cleared(studio: Studio) -> None:
    role = studio.server.create_role("Artists")
    assert shows(await quota(studio, "show"), NO_QUOTAS)
    await quota(studio, "set", credits=2.5, images=2, jobs=3, role=role)
    await quota(studio, "set", credits=100, **SERVER)
    said = await quota(studio, "show")
    limits = limits_text(Quota(Subject.ROLE, role.id, 2500, 2, 3), Period.MONTH)
    assert f"<@&{role.id}>: {limits}" in said
    assert f"{subject_text(Quota(Subject.SERVER))}: 100 credits" in said
    await studio.restart()
    assert limits in await quota(studio, "show")
    assert shows(await quota(studio, "clear", role=role), LIMIT_REMOVED(who=f"<@&{role.id}>", limits=limits))
    assert shows(await quota(studio, "clear", role=role), NO_SUCH_LIMIT)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, NO_LIMIT_NAMED),
        ({"period": "day", "user": True}, PERIOD_ALONE),
        ({"credits": 1, "for": Subject.DEFAULT.value, "user": True}, ONLY_ONE),
    ],
)
async def test_invalid_options_are_explained(studio: Studio, options: dict[str, Any], said: Message) -> None:
    if "user" in options:
        options = {**options, "user": studio.ada.user}
    assert shows(await quota(studio, "set", **options), said)


async def test_without_a_subject_a_limit_is_set_and_cleared_for_everyone(studio: Studio) -> None:
    everyone, limits = (
        subject_text(Quota(Subject.DEFAULT)),
        limits_text(Quota(Subject.DEFAULT, 0, 20_000), Period.MONTH),
    )
    assert shows(await quota(studio, "clear"), NO_SUCH_LIMIT)
    assert shows(await quota(studio, "set", credits=20), LIMIT_SET(who=everyone, limits=limits))
    assert shows(await quota(studio, "clear"), LIMIT_REMOVED(who=everyone, limits=limits))
    assert shows(await quota(studio, "show"), NO_QUOTAS)


async def test_limits_apply_only_in_their_server(studio: Studio) -> None:
    await quota(studio, "set", credits=0)
    elsewhere = studio.env.create_guild("Elsewhere")
    there = elsewhere.create_text_channel("pictures")
    ada = elsewhere.add_member(studio.ada.user)
    result = await ada.slash(there, "imagine", prompt="a fox")
    await studio.finish()
    assert "6 credits" in card(result).text
    assert studio.runtime.servers.quotas(elsewhere.id) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("set", {"credits": 1000}),
        ("set", {"period": "day"}),
        ("grant", {"credits": 1000, "user": True}),
        ("clear", {"for": Subject.DEFAULT.value}),
        ("show", {}),
        ("show", {"user": True}),
    ],
)
async def test_members_are_refused_even_if_discord_shows_the_commands(
    studio: Studio, name: str, options: dict[str, Any]
) -> None:
    commands = studio.env.backend.commands[None].values()
    next(each for each in commands if each["name"] == "quota")["default_member_permissions"] = None
    await quota(studio, "set", credits=50)
    if "user" in options:
        options = {**options, "user": studio.ben.user}
    refused = told(await studio.ben.slash(studio.channel, f"quota {name}", **options)).text
    assert refused == str(NOT_A_MANAGER)
    assert await quota(studio, name, **options) != refused


async def test_notes_and_names_are_escaped(studio: Studio) -> None:
    await quota(
        studio, "grant", user=studio.ada.user, credits=1, note="@everyone <@1> [x](https://evil.example)\n# big"
    )
    noted = told(await studio.admin.slash(studio.channel, "server log")).text
    assert "\\@everyone" in noted
    assert "\\[x\\]" in noted
    assert "\n# big" not in noted


async def test_the_log_describes_changes(studio: Studio) -> None:
    await quota(studio, "set", period="week")
    await quota(studio, "set", credits=2.5, images=1, jobs=3)
    await quota(studio, "grant", user=studio.ada.user, credits=4, note="for the poster")
    noted = told(await studio.admin.slash(studio.channel, "server log")).text
    week = t("reset every {period}", period=PERIODS[Period.WEEK])
    assert shows(noted, t("**/quota set** {change}", change=week))
    limits = limits_text(Quota(Subject.DEFAULT, 0, None, 1, 3), Period.WEEK)
    assert f"**/quota set** {subject_text(Quota(Subject.DEFAULT))}, 2.5 credits at most, {limits}" in noted
    assert f"**/quota grant** <@{studio.ada.id}>, 4 credits, “for the poster”" in noted
