"""Deliveries of the real bot over the wire: each result is shown once, whatever people do meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.people.user_settings import Messages
from bot.ui.delivery.progress import REFRESH_OR_DM
from fakes.discord.constants import Permission
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from storage.records import DeliveryReason, JobStatus
from tests.doubles.texts import shows
from tests.wire.house import BY_BOT, BY_DM, BY_TOKEN, CORE, CORE_ROUTE, OVER, POST, House, has_files, how

TOKEN_EDIT = "{webhook_token}/messages/{message_id}"


# --- the interaction's token --------------------------------------------------------------------------------------


async def test_the_token_expires_before_the_first_edit(home: House, ada: Person) -> None:
    gate = home.discord.hold("POST", "/interactions/*", when="after")
    asked = await ada.slash(home.channel, "imagine", prompt="a fox")
    await gate.reached()
    asked.expire()
    gate.release()
    await asked.until(lambda seen: "Sent" in seen.text)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_BOT, (OVER,))
    assert home.only.id == (await asked.message()).id
    # Discord bans bots after too many refused requests, so the token is used only once.
    assert home.tried("PATCH", TOKEN_EDIT) == [401]


@pytest.mark.parametrize("ahead", [16 * 60, -16 * 60, 24 * 3600])
async def test_the_machines_clock_differs_from_discords(home: House, ada: Person, ahead: int) -> None:
    """Card and result are not delayed, and Refresh is not offered too early."""
    home.discord.world.age_of_interactions = ahead
    ada.user.dms_open = False
    asked = await home.begun(ada, private=True)
    assert "Refresh" not in (await asked.message()).labels
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == (await asked.message()).id


async def test_the_token_expires_during_the_upload(home: House, ada: Person) -> None:
    gate = home.discord.hold("PATCH", "/webhooks/*", match=has_files)
    asked = await home.begun(ada)
    home.services.finish_all()
    await gate.reached()
    asked.expire()
    gate.release()
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_BOT, (OVER,))
    assert home.only.id == (await asked.message()).id


async def test_a_private_result_with_an_expired_token_is_sent_to_its_author(home: House, ada: Person) -> None:
    await home.begun(ada, private=True)
    home.discord.expire_tokens()
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_DM, (OVER,))
    assert home.only.message.channel is ada.dm
    assert home.discord.user("ben").sees(home.channel) == []
    # The bot tries neither its own edit nor a new message.
    assert not [call for call in home.discord.calls if call.path.startswith(f"/channels/{home.channel.id}/")]


async def test_a_private_result_with_an_expired_token_and_direct_messages_off(home: House, ada: Person) -> None:
    await home.runtime.personal.set(ada.id, {"messages": Messages.NEVER})
    await home.begun(ada, private=True)
    home.discord.expire_tokens()
    job = await home.done()
    assert how(job) == (JobStatus.UNDELIVERED, None, (OVER, DeliveryReason.DMS_OFF))
    assert home.tried("POST", "/users/@me/channels") == []
    assert home.shown() == []


# --- Refresh ------------------------------------------------------------------------------------------------------


async def near_its_end(home: House, person: Person) -> Seen:
    """A private card whose token expires in two minutes."""
    asked = await home.begun(person, private=True)
    assert "Refresh" not in (await asked.message()).labels
    home.later(13 * 60 + 1)
    return await asked.until(lambda seen: "Refresh" in seen.labels)


async def test_a_private_card_offers_a_fresh_token(home: House, ada: Person) -> None:
    card = await near_its_end(home, ada)
    assert shows(card.text, REFRESH_OR_DM)
    await ada.press(card, "Refresh")
    await ada.watches(card, lambda seen: "Refresh" not in seen.labels)
    # The first token has expired; the token of the press has not.
    first = next(iter(home.discord.world.interactions.values()))
    first.over = True
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == card.id
    assert home.only.private


async def test_refresh_works_after_the_token_has_expired(home: House, ada: Person) -> None:
    card = await near_its_end(home, ada)
    home.discord.expire_tokens()
    home.later(3 * 60)
    await (await ada.press(card, "Refresh")).acknowledged()
    await ada.watches(card, lambda seen: "Refresh" not in seen.labels)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == card.id


async def test_refresh_shows_an_undelivered_result(home: House, ada: Person) -> None:
    card = await near_its_end(home, ada)
    home.discord.expire_tokens()
    ada.user.dms_open = False
    job = await home.done()
    assert how(job) == (JobStatus.UNDELIVERED, None, (OVER, DeliveryReason.NO_DMS))
    await ada.press(card, "Refresh")
    await ada.watches(card, lambda seen: bool(seen.pictures))
    await home.done()
    assert home.only.id == card.id


async def test_refresh_does_not_show_a_delivered_result_again(home: House, ada: Person) -> None:
    card = await near_its_end(home, ada)
    home.discord.expire_tokens()
    assert (await home.done()).status is JobStatus.DELIVERED
    pressed = await ada.press(card, "Refresh")
    told = await pressed.followup()
    assert told.private
    assert f"/{ada.dm.id}/{home.only.id}" in told.text
    assert home.only.message.channel is ada.dm


async def test_only_the_author_can_refresh(home: House, ada: Person) -> None:
    ben = home.discord.user("ben")
    his = await home.begun(ben)
    await home.done()
    await home.begun(ada, private=True)
    before = (await home.runtime.jobs.job(2)).interaction_token
    forged = await ben.forge(await his.message(), "Details", "easel:refresh:2")
    assert "somebody else" in (await forged.followup()).text
    assert (await home.runtime.jobs.job(2)).interaction_token == before is not None


async def test_confirm_checks_the_bots_current_permissions(home: House, ada: Person) -> None:
    asked = await ada.slash(home.channel, "imagine", prompt="a {red, blue} car", engine=CORE)
    card = await asked.until(lambda seen: "Cancel" in seen.labels)
    home.discord.forbid(home.channel, Permission.ATTACH_FILES)
    refused = await (await ada.press(card, card.labels[0])).answered()
    assert refused.private
    assert "Attach Files" in refused.text
    assert home.services.calls_to(CORE_ROUTE) == []
    assert (await home.runtime.jobs.job(1)).status is JobStatus.PROPOSED


# --- what people and admins do meanwhile --------------------------------------------------------------------------


@pytest.mark.parametrize("over", [False, True], ids=["by the token", "by the bot"])
async def test_the_card_was_deleted_by_a_person(home: House, ada: Person, over: bool) -> None:
    asked = await home.begun(ada)
    home.discord.delete(await asked.message())
    if over:
        home.discord.expire_tokens()
    job = await home.done()
    gone = DeliveryReason.MESSAGE_GONE
    assert how(job) == (JobStatus.UNDELIVERED, None, (OVER, gone) if over else (gone,))
    assert home.shown() == []
    assert home.tried("POST", POST) == []


async def test_the_channel_was_deleted(home: House, ada: Person) -> None:
    await home.begun(ada)
    home.discord.delete(home.channel)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_DM, (DeliveryReason.PLACE_GONE,))
    assert home.only.message.channel is ada.dm


def permission_lost(home: House) -> None:
    home.discord.forbid(home.channel, Permission.VIEW_CHANNEL)


def bot_removed(home: House) -> None:
    assert home.channel.guild is not None
    home.discord.remove_bot(home.channel.guild)


def user_left(home: House) -> None:
    assert home.channel.guild is not None
    home.channel.guild.members.clear()


Happens = Callable[[House], None]


@pytest.mark.parametrize("happens", [permission_lost, bot_removed])
async def test_the_bot_can_no_longer_write_there(home: House, ada: Person, happens: Happens) -> None:
    await home.begun(ada)
    happens(home)
    home.discord.expire_tokens()
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_DM, (OVER, DeliveryReason.NOT_ALLOWED))
    assert home.only.message.channel is ada.dm
    assert f"<#{home.channel.id}>" in home.only.text


@pytest.mark.parametrize("happens", [permission_lost, bot_removed, user_left])
async def test_a_valid_token_works_in_spite_of_lost_permissions(home: House, ada: Person, happens: Happens) -> None:
    asked = await home.begun(ada)
    happens(home)
    assert how(await home.done()) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == (await asked.message()).id


async def test_the_user_left(home: House, ada: Person) -> None:
    asked = await home.begun(ada)
    user_left(home)
    # Without a common server, Discord accepts no direct message either.
    ada.user.dms_open = False
    home.discord.expire_tokens()
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_BOT, (OVER,))
    assert home.only.id == (await asked.message()).id


async def test_every_method_fails(home: House, ada: Person) -> None:
    await home.begun(ada)
    ada.user.dms_open = False
    bot_removed(home)
    home.discord.expire_tokens()
    job = await home.done()
    assert how(job) == (JobStatus.UNDELIVERED, None, (OVER, DeliveryReason.NOT_ALLOWED, DeliveryReason.NO_DMS))
    assert home.shown() == []
    (image,) = (await home.runtime.jobs.view(1)).images
    assert image.file is not None
    assert home.runtime.files.path(image.file).is_file()


async def test_only_the_user_has_installed_the_app(home: House) -> None:
    guest = home.discord.user("guest", installed_app=True)
    elsewhere = home.discord.guild("Elsewhere", bot_present=False).channel("lounge")
    asked = await home.begun(guest, elsewhere)
    job = await home.done()
    assert how(job) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert home.only.id == (await asked.message()).id
    late = await home.begun(guest, elsewhere)
    home.later(13 * 60 + 1)
    await late.until(lambda seen: "Refresh" in seen.labels)
    home.discord.expire_tokens()
    job = await home.done(2)
    assert how(job) == (JobStatus.DELIVERED, BY_DM, (OVER, DeliveryReason.NOT_PRESENT))
    assert [seen.message.channel for seen in home.shown()] == [elsewhere, guest.dm]
