"""Sharing: only the author can share a private result."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord
from sqlalchemy import delete

from bot.jobs import results
from bot.ui.cards.delivery_text import REASONS, jump_url
from bot.ui.delivery.sharing import NO_IMAGES, NOT_ACCEPTED, SHARED
from storage import images, tables
from storage import jobs as rows
from storage.records import DeliveryMethod, DeliveryReason, JobStatus, ShareState
from tests.cogs.conftest import Shown, Studio, card, forge, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


async def secret(studio: Studio, **options: Any) -> simcord.InteractionResult:
    result = await studio.imagine(prompt="a surprise", private=True, **options)
    await studio.finish()
    return result


async def test_the_author_shares_a_private_result(studio: Studio) -> None:
    result = await secret(studio, images=2, seed=7)
    assert card(result).labels == ["Edit prompt", "Again", "New seed", "Share", "Details", "Delete"]
    pressed = await studio.press(studio.ada, card(result), "Share")
    shared = card(pressed)
    assert not shared.private
    assert [image["description"] for image in shared.images] == [
        "a surprise (image 1 of 2)",
        "a surprise (image 2 of 2)",
    ]
    assert shared.labels == ["Edit prompt", "Again", "New seed", "Details", "Delete"]
    assert shows(told(pressed).text, SHARED)
    job = await studio.job()
    assert job.private, "the job's options do not change"
    assert job.status is JobStatus.DELIVERED
    assert (job.share_state, job.share_channel_id, job.share_message_id) == (
        ShareState.POSTED,
        studio.channel.id,
        shared.raw.id,
    )
    assert job.public_in == studio.channel.id
    assert len(studio.stand_in.bills) == 2, "sharing makes no new image"


async def test_everybody_can_use_a_shared_result(studio: Studio) -> None:
    result = await secret(studio)
    shared = card(await studio.press(studio.ada, card(result), "Share"))
    again = await studio.press(studio.ben, shared, "Again")
    await studio.finish()
    assert not card(again).private
    assert "a surprise" in told(await studio.press(studio.ben, shared, "Details")).text
    question = told(await studio.press(studio.admin, shared, "Delete"))
    await studio.press(studio.admin, question, "Delete for good")
    assert "no longer exists" in told(await studio.press(studio.ada, card(result), "Details")).text


async def test_a_result_is_shared_once(studio: Studio) -> None:
    result = await secret(studio)
    await studio.press(studio.ada, card(result), "Share")
    second = told(await studio.press(studio.ada, card(result), "Share"))
    assert shows(second.text, results.PUBLIC_ALREADY)


async def test_only_the_author_can_share(studio: Studio) -> None:
    await secret(studio)
    for person in (studio.ben, studio.admin):
        assert shows(told(await forge(studio, person, "share", 1)).text, results.SHARE_NOT_ALLOWED)
    assert (await studio.job()).share_state is None


async def test_a_public_result_has_no_share_button(studio: Studio) -> None:
    result = await studio.imagine()
    await studio.finish()
    assert "Share" not in card(result).labels
    assert shows(told(await forge(studio, studio.ada, "share", 1)).text, results.PUBLIC_ALREADY)


async def test_a_result_in_direct_messages_cannot_be_shared(studio: Studio) -> None:
    result = await studio.ada.user.slash("imagine", prompt="a surprise", private=True)
    await studio.finish()
    assert "Share" not in card(result).labels


async def test_unfinished_and_failed_jobs_cannot_be_shared(slow_studio: Studio) -> None:
    studio = slow_studio
    result = await studio.imagine(private=True)
    await studio.begun()
    assert shows(told(await forge(studio, studio.ada, "share", 1)).text, results.NOT_READY_TO_SHARE)
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(result).images) == 1
    studio.stand_in.keys = frozenset({"another"})
    other = await studio.imagine(private=True, prompt="refused")
    await studio.finish()
    assert "Share" not in card(other).labels
    assert shows(told(await forge(studio, studio.ada, "share", 2)).text, results.NO_IMAGES)


async def test_missing_permissions_prevent_sharing(studio: Studio) -> None:
    quiet = studio.server.create_text_channel(
        "quiet", overwrites={studio.server.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    result = await studio.ada.slash(quiet, "imagine", prompt="a surprise", private=True)
    await studio.finish()
    refused = told(await studio.press(studio.ada, card(result), "Share"))
    assert "Attach Files" in refused.text
    assert (await studio.job()).share_state is None


async def test_missing_files_are_reported(studio: Studio) -> None:
    result = await secret(studio)
    async with studio.runtime.database.read() as connection:
        (image,) = await images.images_of(connection, 1)
    assert image.file is not None
    await studio.runtime.files.remove(image.file)
    pressed = await studio.press(studio.ada, card(result), "Share")
    assert shows(told(pressed).text, NO_IMAGES)
    assert pressed.response is None, "no message remains in the channel"
    assert (await studio.job()).share_state is None


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (400, 20009)])
async def test_a_share_that_discord_refuses_leaves_nothing_and_can_be_tried_again(
    studio: Studio, status: int, code: int
) -> None:
    result = await secret(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=status, code=code)
    pressed = await studio.press(studio.ada, card(result), "Share")
    assert shows(told(pressed).text, NOT_ACCEPTED(reason=REASONS[DeliveryReason.NO_FILES]))
    assert pressed.response is None
    assert (await studio.job()).share_state is None
    again = await studio.press(studio.ada, card(result), "Share")
    assert len(card(again).images) == 1


async def test_a_result_that_is_too_large_is_reencoded(studio: Studio) -> None:
    result = await secret(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=413, code=40005)
    shared = card(await studio.press(studio.ada, card(result), "Share"))
    assert len(shared.images) == 1


# --- deleting shared results --------------------------------------------------------------------------------------


async def deleted(studio: Studio, person: simcord.MemberActor, shown: Shown) -> Shown:
    """Delete the job for good, and return the answer."""
    pressed = await studio.press(person, shown, "Delete")
    return card(await studio.press(person, told(pressed), "Delete for good"))


def there(studio: Studio, shown: Shown) -> bool:
    return shown.raw.id in studio.env.backend.messages[studio.channel.id]


async def test_deleting_the_private_card_deletes_the_shared_message(studio: Studio) -> None:
    result = await secret(studio)
    private = card(result)
    shared = card(await studio.press(studio.ada, private, "Share"))
    assert there(studio, shared)
    assert (await deleted(studio, studio.ada, private)).text == "Deleted."
    assert not there(studio, shared)


async def test_an_undeletable_shared_message_is_named_and_can_be_deleted_later(studio: Studio) -> None:
    result = await secret(studio)
    private = card(result)
    shared = card(await studio.press(studio.ada, private, "Share"))
    studio.env.inject_error("DELETE", "/channels/*/messages/*", status=403, code=50001)
    said = await deleted(studio, studio.ada, private)
    assert f"/{studio.server.id}/{studio.channel.id}/{shared.raw.id}" in said.text
    assert there(studio, shared)
    # Only a moderator or the author may delete it.
    assert "no longer exists" in told(await studio.press(studio.ben, shared, "Delete")).text
    assert there(studio, shared)
    await studio.press(studio.ada, shared, "Delete")
    assert not there(studio, shared)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_leftover_card_of_a_deleted_job_can_be_deleted(studio: Studio, forgotten: bool) -> None:
    first = card(await secret(studio))
    shared = card(await studio.press(studio.ada, first, "Share"))
    async with studio.runtime.database.write() as tx:
        await rows.move_job(tx, 1, JobStatus.DELIVERED, JobStatus.DELETED, at=1)
        if forgotten:
            await tx.execute(delete(tables.jobs))
    await studio.press(studio.ben, shared, "Delete")
    assert there(studio, shared)
    await studio.press(studio.admin, shared, "Delete")
    assert not there(studio, shared)


async def test_a_moderator_can_delete_only_the_shared_message(studio: Studio) -> None:
    private = card(await secret(studio))
    shared = card(await studio.press(studio.ada, private, "Share"))
    assert (await deleted(studio, studio.admin, shared)).text == "Deleted."
    assert "no longer exists" in told(await studio.press(studio.ada, private, "Details")).text
    # Its reader can delete the remaining card.
    pressed = await studio.press(studio.ada, private, "Delete")
    assert not pressed.followups


async def test_an_undelivered_result_that_was_shared_has_a_link(slow_studio: Studio) -> None:
    studio = slow_studio
    result = await studio.imagine(prompt="a fox", private=True)
    await studio.begun()
    studio.stand_in.finish_all()
    await studio.finish()
    async with studio.runtime.database.write() as tx:
        await rows.move_job(
            tx, 1, JobStatus.DELIVERED, JobStatus.UNDELIVERED, at=1, delivery_reasons=[DeliveryReason.MESSAGE_GONE]
        )
    shared = card(await studio.press(studio.ada, card(result), "Share"))
    job = await studio.job()
    assert (job.status, job.share_state) == (JobStatus.DELIVERED, ShareState.POSTED)
    assert jump_url(job) == f"https://discord.com/channels/{studio.server.id}/{studio.channel.id}/{shared.raw.id}"
    assert job.delivered_by is DeliveryMethod.SHARE
    assert job.delivery_reasons == (), "the reasons of the failed delivery are cleared"


async def test_a_failed_share_is_checked_before_another(studio: Studio) -> None:
    """Discord put the images into the message, responded with an error, and then refused all requests."""
    private = card(await secret(studio))
    shared = card(await studio.press(studio.ada, private, "Share"))
    async with studio.runtime.database.write() as tx:
        await rows.update_job(tx, 1, share_state=ShareState.POSTING)
    pressed = await studio.press(studio.ada, private, "Share")
    assert f"/{shared.raw.id}" in told(pressed).text
    assert pressed.response is None
    assert (await studio.job()).share_state is ShareState.POSTED


async def test_a_share_whose_message_is_missing_is_repeated(studio: Studio) -> None:
    private = card(await secret(studio))
    async with studio.runtime.database.write() as tx:
        place, message_id = studio.channel.id, 12345
        await rows.update_job(
            tx, 1, share_state=ShareState.POSTING, share_channel_id=place, share_message_id=message_id
        )
    shared = card(await studio.press(studio.ada, private, "Share"))
    assert len(shared.images) == 1
    assert (await studio.job()).share_message_id == shared.raw.id


async def test_a_share_that_cannot_be_checked_is_not_repeated(studio: Studio) -> None:
    private = card(await secret(studio))
    async with studio.runtime.database.write() as tx:
        place, message_id = studio.channel.id, 12345
        await rows.update_job(
            tx, 1, share_state=ShareState.POSTING, share_channel_id=place, share_message_id=message_id
        )
    studio.env.inject_error("GET", "/channels/*/messages/*", status=403, code=50001)
    pressed = await studio.press(studio.ada, private, "Share")
    assert "/12345" in told(pressed).text
    assert pressed.response is None
    assert (await studio.job()).share_state is ShareState.POSTING
