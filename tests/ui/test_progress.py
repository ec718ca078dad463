"""A card is kept up to date while its job is in progress, with the images that are ready."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
from typing import Any

import pytest
from PIL import Image

from bot.jobs.view import JobView
from bot.providers.base import Finished, Handle, ImageRequest, Waiting
from bot.providers.errors import Unreachable
from bot.providers.operations import Pictures
from bot.ui.cards.waiting import OUTAGE, OVERDUE, RESUMED, RETRY, RETRY_NOW, STARTED, USUALLY
from bot.ui.delivery.attachments import REQUEST_LIMIT, Upload
from bot.ui.delivery.partial_images import PREVIEW_AT_MOST, LivePreview
from bot.ui.delivery.progress import EDIT_EVERY
from storage.records import JobStatus
from tests.doubles.provider import finished
from tests.doubles.texts import shows
from tests.ui.conftest import Post, refused, ways, worked

PRIVATE: dict[str, Any] = {"private": True}


async def test_many_changes_become_one_edit_every_two_seconds(post: Post) -> None:
    times: list[float] = []
    taken = post.discord.edit_by_token

    async def watched(*args: Any) -> Any:
        times.append(post.clock.monotonic())
        return await taken(*args)

    post.discord.edit_by_token = watched  # type: ignore[method-assign,assignment]  # a test listens in
    post.run()
    post.provider.enqueue("poll", *(Waiting(percent=percent) for percent in range(50, 80, 3)))
    job_id = await post.imagine()
    await post.start()
    await post.worker.idle()
    progress = [sent for sent in post.discord.taken if not sent.uploads]
    assert 3 <= len(progress) <= 33
    assert len({sent.says for sent in progress}) == len(progress), "each edit has new content"
    # The limit on progress edits does not delay the result.
    gaps = [later - earlier for earlier, later in itertools.pairwise(times[:-1])]
    assert min(gaps) >= EDIT_EVERY - 0.000_001  # the clock uses floats
    assert post.discord.taken[-1].uploads
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_an_unchanged_card_is_not_edited(post: Post) -> None:
    job_id = await post.imagine()
    await post.delivery.show(job_id)
    await post.delivery.show(job_id)
    assert ways(post) == ["token"]


async def test_a_finished_job_is_never_shown_as_unfinished(post: Post) -> None:
    job_id = await post.ready()
    await post.delivery.show(job_id)
    assert ways(post) == []
    await post.delivery.deliver(job_id)
    await post.delivery.show(job_id)
    assert ways(post) == ["token"]
    assert post.delivery._followed == {}


async def test_earlier_changes_are_ignored_after_the_result(post: Post) -> None:
    job_id, looked = await post.ready(), list[int]()
    view = post.delivery._view

    async def looking(job_id: int) -> JobView:
        looked.append(job_id)
        return await view(job_id)

    post.delivery._view = looking
    post.delivery.changed(job_id)
    await post.delivery.deliver(job_id)
    post.run()
    for _ in range(20):
        await asyncio.sleep(0)
    assert looked == [job_id]


async def test_the_result_waits_for_an_edit_in_flight(post: Post) -> None:
    """Otherwise the slow edit would overwrite the images."""
    held = asyncio.Event()
    job_id = await post.imagine()
    post.discord.enqueue("token", held)
    progress = asyncio.create_task(post.delivery.show(job_id))
    while not post.discord.tried:
        await asyncio.sleep(0)
    await post.start()
    while (await post.job(job_id)).status is not JobStatus.READY:
        await asyncio.sleep(0)
    held.set()
    await progress
    await post.worker.idle()
    assert [bool(sent.uploads) for sent in post.discord.taken] == [False, True]


async def test_the_bot_edits_progress_after_the_token_has_expired(post: Post) -> None:
    job_id = await post.imagine(seconds=0)
    await post.delivery.show(job_id)
    private = await post.imagine(seconds=0, **PRIVATE)
    await post.delivery.show(private)
    assert ways(post) == ["bot"]


async def test_a_deleted_card_is_not_edited(post: Post) -> None:
    post.discord.enqueue("token", refused(404, 10008))
    job_id = await post.imagine()
    for _ in range(3):
        await post.delivery.show(job_id)
    assert post.discord.tried == ["token"]


async def test_a_failed_progress_edit_does_not_stop_the_job(post: Post) -> None:
    post.run()
    post.discord.enqueue("token", refused(500), OSError("no network"))
    job_id = await post.imagine()
    await post.delivery.show(job_id)
    await post.start()
    await post.worker.idle()
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_nothing_is_sent_before_the_bot_has_logged_in(post: Post) -> None:
    job_id = await post.ready()
    client, post.delivery._client = post.delivery._client, None
    post.delivery._attached.clear()
    waiting = asyncio.create_task(post.delivery.deliver(job_id))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert client is not None
    post.delivery.attach(client)
    await waiting
    assert ways(post) == ["token"]


@pytest.mark.slow
async def test_a_card_does_not_name_a_time_that_has_passed(post: Post) -> None:
    post.run()
    post.provider.enqueue("prepare", *(Unreachable() for _ in range(5)))
    post.provider.enqueue("poll", *(Waiting() for _ in range(200)))
    await post.imagine(seconds=3600)
    taken = post.discord.edit_by_token
    shown: list[tuple[int, str]] = []

    def passed(now: int) -> list[str]:
        """The times that the card, as it was last edited, announces although they are over."""
        ahead = "|".join(str(words(when=r"<t:(\d+):R>")) for words in (RETRY, OUTAGE))
        times = [time for _, content in shown[-1:] for found in re.findall(ahead, content) for time in found if time]
        return [time for time in times if int(time) * 1000 < now]

    late: list[str] = []

    async def watched(job: Any, card: Any, *rest: Any) -> Any:
        late.extend(passed(post.clock.now()))
        shown.append((post.clock.now(), card.content))
        return await taken(job, card, *rest)

    post.discord.edit_by_token = watched  # type: ignore[method-assign,assignment]  # a test listens in
    await worked(post)
    assert late == []
    for words in (RETRY, RETRY_NOW, OUTAGE, STARTED, USUALLY, OVERDUE):
        assert any(shows(content, words) for _, content in shown), words.code


async def growing(post: Post, monkeypatch: pytest.MonkeyPatch, number: int = 3) -> tuple[int, dict[int, asyncio.Event]]:
    """A job with this many requests; each ends when its event is set."""
    ends = {place: asyncio.Event() for place in range(number)}

    async def submit(_: Handle, request: ImageRequest, __: Pictures | None = None) -> Finished:
        await ends[int(request.prompts[0].text.rpartition(" ")[2])].wait()
        return finished()

    monkeypatch.setattr(post.provider, "submit", submit)
    choices = ", ".join(f"number {place}" for place in ends)
    job_id = await post.imagine(prompt=f"{{{choices}}}")
    await post.start()
    return job_id, ends


async def ended(post: Post, job_id: int, end: asyncio.Event) -> None:
    """End one more request, and wait until the card knows."""
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


async def test_a_text_edit_retains_the_images(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch)
    await ended(post, job_id, ends[0])
    await post.jobs.note(job_id, resumed_at=1)
    await post.delivery.show(job_id)
    last = post.discord.taken[-1]
    assert shows(last.says, RESUMED)
    assert last.uploads == ()
    assert len(last.kept) == 1


async def test_images_that_cannot_be_retained_are_uploaded_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch)
    await ended(post, job_id, ends[0])
    post.discord.enqueue("token", refused(400, 50035))
    await ended(post, job_id, ends[1])
    await post.delivery.show(job_id)
    last = post.discord.taken[-1]
    assert len(last.uploads) == 2
    assert last.kept == []


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (403, 50013), (403, 400001), (400, 20009)])
async def test_if_images_are_refused_the_card_shows_text_until_the_result(
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


async def test_a_single_request_shows_its_images_in_the_result(post: Post) -> None:
    job_id = await post.ready(images=4)
    await post.delivery.show(job_id)
    assert [sent for sent in post.discord.taken if sent.uploads] == []


async def test_each_image_is_limited_to_its_share(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, ends = await growing(post, monkeypatch, number=10)
    await ended(post, job_id, ends[0])
    (sent,) = [sent for sent in post.discord.taken if sent.uploads]
    (upload,) = sent.uploads
    assert isinstance(upload, Upload)
    assert upload.size <= REQUEST_LIMIT // 10


def jpeg(shade: int) -> bytes:
    return b"\xff\xd8\xff" + bytes([shade]) * 100


def previews(post: Post) -> list[bytes]:
    every = (upload for sent in post.discord.taken for upload in sent.uploads)
    return [upload.data for upload in every if isinstance(upload, LivePreview)]


async def test_an_unfinished_image_is_shown_and_gives_way_to_the_result(post: Post) -> None:
    post.run()
    gate = asyncio.Event()
    post.provider.enqueue("poll", Waiting(preview=jpeg(1)), Waiting(preview=jpeg(1)), Waiting(preview=jpeg(2)), gate)
    job_id = await post.imagine()
    await post.start()
    while len(previews(post)) < 2:
        await asyncio.sleep(0)
    assert previews(post) == [jpeg(1), jpeg(2)], "the same one is not sent twice"
    gate.set()
    await post.worker.idle()
    assert (await post.job(job_id)).status is JobStatus.DELIVERED
    assert "preview.jpg" not in post.discord.files


async def test_a_large_unfinished_image_is_made_smaller(post: Post) -> None:
    post.run()
    gate = asyncio.Event()
    noise = Image.effect_noise((1280, 1024), 80)
    written = io.BytesIO()
    noise.save(written, "PNG")
    assert len(written.getvalue()) > PREVIEW_AT_MOST
    post.provider.enqueue("poll", Waiting(preview=written.getvalue()), gate)
    await post.imagine()
    await post.start()
    while not previews(post):
        await asyncio.sleep(0)
    gate.set()
    await post.worker.idle()
    (preview,) = previews(post)
    assert len(preview) <= PREVIEW_AT_MOST
    assert max(Image.open(io.BytesIO(preview)).size) == 1024
    assert not list(post.files.path("x").parent.glob("preview*"))


@pytest.mark.parametrize("preview", [b"<svg/>", b"", jpeg(1) + bytes(PREVIEW_AT_MOST)])
async def test_what_is_no_picture_is_not_shown(post: Post, preview: bytes) -> None:
    post.run()
    post.provider.enqueue("poll", Waiting(percent=10, preview=preview))
    await post.imagine()
    await worked(post)
    assert not previews(post)


async def test_a_refused_preview_is_not_sent_again(post: Post) -> None:
    post.run()
    first, gate = asyncio.Event(), asyncio.Event()
    post.provider.enqueue("poll", first, Waiting(preview=jpeg(1)), Waiting(percent=50, preview=jpeg(2)), gate)
    job_id = await post.imagine()
    await post.start()
    while not post.discord.taken:
        await asyncio.sleep(0)
    before = len(post.discord.taken)
    post.discord.enqueue("token", refused(413, 40005))
    first.set()
    while len(post.discord.taken) == before:
        await asyncio.sleep(0)
    gate.set()
    await post.worker.idle()
    assert not previews(post)
    assert (await post.job(job_id)).status is JobStatus.DELIVERED
