"""/quota as an admin uses it, what it means for people, and what members are told."""

from __future__ import annotations

from typing import Any

import pytest
import simcord

from storage import ledger
from storage.jobs import SubmissionStatus
from tests.cogs.conftest import Studio, card, told

CORE_PRICE = 6


async def quota(studio: Studio, name: str, **options: Any) -> str:
    return told(await studio.admin.slash(studio.channel, f"quota {name}", **options)).text


async def asked(studio: Studio, person: simcord.MemberActor, **options: Any) -> str:
    """Ask for an image, and what was said to it in the end."""
    result = await studio.imagine(person, **options)
    await studio.finish()
    return told(result).text if result.followups else card(result).text


async def test_the_limit_of_everybody_holds_and_says_what_is_left(studio: Studio) -> None:
    said = await quota(studio, "set", credits=10, period="week")
    assert "**Everybody**: 10 credits a week." in said
    assert "6 credits" in await asked(studio, studio.ada)
    refused = await asked(studio, studio.ada)
    assert refused == (
        "This takes up to 6 credits, and of your 10 credits for this week in this server 4 credits are left. "
        "They renew on 5 January at 00:00 UTC. Members with Manage Server can change that with /quota. "
        "Nothing was charged."
    )
    assert "6 credits" in await asked(studio, studio.ben), "it is each person's own"


async def test_a_persons_own_limit_comes_before_the_best_of_the_roles_and_the_default(studio: Studio) -> None:
    artists = studio.server.create_role("Artists")
    masters = studio.server.create_role("Masters")
    both = studio.server.add_member(studio.env.create_user("both"), roles=[artists, masters])
    await quota(studio, "set", credits=0, **{"for": "everybody"})
    await quota(studio, "set", credits=6, role=artists)
    await quota(studio, "set", credits=12, role=masters)
    assert "of your 0 credits for this month in this server 0 credits are left" in await asked(studio, studio.ada)
    for _ in range(2):
        assert "are left" not in await asked(studio, both)
    assert "of your 12 credits for this month in this server 0 credits are left" in await asked(studio, both)
    await quota(studio, "set", credits=6, user=both.user)
    assert "of your 6 credits for this month in this server 0 credits are left" in await asked(studio, both)
    await quota(studio, "clear", user=both.user)
    assert "of your 12 credits for this month in this server 0 credits are left" in await asked(studio, both)


async def test_the_server_as_a_whole_has_a_limit(studio: Studio) -> None:
    await quota(studio, "set", credits=8, **{"for": "the server as a whole"})
    await asked(studio, studio.ada)
    refused = await asked(studio, studio.ben)
    assert "of this server's 8 credits for this month 2 credits are left. They renew on 1" in refused
    report = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert "Of this server's limit for this month: 6 of 8 credits used (75 %)" in report


async def test_images_a_job_are_refused_at_once_with_everything_else_that_is_wrong(studio: Studio) -> None:
    await quota(studio, "set", images=2)
    result = await studio.imagine(studio.ada, images=3, steps=30)
    assert not result.deferred
    said = told(result).text
    assert said.count("This asks for 3 images, and this server allows you 2 in one job.") == 1
    assert "does not take a number of steps" in said
    said = told(await studio.imagine(studio.ada, images=3)).text
    assert said.count("This asks for 3 images, and this server allows you 2 in one job.") == 1
    assert studio.stand_in.calls == []


async def test_credits_and_jobs_are_named_together_with_everything_else_that_is_wrong(studio: Studio) -> None:
    await quota(studio, "set", credits=7)
    await asked(studio, studio.ada)
    await studio.admin.slash(studio.channel, "server set", refused_words="ugly")
    said = told(await studio.imagine(studio.ada, prompt="an ugly fox")).text
    assert "“ugly”" in said
    assert "of your 7 credits for this month in this server 1 credit is left" in said
    assert "Nothing was charged" in said


async def test_unfinished_jobs_are_counted(slow_studio: Studio) -> None:
    studio = slow_studio
    await quota(studio, "set", jobs=1)
    await studio.imagine(studio.ada)
    refused = told(await studio.imagine(studio.ada)).text
    assert "You have 1 unfinished job in this server, and it allows you 1 at once." in refused


async def test_a_grant_pays_for_what_is_beyond_the_limit_and_for_nothing_else(studio: Studio) -> None:
    await quota(studio, "set", credits=8)
    said = await quota(studio, "grant", user=studio.ada.user, credits=7, note="for the poster")
    assert f"7 credits granted to <@{studio.ada.id}>. Extra credits left: 7 credits." in said
    for _ in range(2):
        assert "are left" not in await asked(studio, studio.ada)
    stands = await quota(studio, "show", user=studio.ada.user)
    assert "This month: 0 of 8 credits left" in stands
    assert "Extra credits: 3 left of 7 credits granted" in stands
    refused = await asked(studio, studio.ada)
    assert "of your 8 credits for this month in this server 0 credits are left. They renew on 1" in refused
    assert "UTC. Your extra credits do not cover the rest: 3 credits are left." in refused
    taken = await quota(studio, "grant", user=studio.ada.user, credits=-3)
    assert "3 credits taken back" in taken
    assert "Only 0 credits" in await quota(studio, "grant", user=studio.ada.user, credits=-1)


async def test_a_grant_is_left_alone_by_what_failed(slow_studio: Studio) -> None:
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
    assert await studio.runtime.jobs.ended_free(submission, SubmissionStatus.FAILED, why="a test", problems=[])
    assert await left() == 6000


async def test_limits_are_shown_and_cleared(studio: Studio) -> None:
    role = studio.server.create_role("Artists")
    assert "None are set" in await quota(studio, "show")
    await quota(studio, "set", credits=2.5, images=2, jobs=3, role=role)
    await quota(studio, "set", credits=100, **{"for": "the server as a whole"})
    said = await quota(studio, "show")
    assert f"<@&{role.id}>: 2.5 credits a month, 2 images a job, 3 unfinished jobs at once" in said
    assert "**This server as a whole**: 100 credits a month" in said
    assert "5 unfinished jobs a person at once" in said
    await studio.restart()
    assert "2.5 credits" in await quota(studio, "show")
    assert "no limit any more" in await quota(studio, "clear", role=role)
    assert "There is no such limit" in await quota(studio, "clear", role=role)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Say which limit"),
        ({"period": "day", "for": "everybody"}, "The period is the same"),
        ({"credits": 1, "for": "everybody", "user": True}, "not several"),
    ],
)
async def test_what_makes_no_sense_is_explained(studio: Studio, options: dict[str, Any], said: str) -> None:
    if "user" in options:
        options = {**options, "user": studio.ada.user}
    assert said in await quota(studio, "set", **options)
    assert "Say which limit" in await quota(studio, "clear")


async def test_limits_are_a_servers_own(studio: Studio) -> None:
    await quota(studio, "set", credits=0)
    elsewhere = studio.env.create_guild("Elsewhere")
    there = elsewhere.create_text_channel("pictures")
    ada = elsewhere.add_member(studio.ada.user)
    result = await ada.slash(there, "imagine", prompt="a fox")
    await studio.finish()
    assert "6 credits" in card(result).text
    assert studio.runtime.client.servers.quotas(elsewhere.id) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("set", {"credits": 1000}),
        ("set", {"period": "day"}),
        ("grant", {"credits": 1000, "user": True}),
        ("clear", {"for": "everybody"}),
        ("show", {}),
        ("show", {"user": True}),
    ],
)
async def test_members_are_refused_even_where_discord_shows_the_commands(
    studio: Studio, name: str, options: dict[str, Any]
) -> None:
    commands = studio.env.backend.commands[None].values()
    next(each for each in commands if each["name"] == "quota")["default_member_permissions"] = None
    await quota(studio, "set", credits=50)
    if "user" in options:
        options = {**options, "user": studio.ben.user}
    refused = told(await studio.ben.slash(studio.channel, f"quota {name}", **options)).text
    assert refused == "Only members with the permission Manage Server can do that."
    assert await quota(studio, name, **options) != refused


async def test_notes_and_names_have_no_power_over_cards(studio: Studio) -> None:
    await quota(
        studio, "grant", user=studio.ada.user, credits=1, note="@everyone <@1> [x](https://evil.example)\n# big"
    )
    noted = told(await studio.admin.slash(studio.channel, "server log")).text
    assert "\\@everyone" in noted
    assert "\\[x\\]" in noted
    assert "\n# big" not in noted


async def test_the_log_says_in_words_what_was_changed(studio: Studio) -> None:
    await quota(studio, "set", period="week")
    await quota(studio, "set", credits=2.5, images=1, jobs=3)
    await quota(studio, "grant", user=studio.ada.user, credits=4, note="for the poster")
    noted = told(await studio.admin.slash(studio.channel, "server log")).text
    assert "**/quota set** renewed every week" in noted
    assert "**/quota set** everybody, 2.5 credits a period, 1 image a job, 3 unfinished jobs at once" in noted
    assert f"**/quota grant** <@{studio.ada.id}>, 4 credits, “for the poster”" in noted
