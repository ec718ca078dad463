"""The result of a job that was delivered and then reopened by ``retry``: what is new is shown, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.jobs.sources import Sources
from bot.jobs.worker import Worker
from bot.providers.base import GeneratedImage
from bot.providers.errors import Refused
from storage import endings, images
from storage.records import Job, JobStatus
from tests.doubles.provider import finished
from tests.ui.conftest import Post, Sent, refused, ways, worked

PRIVATE: dict[str, Any] = {"private": True}


async def delivered(post: Post, **options: Any) -> int:
    job_id = await post.ready(**options)
    await post.delivery.deliver(job_id)
    assert (await post.job(job_id)).status is JobStatus.DELIVERED
    post.discord.taken.clear()
    return job_id


async def reopened(post: Post, job_id: int) -> int:
    """Stop the bot a day later, run retry, and make the worker of the next start."""
    post.clock.advance(86_400)
    await post.worker.stop(0)
    async with post.database.write() as tx:
        await endings.reopen(tx, ["scripted"], at=post.clock.now())
    post.worker = Worker(
        jobs=post.jobs,
        files=post.files,
        sources=Sources(post.jobs, post.files, post.clock),
        clock=post.clock,
    )
    return job_id


async def shown_as_lost(post: Post, **options: Any) -> int:
    """A reopened job whose image could not be fetched and whose failure was delivered a while ago."""
    post.provider.enqueue("fetch", Refused(said="Not from there.", setting="IMAGE_HOSTS"))
    return await reopened(post, await delivered(post, **options))


@pytest.mark.parametrize(("options", "expected"), [({}, ["bot", "tell"]), (PRIVATE, ["dm"])], ids=["public", "private"])
async def test_new_images_of_a_reopened_job_are_shown_and_announced(
    post: Post, options: dict[str, Any], expected: list[str]
) -> None:
    job_id = await shown_as_lost(post, **options)
    await worked(post)
    assert ways(post) == expected
    assert post.discord.taken[0].uploads
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


@pytest.mark.parametrize(("options", "expected"), [({}, ["bot"]), (PRIVATE, [])], ids=["public", "private"])
async def test_a_reopened_job_without_new_images_notifies_nobody(
    post: Post, options: dict[str, Any], expected: list[str]
) -> None:
    job_id = await shown_as_lost(post, **options)
    before = await post.job(job_id)
    post.provider.enqueue("fetch", Refused(said="Not from there.", setting="IMAGE_HOSTS"))
    await worked(post)
    assert ways(post) == expected
    job = await post.job(job_id)
    assert job.status is JobStatus.DELIVERED
    if options:
        assert (job.delivered_by, job.delivery_reasons) == (before.delivered_by, before.delivery_reasons)


async def shown_in_part(post: Post, **options: Any) -> int:
    """A reopened job of two images, of which the second could not be fetched. The first was delivered a while ago."""
    made = finished(images=2)
    elsewhere = GeneratedImage(url="http://cdn.lan/2.png", seed=2)
    post.provider.enqueue("poll", *[replace(made, images=(made.images[0], elsewhere))] * 2)
    post.provider.enqueue("fetch", None, Refused(said="Not from there.", setting="IMAGE_HOSTS"))
    return await reopened(post, await delivered(post, images=2, **options))


def numbers(sent: Sent) -> list[str]:
    """The numbers of the images in the message."""
    return [upload.name.rpartition(".")[0].rpartition("-")[2] for upload in sent.uploads]


@pytest.mark.parametrize(("options", "expected"), [({}, ["bot", "tell"]), (PRIVATE, ["dm"])], ids=["public", "private"])
async def test_a_missing_image_that_arrives_later_is_shown_with_the_others(
    post: Post, options: dict[str, Any], expected: list[str]
) -> None:
    job_id = await shown_in_part(post, **options)
    post.run()
    await worked(post)
    assert ways(post) == expected, "until then, the card goes on showing what it has"
    assert numbers(post.discord.taken[0]) == ["1", "2"]
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


@pytest.mark.parametrize(("options", "expected"), [({}, ["bot"]), (PRIVATE, [])], ids=["public", "private"])
async def test_nobody_is_notified_of_an_image_that_is_still_missing(
    post: Post, options: dict[str, Any], expected: list[str]
) -> None:
    job_id = await shown_in_part(post, **options)
    post.provider.enqueue("fetch", Refused(said="Not from there.", setting="IMAGE_HOSTS"))
    await worked(post)
    assert ways(post) == expected
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


def card_shows(post: Post, monkeypatch: pytest.MonkeyPatch, job_id: int, *numbers: int) -> None:
    """Let the card have the images with these numbers."""

    async def in_card(_: Job) -> list[str]:
        return [f"a-lighthouse-{job_id}-{number}.png" for number in numbers]

    monkeypatch.setattr(post.discord, "in_card", in_card)


@pytest.mark.parametrize("arrived", [False, True])
async def test_the_earlier_images_in_the_card_are_not_mistaken_for_the_new_one(
    post: Post, monkeypatch: pytest.MonkeyPatch, *, arrived: bool
) -> None:
    job_id = await shown_in_part(post)
    card_shows(post, monkeypatch, job_id, *((1, 2) if arrived else (1,)))
    post.discord.enqueue("bot", refused(403, 50001))
    await worked(post)
    assert ("dm" in ways(post)) is not arrived
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_a_card_whose_files_are_deleted_keeps_its_images(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await shown_in_part(post)
    card_shows(post, monkeypatch, job_id, 1)
    async with post.database.write() as tx:
        await images.forget_files(tx, [image.id for image in (await post.jobs.view(job_id)).images])
    post.run()
    await worked(post)
    assert ways(post) == ["post"]
    assert numbers(post.discord.taken[0]) == ["2"]


async def test_a_card_whose_files_are_deleted_is_left_alone_if_nothing_new_comes(post: Post) -> None:
    job_id = await shown_in_part(post)
    async with post.database.write() as tx:
        await images.forget_files(tx, [image.id for image in (await post.jobs.view(job_id)).images])
    post.provider.enqueue("fetch", Refused(said="Not from there.", setting="IMAGE_HOSTS"))
    await worked(post)
    assert ways(post) == []
    assert (await post.job(job_id)).status is JobStatus.DELIVERED
