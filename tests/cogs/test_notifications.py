"""Notifications of long jobs as people see them: who is mentioned, where, and what is left of it later."""

from __future__ import annotations

import json
from typing import Any

import pytest
import simcord
from simcord import ResponseMessage
from simcord.backend.models.message import Message

from bot.people.user_settings import Notify
from bot.ui.delivery.notifier import READY, READY_PRIVATELY
from storage.records import JobStatus, NotificationState
from tests.cogs.conftest import Studio, card, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

LONG = 90


async def long_job(
    studio: Studio, where: simcord.ChannelHandle | None = None, *, seconds: float = LONG, **options: Any
) -> simcord.InteractionResult:
    """Ada runs a job that takes this long."""
    before = len(studio.stand_in.calls_to("aithriving.core"))
    result = await studio.ada.slash(where or studio.channel, "imagine", prompt="a fox", **options)
    await studio.begun(count=before + 1)
    studio.clock.advance(seconds)
    studio.stand_in.finish_all()
    await studio.finish()
    return result


def messages(studio: Studio, channel: simcord.ChannelHandle) -> list[Message]:
    """The messages without a card."""
    return [each for each in studio.env.backend.messages[channel.id].values() if each.content]


async def test_the_author_is_notified_in_the_channel_after_a_minute(slow_studio: Studio) -> None:
    studio = slow_studio
    await long_job(studio, seconds=5)
    assert messages(studio, studio.channel) == []
    result = await long_job(studio)
    (sent,) = messages(studio, studio.channel)
    link = f"https://discord.com/channels/{studio.server.id}/{studio.channel.id}/{card(result).raw.id}"
    assert shows(sent.content, READY(count=1, user=studio.ada.id, url=link))
    assert (sent.mention_user_ids, sent.mention_role_ids, sent.mention_everyone) == ([studio.ada.id], [], False)
    assert (await studio.job(2)).notification is NotificationState.CHANNEL


async def test_a_private_job_is_announced_to_its_author_alone(slow_studio: Studio) -> None:
    studio = slow_studio
    result = await long_job(studio, private=True)
    (sent,) = result.followups
    assert sent.ephemeral
    assert shows(sent.content, READY_PRIVATELY(count=1, user=studio.ada.id, channel=studio.channel.id))
    assert not [each for each in messages(studio, studio.channel) if not ResponseMessage(studio.env, each).ephemeral]
    assert messages(studio, studio.ada.user.dm_channel) == []


@pytest.mark.parametrize("private", [False, True])
async def test_notify_by_direct_message(slow_studio: Studio, private: bool) -> None:
    studio = slow_studio
    await studio.ada.slash(studio.channel, "settings set", notify=Notify.DM.value)
    await long_job(studio, private=private)
    (sent,) = messages(studio, studio.ada.user.dm_channel)
    assert shows(sent.content, READY_PRIVATELY if private else READY)
    assert messages(studio, studio.channel) == []


async def test_notify_never_survives_a_restart(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.ada.slash(studio.channel, "settings set", notify=Notify.NEVER.value)
    await studio.restart()
    await long_job(studio)
    assert messages(studio, studio.channel) == []
    await studio.ada.slash(studio.channel, "settings reset", setting="notify")
    await long_job(studio)
    assert len(messages(studio, studio.channel)) == 1


async def test_a_refused_direct_message_changes_nothing(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.ada.slash(studio.channel, "settings set", notify=Notify.DM.value)
    studio.env.inject_error("POST", "/users/@me/channels", status=403, code=50007)
    result = await long_job(studio)
    assert (await studio.job(1)).status is JobStatus.DELIVERED
    assert messages(studio, studio.ada.user.dm_channel) == []
    assert [each.ephemeral for each in result.followups] == [True]


async def test_the_notification_is_deleted_with_its_job(slow_studio: Studio) -> None:
    studio = slow_studio
    result = await long_job(studio)
    assert len(messages(studio, studio.channel)) == 1
    question = await studio.press(studio.ada, card(result), "Delete")
    await studio.press(studio.ada, told(question), "Delete for good")
    assert messages(studio, studio.channel) == []


async def test_an_export_contains_the_setting_and_the_notification(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.ada.slash(studio.channel, "settings set", notify=Notify.CHANNEL.value)
    await long_job(studio)
    (sent,) = messages(studio, studio.channel)
    found = json.loads((await studio.runtime.privacy.export(studio.ada.id, file_limit=2**20)).data)
    assert found["user_settings"][0]["settings"]["notify"] == "channel"
    assert found["jobs"][0]["notification_message_id"] == sent.id
    await studio.runtime.privacy.delete(studio.ada.id)
    # Messages in Discord are their author's to delete.
    assert messages(studio, studio.channel) == [sent]


async def test_a_confirmed_price_is_not_waited_for(slow_studio: Studio) -> None:
    """The minute counts from the confirmation, not from the question about the price."""
    studio = slow_studio
    result = await studio.imagine(prompt="a {red, blue} car")
    studio.clock.advance(300)
    await studio.env.advance_time(300)
    await studio.press(studio.ada, card(result), "Confirm")
    await studio.begun(count=2)
    studio.stand_in.finish_all()
    await studio.finish()
    assert (await studio.job(1)).status is JobStatus.DELIVERED
    assert messages(studio, studio.channel) == []


async def test_a_restart_after_the_delivery_sends_what_is_due(
    slow_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = slow_studio

    async def killed(*_: object, **__: object) -> None:
        """Do nothing any more."""

    monkeypatch.setattr(studio.runtime.notifier, "notify", killed)
    await long_job(studio)
    assert (await studio.job(1)).notification is NotificationState.DUE
    assert messages(studio, studio.channel) == []
    await studio.restart()
    await studio.until(lambda: bool(messages(studio, studio.channel)))
    await studio.restart()
    await long_job(studio, seconds=1)
    assert len(messages(studio, studio.channel)) == 1
