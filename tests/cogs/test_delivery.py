"""Late results, with the real library and a Discord whose tokens expire after fifteen minutes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import simcord

from bot.ui.delivery.result import INSTEAD_OF, LATE
from storage.errors import StorageError
from storage.records import DeliveryMethod, DeliveryReason, JobStatus
from tests.cogs.conftest import Shown, Studio, card
from tests.doubles.texts import shows

SIXTEEN_MINUTES = 16 * 60


async def late(studio: Studio, **options: Any) -> simcord.InteractionResult:
    """An unfinished job whose interaction's token has expired."""
    result = await studio.imagine(prompt="a fox", **options)
    await studio.begun()
    await studio.until(lambda: "Sent" in card(result).text)
    studio.clock.advance(SIXTEEN_MINUTES)
    await studio.env.advance_time(SIXTEEN_MINUTES)
    return result


async def done(studio: Studio) -> None:
    studio.stand_in.finish_all()
    await studio.finish()


def in_channel(studio: Studio, channel: simcord.ChannelHandle) -> list[Shown]:
    messages = studio.env.backend.messages[channel.id].values()
    return [Shown(simcord.ResponseMessage(studio.env, each)) for each in messages]


async def test_a_public_card_is_edited_with_the_bots_own_token(slow_studio: Studio) -> None:
    result = await late(slow_studio)
    await done(slow_studio)
    assert len(card(result).images) == 1
    job = await slow_studio.job()
    assert job.delivered_by is DeliveryMethod.BOT_EDIT
    assert job.delivery_reasons == (DeliveryReason.TOKEN_EXPIRED,)


async def test_a_token_may_expire_early(slow_studio: Studio) -> None:
    result = await late(slow_studio)
    slow_studio.clock.advance(-SIXTEEN_MINUTES)
    await done(slow_studio)
    assert len(card(result).images) == 1
    assert (await slow_studio.job()).status is JobStatus.DELIVERED


async def test_a_private_result_is_sent_only_to_its_author(slow_studio: Studio) -> None:
    await late(slow_studio, private=True)
    await done(slow_studio)
    (message,) = in_channel(slow_studio, slow_studio.ada.user.dm_channel)
    assert len(message.images) == 1
    assert shows(message.text, INSTEAD_OF(channel=slow_studio.channel.id))
    assert not any(shown.images for shown in in_channel(slow_studio, slow_studio.channel))
    assert (await slow_studio.job()).status is JobStatus.DELIVERED


async def test_a_deleted_card_is_not_posted_again(slow_studio: Studio) -> None:
    result = await slow_studio.imagine()
    await slow_studio.begun()
    await slow_studio.admin.delete(card(result).raw)
    await done(slow_studio)
    job = await slow_studio.job()
    assert (job.status, job.delivery_reasons) == (JobStatus.UNDELIVERED, (DeliveryReason.MESSAGE_GONE,))
    assert in_channel(slow_studio, slow_studio.channel) == []


async def test_the_result_is_sent_as_a_direct_message_if_the_channel_is_gone(slow_studio: Studio) -> None:
    await late(slow_studio)
    slow_studio.env.backend.delete_channel(slow_studio.channel.id)
    await slow_studio.env.settle()
    await done(slow_studio)
    (message,) = in_channel(slow_studio, slow_studio.ada.user.dm_channel)
    assert len(message.images) == 1


async def test_a_posted_message_is_found_and_not_posted_twice(
    slow_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await late(slow_studio)
    # The bot cannot edit the card, and Discord responds with an error after posting the new message.
    slow_studio.env.inject_error("PATCH", "/channels/*/messages/*", status=403, code=50005, times=None)
    monkeypatch.setattr(slow_studio.runtime.jobs, "delivered", _failing_once(slow_studio))
    await done(slow_studio)
    shown = [each for each in in_channel(slow_studio, slow_studio.channel) if each.images]
    assert len(shown) == 1
    assert shows(shown[0].text, LATE(user=slow_studio.ada.id))
    assert {user.id for user in shown[0].raw.message.mentions} == {slow_studio.ada.id}
    job = await slow_studio.job()
    assert (job.status, job.message_id) == (JobStatus.DELIVERED, shown[0].raw.id)


def _failing_once(studio: Studio) -> Callable[..., Awaitable[bool]]:
    real = studio.runtime.jobs.delivered
    failed: list[bool] = []

    async def delivered(job_id: int, **columns: Any) -> bool:
        if not failed:
            failed.append(True)
            raise StorageError("the disk was full after the message had been posted")
        return await real(job_id, **columns)

    return delivered
