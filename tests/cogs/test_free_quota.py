"""Limits on free images: set with /quota, shown by every card about limits, and the refusal beyond them."""

from __future__ import annotations

from bot.domain.periods import Period
from bot.jobs.limits import TOO_MANY_FREE, LimitKind
from bot.text import plural, relative
from bot.ui.admin import LIMIT_REMOVED, LIMIT_SET
from bot.ui.cards.server import FREE_IMAGES, subject_text
from bot.ui.cards.usage import LEFT, NO_LIMIT, USED
from storage.settings import Quota, Subject
from tests.cogs.conftest import CORE, THE_BEGINNING, MakeStudio, Studio, told
from tests.cogs.test_quota import EVERYONE, FEBRUARY, SERVER, asked, quota
from tests.doubles.free_provider import FreeProvider
from tests.doubles.texts import shows

BRUSH = "scripted/brush"
TOMORROW = THE_BEGINNING + 86_400_000
MONTH = Period.MONTH.this


async def with_a_free_engine(make_studio: MakeStudio) -> Studio:
    return await make_studio(providers=[FreeProvider()])


async def test_a_limit_is_set_shown_logged_and_removed(make_studio: MakeStudio) -> None:
    studio = await with_a_free_engine(make_studio)
    who, limits = subject_text(Quota(Subject.DEFAULT)), str(FREE_IMAGES(count=3, each=Period.MONTH.each))
    assert shows(await quota(studio, "set", free_images=3, **EVERYONE), LIMIT_SET(who=who, limits=limits))
    assert limits in await quota(studio, "show")
    logged = told(await studio.admin.slash(studio.channel, "server log")).text
    assert shows(logged, plural("{count} free image at most", "{count} free images at most", 3))
    await studio.restart()
    assert shows(await quota(studio, "clear", **EVERYONE), LIMIT_REMOVED(who=who, limits=limits))


async def test_beyond_a_members_limit_a_command_is_refused(make_studio: MakeStudio) -> None:
    studio = await with_a_free_engine(make_studio)
    await quota(studio, "set", free_images=3, **EVERYONE)
    await quota(studio, "set", free_images=10, **SERVER)
    await asked(studio, studio.ada, engine=BRUSH, images=2)
    await asked(studio, studio.ada, engine=CORE)
    refusal = TOO_MANY_FREE[LimitKind.FREE_USER](count=2, left=1, limit=3, period=MONTH, resets=FEBRUARY)
    assert shows(await asked(studio, studio.ada, engine=BRUSH, images=2), refusal)
    await asked(studio, studio.ben, engine=BRUSH)
    resets = relative(FEBRUARY)
    of_ada = LEFT[LimitKind.FREE_USER](left=1, limit=3, period=MONTH, resets=resets)
    of_all = LEFT[LimitKind.FREE_SERVER](left=7, limit=10, period=MONTH, resets=resets)
    daily = LEFT[LimitKind.FREE_DAILY](left=98, limit=100, period=Period.DAY.this, resets=relative(TOMORROW))
    credits_card = told(await studio.ada.slash(studio.channel, "credits")).text
    assert all(shows(credits_card, each) for each in (NO_LIMIT, of_ada, of_all, daily))
    member_card = await quota(studio, "show", user=studio.ada.user)
    assert shows(member_card, of_ada)
    assert shows(member_card, of_all)
    assert not shows(member_card, daily), "it says what somebody made in other servers"
    report = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert shows(report, USED[LimitKind.FREE_SERVER](used=3, limit=10, period=MONTH, percent=30))


async def test_the_check_of_a_members_access_names_the_limit(make_studio: MakeStudio) -> None:
    studio = await with_a_free_engine(make_studio)
    await studio.admin.slash(studio.channel, "server set", default_engine=BRUSH)
    await quota(studio, "set", free_images=0, user=studio.ada.user)
    said = told(await studio.admin.slash(studio.channel, "server test", member=studio.ada)).text
    line = next(line for line in said.splitlines() if shows(line, LEFT[LimitKind.FREE_USER]))
    assert line.startswith("❌")


async def test_without_free_engines_nothing_is_said_about_them(studio: Studio) -> None:
    assert not shows(told(await studio.ada.slash(studio.channel, "credits")).text, LEFT[LimitKind.FREE_DAILY])
