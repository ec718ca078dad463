"""A card of several images: each is sent once while it grows, and a refusal costs the view and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from bot.providers.base import Finished, Handle, ImageRequest
from bot.ui.cards.job import RESUMED
from bot.ui.delivery.images import REQUEST_LIMIT
from storage.records import JobStatus
from tests.doubles.provider import finished
from tests.doubles.texts import shows
from tests.ui.conftest import Post, refused


async def growing(post: Post, monkeypatch: pytest.MonkeyPatch, number: int = 3) -> tuple[int, dict[int, asyncio.Event]]:
    """A job of so many requests, each of which ends when its event is set."""
    ends = {place: asyncio.Event() for place in range(number)}

    async def submit(_: Handle, request: ImageRequest) -> Finished:
        await ends[int(request.prompts[0].text.rpartition(" ")[2])].wait()
        return finished()

    monkeypatch.setattr(post.provider, "submit", submit)
    choices = ", ".join(f"number {place}" for place in ends)
    job_id = await post.imagine(prompt=f"{{{choices}}}")
    await post.worker.start()
    return job_id, ends


async def ended(post: Post, job_id: int, end: asyncio.Event) -> None:
    """One more request has ended, and the card was told."""
    before = len((await post.jobs.view(job_id)).images)
    end.set()
    while len((await post.jobs.view(job_id)).images) == before:
        await asyncio.sleep(0)
    await post.delivery.show(job_id)


async def test_each_image_is_sent_once_and_the_others_are_kept(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch)
    await ended(post, job_id, ends[1])
    await ended(post, job_id, ends[0])
    first, second = [sent for sent in post.discord.taken if sent.uploads]
    assert [upload.name for upload in first.uploads] == ["number-1-1-2.png"]
    assert first.kept == []
    assert len(second.uploads) == 1
    assert second.kept == [first.uploads[0].name]
    assert "image 1 of 3" in second.says
    assert second.says.index("image 1 of 3") < second.says.index("image 2 of 3"), "in the order of the prompt"
    ends[2].set()
    await post.worker.idle()
    assert (await post.job(job_id)).status is JobStatus.DELIVERED
    assert len(post.discord.taken[-1].uploads) == 3


async def test_words_alone_keep_the_images(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch)
    await ended(post, job_id, ends[0])
    await post.jobs.note(job_id, resumed_at=1)
    await post.delivery.show(job_id)
    last = post.discord.taken[-1]
    assert shows(last.says, RESUMED)
    assert last.uploads == ()
    assert len(last.kept) == 1


async def test_where_files_cannot_be_kept_they_are_sent_anew(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch)
    await ended(post, job_id, ends[0])
    post.discord.enqueue("token", refused(400, 50035))
    await ended(post, job_id, ends[1])
    await post.delivery.show(job_id)
    last = post.discord.taken[-1]
    assert len(last.uploads) == 2
    assert last.kept == []


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (403, 50013), (403, 400001), (400, 20009)])
async def test_where_no_images_are_taken_the_words_go_on_and_the_result_has_them(
    post: Post, monkeypatch: pytest.MonkeyPatch, status: int, code: int
) -> None:
    job_id, ends = await growing(post, monkeypatch)
    post.discord.enqueue("token", refused(status, code), refused(400, 50035))
    await ended(post, job_id, ends[0])
    for _ in range(2):
        await post.delivery.show(job_id)
    assert post.discord.tried == ["token"] * 3
    assert "1 of 3 done" in post.discord.taken[-1].says
    assert post.discord.taken[-1].uploads == ()
    await ended(post, job_id, ends[1])
    assert "2 of 3 done" in post.discord.taken[-1].says
    assert post.discord.taken[-1].uploads == ()
    ends[2].set()
    await post.worker.idle()
    assert len(post.discord.taken[-1].uploads) == 3


async def test_one_request_with_several_images_waits_for_its_result(post: Post) -> None:
    job_id = await post.ready(images=4)
    await post.delivery.show(job_id)
    assert [sent for sent in post.discord.taken if sent.uploads] == []


async def test_no_image_has_more_than_its_share(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch, number=10)
    await ended(post, job_id, ends[0])
    (sent,) = [sent for sent in post.discord.taken if sent.uploads]
    assert sent.uploads[0].size <= REQUEST_LIMIT // 10
