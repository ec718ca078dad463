"""Sharing: a private result, by its author alone, and never by itself."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from storage import jobs as rows
from storage.jobs import JobStatus
from tests.cogs.conftest import Studio, card, forge, told


async def secret(studio: Studio, **options: Any) -> simcord.InteractionResult:
    result = await studio.imagine(prompt="a surprise", private=True, **options)
    await studio.finish()
    return result


async def test_the_author_shares_a_private_result(studio: Studio) -> None:
    result = await secret(studio, images=2, seed=7)
    assert card(result).labels == ["Again", "New seed", "Edit", "Share", "Details", "Delete"]
    pressed = await studio.press(studio.ada, card(result), "Share")
    shared = card(pressed)
    assert not shared.private
    assert [image["description"] for image in shared.images] == [
        "a surprise (image 1 of 2)",
        "a surprise (image 2 of 2)",
    ]
    assert shared.labels == ["Again", "New seed", "Edit", "Details", "Delete"]
    assert "Shared: " in told(pressed).text
    job = await studio.job()
    assert not job.private
    assert (job.status, job.message_id) == (JobStatus.DELIVERED, shared.raw.id)
    assert len(studio.stand_in.bills) == 2, "sharing makes nothing anew"


async def test_what_is_shared_can_be_used_by_everybody(studio: Studio) -> None:
    result = await secret(studio)
    shared = card(await studio.press(studio.ada, card(result), "Share"))
    again = await studio.press(studio.ben, shared, "Again")
    await studio.finish()
    assert not card(again).private
    assert "a surprise" in told(await studio.press(studio.ben, shared, "Details")).text
    question = told(await studio.press(studio.admin, shared, "Delete"))
    await studio.press(studio.admin, question, "Delete for good")
    assert "no longer exists" in told(await studio.press(studio.ada, card(result), "Details")).text


async def test_it_is_shared_once(studio: Studio) -> None:
    result = await secret(studio)
    await studio.press(studio.ada, card(result), "Share")
    second = told(await studio.press(studio.ada, card(result), "Share"))
    assert "public already" in second.text


async def test_nobody_else_shares_it(studio: Studio) -> None:
    await secret(studio)
    for person in (studio.ben, studio.admin):
        assert "Only the person who asked for it may share it." in told(await forge(studio, person, "share", 1)).text
    assert (await studio.job()).private


async def test_a_public_result_has_nothing_to_share(studio: Studio) -> None:
    result = await studio.imagine()
    await studio.finish()
    assert "Share" not in card(result).labels
    assert "public already" in told(await forge(studio, studio.ada, "share", 1)).text


async def test_in_direct_messages_there_is_nobody_to_share_it_with(studio: Studio) -> None:
    result = await studio.ada.user.slash("imagine", prompt="a surprise", private=True)
    await studio.finish()
    assert "Share" not in card(result).labels


async def test_what_is_unfinished_or_failed_cannot_be_shared(slow_studio: Studio) -> None:
    studio = slow_studio
    result = await studio.imagine(private=True)
    await studio.begun()
    assert "not finished yet" in told(await forge(studio, studio.ada, "share", 1)).text
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(result).images) == 1
    studio.stand_in.keys = frozenset({"another"})
    other = await studio.imagine(private=True, prompt="refused")
    await studio.finish()
    assert "Share" not in card(other).labels
    assert "no images to share" in told(await forge(studio, studio.ada, "share", 2)).text


async def test_where_the_bot_may_not_show_images_it_shares_nothing(studio: Studio) -> None:
    quiet = studio.server.create_text_channel(
        "quiet", overwrites={studio.server.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    result = await studio.ada.slash(quiet, "imagine", prompt="a surprise", private=True)
    await studio.finish()
    refused = told(await studio.press(studio.ada, card(result), "Share"))
    assert "Attach Files" in refused.text
    assert (await studio.job()).private


async def test_files_that_are_gone_are_said(studio: Studio) -> None:
    result = await secret(studio)
    async with studio.runtime.database.read() as connection:
        (image,) = await rows.images_of(connection, 1)
    assert image.file is not None
    await studio.runtime.files.remove(image.file)
    pressed = await studio.press(studio.ada, card(result), "Share")
    assert "None of its images could be shared" in told(pressed).text
    assert pressed.response is None, "nothing stays behind in the channel"
    assert (await studio.job()).private


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (400, 20009)])
async def test_a_share_that_discord_refuses_leaves_nothing_and_can_be_tried_again(
    studio: Studio, status: int, code: int
) -> None:
    result = await secret(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=status, code=code)
    pressed = await studio.press(studio.ada, card(result), "Share")
    assert "this was not shared" in told(pressed).text
    assert pressed.response is None, "nothing stays behind in the channel"
    assert (await studio.job()).private
    again = await studio.press(studio.ada, card(result), "Share")
    assert len(card(again).images) == 1


async def test_what_is_too_large_is_shared_smaller(studio: Studio) -> None:
    result = await secret(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=413, code=40005)
    shared = card(await studio.press(studio.ada, card(result), "Share"))
    assert len(shared.images) == 1
