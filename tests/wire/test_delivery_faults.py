"""Deliveries over the wire with faults of Discord and crashes of the bot: each result is shown once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.ui.cards.delivery_text import NO_LONGER_STORED, TOO_LARGE_HERE
from bot.ui.delivery.file_segments import Spliced
from fakes.discord.bot_process import BotProcess
from fakes.discord.constants import Permission
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.services import StandIn, flat
from storage.records import DeliveryMethod, DeliveryReason, JobStatus
from tests.doubles.texts import shows
from tests.wire.house import (
    BY_BOT,
    BY_DM,
    BY_POST,
    BY_TOKEN,
    CORE,
    CORE_ROUTE,
    OVER,
    POST,
    PROMPT,
    House,
    has_files,
    how,
)

pytestmark = pytest.mark.slow


async def test_too_large_once(home: House, ada: Person) -> None:
    home.discord.fail("PATCH", "/webhooks/*", status=413, code=40005, match=has_files)
    await home.begun(ada)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert len(home.only.files) == 1


async def test_too_large_at_any_size(home: House, ada: Person) -> None:
    home.discord.fail("PATCH", "/webhooks/*", status=413, code=40005, match=has_files, times=None)
    asked = await home.begun(ada)
    job = await home.done()
    assert how(job) == (JobStatus.UNDELIVERED, BY_TOKEN, ())
    assert shows((await asked.message()).text, TOO_LARGE_HERE(count=1))
    assert home.shown() == []
    (image,) = (await home.runtime.jobs.view(1)).images
    assert image.file is not None
    assert home.runtime.files.path(image.file).is_file()


@pytest.mark.parametrize(("status", "code"), [(403, 400001), (403, 50013), (400, 20009)])
@pytest.mark.parametrize("private", [False, True])
async def test_a_channel_that_accepts_text_but_no_files(
    home: House, ada: Person, status: int, code: int, private: bool
) -> None:
    home.discord.fail("PATCH", "/webhooks/*", status=status, code=code, match=has_files, times=None)
    home.discord.fail("PATCH", "/channels/*", status=status, code=code, match=has_files, times=None)
    asked = await home.begun(ada, private=private)
    job = await home.done()
    assert job.status is JobStatus.DELIVERED
    assert home.only.message.channel is ada.dm
    card = await asked.message()
    assert card.labels == ("Again", "Edit prompt", "Delete")
    assert f"/@me/{ada.dm.id}/{home.only.id}" in card.text


async def test_a_channel_without_files_and_a_person_without_direct_messages(home: House, ada: Person) -> None:
    home.discord.fail("PATCH", "/webhooks/*", status=403, code=400001, match=has_files, times=2)
    ada.user.dms_open = False
    asked = await home.begun(ada)
    assert (await home.done()).status is JobStatus.UNDELIVERED
    card = await asked.message()
    assert card.labels == ("Show", "Again", "Edit prompt", "Delete")
    shown = await (await ada.press(card, "Show")).until(lambda seen: not seen.loading)
    assert not shown.pictures, "Discord still refuses"
    shown = await (await ada.press(card, "Show")).until(lambda seen: bool(seen.pictures))
    assert shown.private


async def test_a_file_is_deleted_during_its_upload(
    home: House, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Spliced.read
    lost: list[Path] = []

    def lose(spliced: Spliced, size: int | None = -1) -> bytes:
        if not lost:
            (file,) = (tmp_path / "images").glob("*.png")
            lost.append(file)
            file.unlink()
        return read(spliced, size)

    monkeypatch.setattr(Spliced, "read", lose)
    asked = await home.begun(ada)
    job = await home.done()
    assert how(job) == (JobStatus.UNDELIVERED, BY_TOKEN, ())
    assert shows((await asked.message()).text, NO_LONGER_STORED(count=1))
    assert lost


@pytest.mark.parametrize("scope", ["user", "shared", "global"])
@pytest.mark.parametrize("when", ["headers", "body"])
@pytest.mark.parametrize("over", [False, True], ids=["on the webhook", "on the channel"])
async def test_a_rate_limit_at_the_upload(home: House, ada: Person, scope: str, when: str, over: bool) -> None:
    asked = await home.begun(ada)
    if over:
        home.discord.expire_tokens()
    pattern = "/channels/*" if over else "/webhooks/*"
    limit = home.discord.limit("PATCH", pattern, scope=scope, when=when, retry_after=0.05, match=has_files)
    job = await home.done()
    assert limit.met == 1
    assert (job.delivered_by, job.delivery_reasons) == ((BY_BOT, (OVER,)) if over else (BY_TOKEN, ()))
    assert home.only.id == (await asked.message()).id


async def test_a_ban_by_the_proxy(home: House, ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    home.discord.limit("PATCH", "/webhooks/*", via=False, match=has_files, times=3)
    asked = await home.begun(ada)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == (await asked.message()).id
    assert "Discord answered 429" in caplog.text


async def test_a_successful_edit_with_an_error_response(home: House, ada: Person) -> None:
    home.discord.fail("PATCH", "/webhooks/*", status=503, when="after", match=has_files)
    asked = await home.begun(ada)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == (await asked.message()).id


@pytest.mark.parametrize("remembered", [True, False], ids=["soon", "after the nonce was forgotten"])
async def test_a_posted_direct_message_with_an_error_response(home: House, ada: Person, remembered: bool) -> None:
    await home.begun(ada, private=True)
    home.discord.expire_tokens()
    home.discord.fail("POST", "/channels/*/messages", status=503, when="after", match=has_files)
    if not remembered:
        home.discord.at("GET", "/channels/*/messages", home.discord.forget_nonces)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_DM, (OVER,))
    assert home.only.message.channel is ada.dm
    assert len(home.tried("POST", POST)) == 1


async def test_a_posted_channel_message_with_an_error_response(home: House, ada: Person) -> None:
    await home.begun(ada)
    home.discord.expire_tokens()
    home.discord.fail("PATCH", "/channels/*", status=403, code=50005, times=None)
    home.discord.cut("POST", "/channels/*/messages", when="after", match=has_files)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_POST, (OVER, DeliveryReason.REFUSED))
    assert home.only.message.channel is home.channel
    assert home.only.pings == {str(ada.id)}
    assert len(home.tried("POST", POST)) == 1
    assert job.message_id == home.only.id


async def test_a_gateway_outage_of_two_minutes(home: House, ada: Person) -> None:
    asked = await home.begun(ada)
    home.discord.gateway.shut()
    home.discord.gateway.drop()
    await home.discord.gateway.silence()
    home.later(120)
    home.discord.gateway.forget_sessions()
    # Results do not need the gateway.
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == (await asked.message()).id
    home.discord.gateway.reopen()
    await home.discord.gateway.ready(2)
    later = await home.begun(home.discord.user("ben"))
    await home.done(2)
    assert (await later.message()).pictures


# --- killed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("private", [True, False], ids=["direct message", "channel"])
async def test_killed_between_posting_and_recording_it(
    discord: Discord, channel: Channel, ada: Person, tmp_path: Path, private: bool
) -> None:
    async with (
        StandIn(seconds=None, painter=flat) as services,
        BotProcess(discord, tmp_path, services.url, more={"DEFAULT_ENGINE": "aithriving/core"}) as bot,
    ):
        await bot.ready()
        asked = await ada.slash(channel, "imagine", prompt="a fox", private=private)
        await asked.until(lambda seen: "Sent" in seen.text)
        discord.expire_tokens()
        discord.fail("PATCH", "/channels/*", status=403, code=50005, times=None)
        discord.at("POST", "/channels/*/messages", bot.killed, when="after", match=has_files)
        services.finish_all()
        await discord.until(lambda: not bot.running, "the kill")
        discord.forget_nonces()
        await bot.ready()
        await bot.said("delivery.done")
        place = ada.dm if private else channel
        assert [bool(seen.pictures) for seen in ada.sees(place) if not seen.private].count(True) == 1
        assert len([call for call in discord.called("POST", POST) if has_files(call)]) == 1
        sys.stdout.write(bot.tail())


def shown_unheard(home: House) -> None:
    """The card is edited with the result, but the response is lost and the token has expired."""
    home.discord.at("PATCH", "/webhooks/*", home.discord.expire_tokens, when="after", match=has_files)
    home.discord.fail("PATCH", "/webhooks/*", status=503, when="after", match=has_files)


MAYBE = DeliveryReason.MAYBE_SHOWN


async def test_a_result_that_a_token_may_have_shown_is_not_sent_elsewhere(home: House, ada: Person) -> None:
    asked = await home.begun(ada, private=True)
    shown_unheard(home)
    job = await home.done()
    assert home.only.id == (await asked.message()).id
    assert how(job) == (JobStatus.UNDELIVERED, None, (OVER, MAYBE))


async def test_a_public_card_is_checked_before_a_fallback(home: House, ada: Person) -> None:
    asked = await home.begun(ada)
    shown_unheard(home)
    home.discord.fail("PATCH", "/channels/*", status=403, code=50005, times=None)
    job = await home.done()
    assert home.only.id == (await asked.message()).id
    assert how(job) == (JobStatus.DELIVERED, DeliveryMethod.FOUND_IN_CARD, ())


async def test_an_unreadable_public_card_prevents_a_fallback(home: House, ada: Person) -> None:
    asked = await home.begun(ada)
    shown_unheard(home)
    home.discord.at("PATCH", "/channels/*", lambda: home.discord.forbid(home.channel, Permission.VIEW_CHANNEL))
    home.discord.fail("PATCH", "/channels/*", status=403, code=50001, times=None)
    job = await home.done()
    assert home.only.id == (await asked.message()).id
    assert how(job) == (JobStatus.UNDELIVERED, None, (OVER, DeliveryReason.NOT_ALLOWED, MAYBE))


async def test_an_unedited_public_card_is_followed_by_a_new_message(home: House, ada: Person) -> None:
    await home.begun(ada)
    home.discord.at("PATCH", "/webhooks/*", home.discord.expire_tokens, match=has_files)
    home.discord.fail("PATCH", "/webhooks/*", status=503, match=has_files)
    home.discord.fail("PATCH", "/channels/*", status=403, code=50005, times=None)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_POST, (OVER, DeliveryReason.REFUSED))
    assert home.only.id == job.message_id


async def test_images_that_finish_out_of_order(home: House, ada: Person) -> None:
    asked = await ada.slash(home.channel, "imagine", prompt=PROMPT, engine=CORE, images=3)
    await home.services.called(CORE_ROUTE, 3)
    first, second, third = home.services.renderings.by_guid
    home.services.finish(second)
    await asked.until(lambda seen: len(seen.pictures) == 1)
    home.services.finish(first)
    await asked.until(lambda seen: len(seen.pictures) == 2)
    home.services.finish(third)
    await home.done()
    assert len({one.filename for one in home.only.files}) == 3


async def test_killed_after_an_upload_with_a_token_that_expires(
    discord: Discord, channel: Channel, ada: Person, tmp_path: Path
) -> None:
    async with (
        StandIn(seconds=None, painter=flat) as services,
        BotProcess(discord, tmp_path, services.url, more={"DEFAULT_ENGINE": "aithriving/core"}) as bot,
    ):
        await bot.ready()
        asked = await ada.slash(channel, "imagine", prompt="a fox", private=True)
        await asked.until(lambda seen: "Sent" in seen.text)
        discord.at("PATCH", "/webhooks/*", bot.killed, when="after", match=has_files)
        services.finish_all()
        await discord.until(lambda: not bot.running, "the kill")
        discord.expire_tokens()
        await bot.ready()
        await bot.said("delivery.undelivered")
        assert (await asked.message()).pictures
        assert ada.sees(ada.dm) == []
