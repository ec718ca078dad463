"""The bot as a separate process, seen from outside, on a Discord that checks every request."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.findings import ANYBODY_MAY_ADD, SUGGESTED_LIMIT
from bot.run import REFUSED, WRONG_TOKEN
from bot.text import t
from bot.ui.cards.waiting import ESTIMATED_HOLD
from fakes.discord.bot_process import ERROR, BotProcess
from fakes.discord.constants import Answer
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.discord.requests import Call
from fakes.discord.seen import Seen
from fakes.services import StandIn, flat
from tests.doubles.texts import shows

# Each test starts at least one process.
pytestmark = pytest.mark.slow

AI_CLIENT = "ai-client/stable-diffusion-xl-1024-v0-9"
ENGINES = (AI_CLIENT, "aithriving/sd-1.6", "aithriving/core")
QUICK, QUICK_ROUTE = "aithriving/core", "aithriving.core"
"""An engine that responds with the image at once, so that no test waits for a poll."""
PROMPT = "a lighthouse of glass"
COMMANDS = "/applications/{application_id}/commands"


@pytest.fixture
async def services() -> AsyncIterator[StandIn]:
    """The image services; images are ready on the test's command."""
    async with StandIn(seconds=None, painter=flat) as stand_in:
        yield stand_in


@pytest.fixture
async def easel(discord: Discord, channel: Channel, services: StandIn, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """The running bot. Its output must contain no secret and no prompt."""
    async with BotProcess(discord, tmp_path / "data", services.url) as process:
        await process.ready()
        yield process
    sys.stdout.write(process.tail())
    written = "\n".join(process.lines)
    tokens = [one.token for one in discord.world.interactions.values()]
    keys = [process.environment[name] for name in ("DISCORD_TOKEN", "AI_CLIENT_TOKEN", "AITHRIVING_KEY")]
    for secret in (*keys, *tokens, PROMPT):
        assert secret not in written
    assert process.errors_expected or not ERROR.search(written)


def has_files(call: Call) -> bool:
    return call.content_type.startswith("multipart")


def finished(seen: Seen) -> bool:
    return bool(seen.pictures)


async def imagine(person: Person, where: Channel, engine: str = QUICK, **options: Any) -> Handle:
    return await person.slash(where, "imagine", prompt=PROMPT, engine=engine, **options)


async def painted(person: Person, where: Channel, services: StandIn, **options: Any) -> Seen:
    """Run a job from beginning to end, and return its result."""
    asked = await imagine(person, where, **options)
    await services.called(QUICK_ROUTE, len(services.calls_to(QUICK_ROUTE)) + 1)
    services.finish_all()
    return await asked.until(finished)


@pytest.mark.parametrize("limited", [False, True])
async def test_a_start_logs_what_the_operator_still_has_to_do(
    discord: Discord, services: StandIn, tmp_path: Path, limited: bool
) -> None:
    more = {"BOT_DAILY_CREDITS": "200", "ALLOWED_GUILDS": "all"} if limited else {}
    (tmp_path / "data").mkdir(mode=0o700)
    async with BotProcess(discord, tmp_path / "data", services.url, more=more) as process:
        await process.ready()
    lines = [line for line in process.lines if "to_do" in line]
    found = [
        [code for code in (SUGGESTED_LIMIT.code, ANYBODY_MAY_ADD.code) if f"code={code}" in line] for line in lines
    ]
    assert found == ([] if limited else [[SUGGESTED_LIMIT.code], [ANYBODY_MAY_ADD.code]])
    assert all("WARNING" in line for line in lines)


async def test_from_login_to_two_images(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    assert [call.template for call in discord.calls][:3] == ["/users/@me", "/oauth2/applications/@me", COMMANDS]
    ada, ben = discord.user("ada"), discord.user("ben")
    asked = await imagine(ada, channel, AI_CLIENT, images=2)
    assert await asked.acknowledged() is Answer.DEFERRED
    await services.called("ai-client.entry")
    card = await asked.until(lambda seen: "Rendering" in seen.text)
    assert "Cancel" not in card.labels
    assert shows(card.text, ESTIMATED_HOLD(held=10_000))
    services.finish_all()
    result = await asked.until(finished)
    assert result.id == card.id
    assert {"Again", "Details", "Delete"} <= set(result.labels)
    assert len(result.pictures) == 2
    assert all(PROMPT in (picture.description or "") for picture in result.pictures)
    assert len({one.sha256 for one in result.files}) == 2
    assert ben.sees(channel) == [result]
    assert len(services.bills) == 1


async def test_engines_that_respond_immediately(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    services.renderings.seconds = (0.0, 0.0)
    ada = discord.user("ada")
    offered = await (await ada.autocomplete(channel, "imagine", "engine", "", prompt=PROMPT)).choices()
    assert {one["value"] for one in offered} >= set(ENGINES)
    asked = [await imagine(ada, channel, engine) for engine in ENGINES[1:]]
    for one in asked:
        assert len((await one.until(finished)).files) == 1
    assert {f"{bill.provider}/{bill.engine}" for bill in services.bills} == set(ENGINES[1:])


async def test_changed_commands_are_synced(discord: Discord, easel: BotProcess, channel: Channel) -> None:
    assert len(discord.called("PUT", COMMANDS)) == 1
    await easel.restart()
    await (await discord.user("ada").slash(channel, "help")).message()
    assert len(discord.called("PUT", COMMANDS)) == 1
    assert channel.guild is not None
    easel.environment["COMMAND_GUILDS"] = str(channel.guild.id)
    await easel.restart()
    assert [call.json == [] for call in discord.called("PUT", COMMANDS)] == [False, True]
    assert len(discord.called("PUT", "/guilds/{guild_id}/commands")) == 1
    await (await discord.user("ada").slash(channel, "help")).message()


async def test_buttons_after_a_restart(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    ada, ben = discord.user("ada"), discord.user("ben")
    result = await painted(ada, channel, services)
    await easel.restart()
    details = await (await ada.press(result, "Details")).answered()
    assert details.private
    assert [seen.id for seen in ben.sees(channel)] == [result.id]
    forged = await ada.forge(result, "Details", "easel:details:4711")
    assert (await forged.answered()).private
    again = await ben.press(result, "Again")
    await services.called(QUICK_ROUTE, 2)
    services.finish_all()
    assert (await again.until(finished)).id != result.id


async def test_killed_while_the_service_renders(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    asked = await imagine(discord.user("ada"), channel, AI_CLIENT)
    await services.called("ai-client.entry")
    await asked.until(lambda seen: "Rendering" in seen.text)
    await easel.killed()
    services.finish_all()
    await easel.ready()
    await asked.until(finished)
    assert len(services.calls_to("ai-client.entry")) == 1
    assert len(discord.user("ada").sees(channel)) == 1


@pytest.mark.parametrize("when", ["headers", "before", "after"])
async def test_killed_during_the_upload(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn, when: str
) -> None:
    services.renderings.seconds = (0.0, 0.0)
    discord.at("PATCH", "/webhooks/*", easel.killed, when=when, match=has_files)
    asked = await imagine(discord.user("ada"), channel, images=2)
    await discord.until(lambda: not easel.running, "the kill")
    await easel.ready()
    result = await asked.until(finished)
    assert len(result.files) == 2
    assert len(discord.user("ada").sees(channel)) == 1
    assert len(services.bills) == 2


async def test_direct_messages_and_private_answers(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    services.renderings.seconds = (0.0, 0.0)
    ada, ben = discord.user("ada"), discord.user("ben")
    await (await imagine(ada, ada.dm)).until(finished)
    private = await (await imagine(ada, channel, private=True)).until(finished)
    assert private.private
    assert ben.sees(channel) == []
    refused = await (await imagine(ada, channel, "no/such")).answered()
    assert refused.private


async def test_commands_during_a_drop_are_executed(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    ada, ben = discord.user("ada"), discord.user("ben")
    asked = await imagine(ada, channel)
    await services.called(QUICK_ROUTE)
    discord.gateway.shut()
    discord.gateway.drop()
    await discord.gateway.silence()
    services.finish_all()
    await asked.until(finished)
    later = await imagine(ben, channel)
    discord.gateway.reopen()
    await discord.gateway.resumes()
    await services.called(QUICK_ROUTE, 2)
    services.finish_all()
    await later.until(finished)
    assert discord.gateway.identified == 1


async def test_an_invalid_session(discord: Discord, easel: BotProcess, channel: Channel, services: StandIn) -> None:
    asked = await imagine(discord.user("ada"), channel)
    await services.called(QUICK_ROUTE)
    discord.gateway.invalidate()
    services.finish_all()
    await asked.until(finished)
    await discord.gateway.ready(2)
    await painted(discord.user("ben"), channel, services)


@pytest.mark.parametrize("scope", ["user", "global"])
async def test_a_rate_limit_during_an_upload(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn, scope: str
) -> None:
    services.renderings.seconds = (0.0, 0.0)
    limit = discord.limit("PATCH", "/webhooks/*", when="body", scope=scope, retry_after=0.05, match=has_files)
    asked = await imagine(discord.user("ada"), channel, images=2)
    result = await asked.until(finished)
    assert limit.met == 1
    assert len(result.files) == 2
    assert len(discord.user("ada").sees(channel)) == 1


@pytest.mark.parametrize("when", ["body", "after"])
async def test_a_connection_that_is_cut_during_an_upload(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn, when: str
) -> None:
    easel.errors_expected = True
    services.renderings.seconds = (0.0, 0.0)
    discord.cut("PATCH", "/webhooks/*", when=when, match=has_files)
    asked = await imagine(discord.user("ada"), channel)
    await discord.until(lambda: [call for call in discord.called("PATCH") if call.files and call.status], "the upload")
    assert finished(await asked.message())
    assert len(discord.user("ada").sees(channel)) == 1


async def test_sigterm_waits_for_paid_requests(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    asked = await imagine(discord.user("ada"), channel)
    await services.called(QUICK_ROUTE)
    easel.terminate()
    await easel.said("SIGTERM")
    assert easel.running
    services.finish_all()
    assert await easel.ended() == 0
    await easel.ready()
    await asked.until(finished)
    assert len(services.calls_to(QUICK_ROUTE)) == 1
    assert len(discord.user("ada").sees(channel)) == 1


async def test_sigint_and_a_second_signal(
    discord: Discord, easel: BotProcess, channel: Channel, services: StandIn
) -> None:
    easel.interrupt()
    assert await easel.ended() == 0
    await easel.ready()
    await imagine(discord.user("ada"), channel)
    await services.called(QUICK_ROUTE)
    said = len(easel.lines)
    easel.terminate()
    await easel.said("SIGTERM", since=said)
    easel.terminate()
    assert await easel.ended() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [(4004, 2, "DISCORD_TOKEN"), (4013, 2, "intents"), (4014, 2, "intents"), (4011, 1, "4011")],
)
async def test_a_permanently_closed_connection_is_reported_in_one_line(
    discord: Discord, easel: BotProcess, code: int, status: int, words: str
) -> None:
    since = len(easel.lines)
    ending = asyncio.ensure_future(easel.ended())
    await discord.gateway.close(code, lasting=True)
    assert await ending == status
    (line,) = [line for line in easel.lines[since:] if line.startswith("easel: ")]
    assert words in line


async def test_a_token_revoked_between_login_and_gateway(discord: Discord, easel: BotProcess) -> None:
    await easel.killed()
    easel.errors_expected = True
    discord.at("GET", "/gateway/bot", lambda: setattr(discord.world, "token", "another"), when="after")
    await easel.start()
    assert await easel.ended() == 2
    assert f"easel: {WRONG_TOKEN}" in easel.lines[-1]


async def test_an_unreachable_gateway_is_reported_in_one_line(discord: Discord, easel: BotProcess) -> None:
    await easel.killed()
    asked = itertools.count()
    # The login requests it too.
    discord.fail("GET", "/gateway/bot", status=503, times=None, match=lambda _: next(asked) > 0)
    await easel.start()
    assert await easel.ended() == 1
    assert f"easel: {REFUSED(status='503')}" in easel.lines[-1]


async def test_sync_registers_what_it_can_and_reports_the_rest(
    discord: Discord, channel: Channel, services: StandIn, tmp_path: Path
) -> None:
    assert channel.guild is not None
    more = {"COMMAND_GUILDS": f"4711,{channel.guild.id}"}
    async with BotProcess(discord, tmp_path / "data", services.url, more=more, program=("bot", "migrate")) as process:
        await process.start()
        assert await process.ended() == 0
    async with BotProcess(discord, tmp_path / "data", services.url, more=more, program=("bot", "sync")) as process:
        process.errors_expected = True
        await process.start()
        assert await process.ended() == 1
        registered = t("Registered the commands: {places}.", places=[str(channel.guild.id)])
        assert str(registered) in process.lines
        assert any(line.startswith("easel: ") and "4711" in line for line in process.lines)
