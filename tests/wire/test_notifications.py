"""Notifications over the wire: who is pinged, what is sent, and that it is sent once in spite of kills and faults."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.people.user_settings import Notify
from bot.ui.delivery.notifier import NOT_MADE, READY, READY_PRIVATELY
from fakes.discord.bot_process import BotProcess
from fakes.discord.constants import Permission
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.discord.requests import Call
from fakes.discord.seen import Seen
from fakes.services import Fate, Fault, StandIn, flat
from storage.records import JobStatus, NotificationState
from tests.doubles.texts import shows
from tests.wire.house import BY_BOT, BY_DM, BY_TOKEN, CORE_ROUTE, OVER, POST, House, has_files, how

pytestmark = pytest.mark.slow

LONG = 70


def notices(person: Person, *channels: Channel) -> list[Seen]:
    """The messages that notify of the end of a job, as this person sees them."""
    said = [seen for channel in channels for seen in person.sees(channel)]
    return [seen for seen in said if any(shows(seen.text, each) for each in (READY, READY_PRIVATELY, NOT_MADE))]


async def long_job(home: House, person: Person, number: int = 1, **options: Any) -> Seen:
    """Run a job that takes more than a minute. Returns its card."""
    asked = await home.begun(person, **options)
    home.later(LONG)
    await home.done(number)
    return await asked.message()


async def test_the_author_alone_is_pinged_in_the_channel(home: House, ada: Person) -> None:
    ben = home.discord.user("ben")
    card = await long_job(home, ada)
    (seen,) = notices(ben, home.channel)
    assert seen.pings == {str(ada.id)}
    assert f"/{home.channel.id}/{card.id}" in seen.text
    assert not seen.pictures
    assert home.only.id == card.id
    assert home.tried("POST", POST) == [200]


async def test_a_quick_job_notifies_nobody(home: House, ada: Person) -> None:
    await home.begun(ada)
    await home.done()
    assert home.tried("POST", POST) == []


async def test_a_private_job_is_announced_by_a_follow_up_that_only_its_author_sees(home: House, ada: Person) -> None:
    await long_job(home, ada, private=True)
    (seen,) = notices(ada, home.channel)
    assert seen.private
    assert notices(home.discord.user("ben"), home.channel, ada.dm) == []
    assert home.tried("POST", POST) == []


async def test_a_private_result_that_was_sent_as_a_direct_message_needs_no_notification(
    home: House, ada: Person
) -> None:
    await home.begun(ada, private=True)
    home.discord.expire_tokens()
    home.later(20 * 60)
    assert how(await home.done()) == (JobStatus.DELIVERED, BY_DM, (OVER,))
    assert notices(ada, home.channel, ada.dm) == []


async def test_a_card_that_the_bot_edits_after_a_quarter_of_an_hour(home: House, ada: Person) -> None:
    await home.begun(ada)
    home.later(20 * 60)
    home.discord.expire_tokens()
    assert how(await home.done()) == (JobStatus.DELIVERED, BY_BOT, (OVER,))
    assert [seen.pings for seen in notices(ada, home.channel)] == [{str(ada.id)}]


async def test_a_direct_message_if_it_was_chosen(home: House, ada: Person) -> None:
    await home.runtime.personal.set(ada.id, {"notify": Notify.DM})
    await long_job(home, ada)
    (seen,) = notices(ada, ada.dm)
    assert seen.message.channel is ada.dm
    assert notices(ada, home.channel) == []


async def test_where_the_bot_may_not_write_nobody_else_is_bothered(home: House, ada: Person) -> None:
    asked = await home.begun(ada)
    home.later(LONG)
    home.discord.forbid(home.channel, Permission.SEND_MESSAGES)
    assert how(await home.done()) == (JobStatus.DELIVERED, BY_TOKEN, ())
    (seen,) = notices(ada, home.channel, ada.dm)
    assert seen.private
    assert home.only.id == (await asked.message()).id


async def test_where_the_app_is_only_user_installed(home: House) -> None:
    guest = home.discord.user("guest", installed_app=True)
    elsewhere = home.discord.guild("Elsewhere", bot_present=False).channel("lounge")
    await home.begun(guest, elsewhere)
    home.later(LONG)
    await home.done()
    (seen,) = notices(guest, elsewhere)
    assert seen.private


async def test_in_direct_messages_with_the_bot(home: House, ada: Person) -> None:
    await home.begun(ada, ada.dm)
    home.later(LONG)
    await home.done()
    (seen,) = notices(ada, ada.dm)
    assert "/@me/" in seen.text


async def test_a_failure_is_announced(home: House, ada: Person) -> None:
    home.services.misbehave(Fault(CORE_ROUTE, Fate(error="The painter is ill.")))
    await long_job(home, ada)
    assert home.shown() == []
    (seen,) = notices(ada, home.channel)
    assert shows(seen.text, NOT_MADE)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_follow_up_without_a_clear_response_is_not_repeated(home: House, ada: Person, when: str) -> None:
    """The library would repeat it up to five times."""
    fault = home.discord.fail("POST", "/webhooks/*", status=503, when=when)
    await long_job(home, ada, private=True)
    assert fault.met == 1
    assert len(notices(ada, home.channel)) == (when == "after")
    job = await home.runtime.jobs.job(1)
    assert (job.status, job.notification) == (JobStatus.DELIVERED, NotificationState.FOLLOW_UP)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_message_without_a_clear_response_is_not_repeated(home: House, ada: Person, when: str) -> None:
    fault = home.discord.fail("POST", "/channels/*/messages", status=502, when=when)
    await long_job(home, ada)
    assert fault.met == 1
    assert len(notices(ada, home.channel)) == (when == "after")


async def test_a_rate_limit_only_delays_it(home: House, ada: Person) -> None:
    home.discord.limit("POST", "/channels/*/messages")
    await long_job(home, ada)
    assert len(notices(ada, home.channel)) == 1


# --- kills --------------------------------------------------------------------------------------------------------


def is_notice(call: Call) -> bool:
    return "content" in call.payload


def made_longer(folder: Path) -> None:
    """Let every job have begun two minutes earlier."""
    with closing(sqlite3.connect(folder / "easel.db")) as connection, connection:
        connection.execute("UPDATE jobs SET created_at = created_at - 120000")
        connection.execute("UPDATE jobs SET token_expires_at = token_expires_at - 120000")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.slow
async def test_killed_while_it_is_sent(
    discord: Discord, channel: Channel, ada: Person, tmp_path: Path, when: str
) -> None:
    async with (
        StandIn(seconds=(0, 0), painter=flat) as services,
        BotProcess(discord, tmp_path, services.url, more={"DEFAULT_ENGINE": "aithriving/core"}) as bot,
    ):
        await bot.ready()
        discord.at("PATCH", "/webhooks/*", bot.killed, match=has_files)
        asked = await ada.slash(channel, "imagine", prompt="a fox")
        await discord.until(lambda: not bot.running, "the kill during the delivery")
        made_longer(tmp_path)
        fault = discord.at("POST", "/channels/*/messages", bot.killed, when=when, match=is_notice)
        await bot.ready()
        await discord.until(lambda: fault.met and not bot.running, "the kill during the notification")
        await bot.ready()
        # A further job ends after everything that the restart left has been sent.
        again = await ada.slash(channel, "imagine", prompt="a fox")
        await again.until(lambda seen: bool(seen.pictures))
        assert (await asked.message()).pictures
        assert len(notices(ada, channel)) == 1
        assert fault.met == 1
