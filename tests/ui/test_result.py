"""A result is delivered by the first method that works, and is shown once."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import discord
import pytest

from bot.errors import Undelivered
from bot.providers.errors import Refused
from bot.ui.cards.delivery_text import NO_LONGER_STORED, TOO_LARGE_HERE
from bot.ui.delivery.result import LATE
from storage.records import DeliveryMethod, DeliveryReason, JobStatus
from tests.doubles.texts import shows
from tests.ui.conftest import ADA, Post, message, refused, ways

PRIVATE: dict[str, Any] = {"private": True}


# --- the result ---------------------------------------------------------------------------------------------------


async def test_a_result_is_an_edit_of_the_card(post: Post) -> None:
    job_id = await post.ready(images=2)
    await post.delivery.deliver(job_id)
    (sent,) = post.discord.taken
    assert sent.way == "token"
    assert [upload.name for upload in sent.uploads] == [f"a-lighthouse-{job_id}-1.png", f"a-lighthouse-{job_id}-2.png"]
    assert all(f"attachment://{upload.name}" in sent.says for upload in sent.uploads)
    job = await post.job(job_id)
    assert (job.status, job.interaction_token) == (JobStatus.DELIVERED, None)
    assert (job.delivered_by, job.delivery_reasons, job.attempting) == (DeliveryMethod.TOKEN, (), None)


async def test_a_result_is_shown_once(post: Post) -> None:
    job_id = await post.ready()
    await asyncio.gather(*(post.delivery.deliver(job_id) for _ in range(5)))
    assert ways(post) == ["token"]


async def test_a_failure_is_delivered_like_a_result(post: Post) -> None:
    post.provider.enqueue("submit", Refused(said="The words were refused."))
    job_id = await post.ready()
    await post.delivery.deliver(job_id)
    (sent,) = post.discord.taken
    assert not sent.uploads
    assert "The words were refused." in sent.says
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


PUBLIC_WAYS = [
    # Discord's answer to each method, the methods that are tried, and whether the result is shown.
    ({"token": refused(401, 50027)}, ["token", "bot"], True),
    ({"token": refused(404, 10015)}, ["token", "bot"], True),
    ({"token": refused(404, 10008)}, ["token"], False),
    ({"token": refused(401, 50027), "bot": refused(404, 10008)}, ["token", "bot"], False),
    ({"token": refused(401, 50027), "bot": refused(404, 10003)}, ["token", "bot", "dm"], True),
    ({"token": refused(401, 50027), "bot": refused(403, 50001)}, ["token", "bot", "dm"], True),
    # After a new message was sent, the waiting card is updated too.
    ({"token": refused(401, 50027), "bot": refused(403, 50005)}, ["token", "bot", "post", "bot"], True),
    (
        {"token": refused(401, 50027), "bot": refused(403, 50005), "post": refused(403, 50013)},
        ["token", "bot", "post", "dm", "bot"],
        True,
    ),
    (
        {"token": refused(401, 50027), "bot": refused(403, 50001), "dm": refused(403, 50007)},
        ["token", "bot", "dm"],
        False,
    ),
]


@pytest.mark.parametrize(("answers", "tried", "shown"), PUBLIC_WAYS)
async def test_a_public_result_tries_its_methods_in_order(
    post: Post, answers: dict[str, discord.HTTPException], tried: list[str], shown: bool
) -> None:
    for way, answer in answers.items():
        post.discord.enqueue(way, answer)
    job_id = await post.ready()
    await post.delivery.deliver(job_id)
    assert post.discord.tried == tried
    assert len([sent for sent in post.discord.taken if sent.uploads]) == int(shown)
    job = await post.job(job_id)
    assert job.status is (JobStatus.DELIVERED if shown else JobStatus.UNDELIVERED)
    assert (job.delivered_by is not None) == shown
    assert len(job.delivery_reasons) == len(answers)


@pytest.mark.parametrize(
    ("answers", "tried", "shown"),
    [
        ({"token": refused(401, 50027)}, ["token", "dm"], True),
        ({"token": refused(404, 10008)}, ["token"], False),
        ({"token": refused(401, 50027), "dm": refused(403, 50007)}, ["token", "dm"], False),
        ({"token": refused(403, 50013)}, ["token", "dm", "token"], True),
    ],
)
async def test_a_private_result_never_goes_to_a_channel(
    post: Post, answers: dict[str, discord.HTTPException], tried: list[str], shown: bool
) -> None:
    for way, answer in answers.items():
        post.discord.enqueue(way, answer)
    job_id = await post.ready(**PRIVATE)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == tried
    assert len([sent for sent in post.discord.taken if sent.uploads]) == int(shown)
    assert (await post.job(job_id)).status is (JobStatus.DELIVERED if shown else JobStatus.UNDELIVERED)


async def test_a_refused_token_is_not_used_again(post: Post) -> None:
    job_id = await post.ready(seconds=0)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["bot"]
    job = await post.job(job_id)
    assert job.delivered_by is DeliveryMethod.BOT_EDIT
    assert job.delivery_reasons == (DeliveryReason.TOKEN_EXPIRED,)


async def test_a_token_is_used_although_the_clock_is_ahead(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is valid for 15 minutes by Discord's clock, and the machine's clock is 16 minutes ahead."""
    job_id = await post.ready(**PRIVATE)
    monkeypatch.setattr(post.clock, "now", lambda: round(post.clock.milliseconds) + 16 * 60_000)
    await post.delivery.deliver(job_id)
    # By this clock the job took long, so its author is notified.
    assert post.discord.tried == ["token", "follow up"]
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_a_retried_delivery_does_not_use_a_refused_token(post: Post) -> None:
    post.discord.enqueue("token", refused(401, 50027))
    post.discord.enqueue("dm", OSError("no network"))
    job_id = await post.ready(**PRIVATE)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token", "dm", "look", "dm"]


@pytest.mark.parametrize("jump", [-3600, 3600])
async def test_refresh_is_offered_by_the_monotonic_clock(
    post: Post, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    post.run()
    job_id = await post.imagine(**PRIVATE)
    await post.delivery.show(job_id)
    monkeypatch.setattr(post.clock, "now", lambda: round(post.clock.milliseconds) + jump * 1000)
    await post.delivery.show(job_id)
    assert "refresh" not in post.discord.taken[-1].says
    while "refresh" not in post.discord.taken[-1].says:
        await asyncio.sleep(0.001)
    # The reminder came 13 minutes after the interaction, in spite of the jump of the wall clock.
    assert 780 <= post.clock.monotonic() - 1_790_000_000 < 790


async def test_with_only_a_user_install_the_result_is_sent_to_the_author(post: Post) -> None:
    guest = type(ADA)(**{**{name: getattr(ADA, name) for name in ADA.__slots__}, "bot_present": False})
    job_id = await post.ready(guest, seconds=0)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["dm"]
    assert f"<#{guest.channel_id}>" in post.discord.taken[0].says


async def test_a_new_message_mentions_its_author_and_is_recorded(post: Post) -> None:
    post.discord.enqueue("bot", refused(403, 50005))
    job_id = await post.ready(seconds=0)
    await post.delivery.deliver(job_id)
    assert shows(post.discord.taken[0].says, LATE(user=1))
    job = await post.job(job_id)
    assert (job.message_id, job.delivered_by) == (2000, DeliveryMethod.NEW_MESSAGE)


async def test_a_message_that_may_have_been_posted_is_searched_first(post: Post) -> None:
    """Discord responded with an error after posting the message: it is not posted again."""
    post.discord.enqueue("bot", refused(403, 50005), refused(403, 50005))
    post.discord.enqueue("post", refused(502))
    job_id = await post.ready(seconds=0)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    assert (await post.job(job_id)).status is JobStatus.READY
    post.discord.there = message(2222, 100)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["bot", "post", "look", "bot"]
    job = await post.job(job_id)
    assert (job.status, job.message_id) == (JobStatus.DELIVERED, 2222)


async def test_a_message_that_is_not_found_is_sent_again(post: Post) -> None:
    post.discord.enqueue("bot", refused(403, 50005), refused(403, 50005))
    post.discord.enqueue("post", refused(502))
    job_id = await post.ready(seconds=0)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["bot", "post", "look", "bot", "post", "bot"]


async def test_a_deleted_channel_is_not_searched_for_the_message(post: Post) -> None:
    post.discord.enqueue("bot", refused(403, 50005), refused(404, 10003))
    post.discord.enqueue("post", refused(502))
    post.discord.enqueue("look", refused(404, 10003))
    job_id = await post.ready(seconds=0)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["bot", "post", "look", "bot", "dm"]


async def test_a_method_that_works_again_does_not_show_the_result_twice(post: Post) -> None:
    post.discord.enqueue("bot", refused(403, 50001))
    post.discord.enqueue("dm", OSError("no network"))
    job_id = await post.ready(seconds=0)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    post.discord.there = message(3333, 300)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["bot", "dm", "look", "bot"]
    job = await post.job(job_id)
    assert job.delivered_by is DeliveryMethod.DIRECT_MESSAGE
    assert job.delivery_reasons == (DeliveryReason.TOKEN_EXPIRED, DeliveryReason.NOT_ALLOWED)


async def test_a_message_that_cannot_be_searched_leaves_the_result_undelivered(post: Post) -> None:
    post.discord.enqueue("bot", refused(403, 50005), refused(403, 50005))
    post.discord.enqueue("post", refused(502))
    post.discord.enqueue("look", refused(403, 50001))
    job_id = await post.ready(seconds=0)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    await post.delivery.deliver(job_id)
    assert (await post.job(job_id)).status is JobStatus.UNDELIVERED
    assert ways(post) == []


async def test_temporary_errors_are_retried_by_the_same_method(post: Post) -> None:
    post.discord.enqueue("token", refused(500), refused(429), OSError("no network"))
    job_id = await post.ready()
    post.worker.wake(ready=job_id)
    await post.worker.idle()
    assert post.discord.tried == ["token"] * 4
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_a_result_that_is_too_large_is_reencoded_once(post: Post) -> None:
    post.discord.enqueue("token", refused(413))
    job_id = await post.ready()
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token", "token"]
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_a_result_that_stays_too_large_is_reported_and_kept(post: Post) -> None:
    post.discord.enqueue("token", refused(413), refused(400, 40005))
    job_id = await post.ready()
    await post.delivery.deliver(job_id)
    (sent,) = post.discord.taken
    assert not sent.uploads
    assert shows(sent.says, TOO_LARGE_HERE(count=1))
    job = await post.job(job_id)
    assert f"<t:{post.jobs.kept_until(job) // 1000}:D>" in sent.says
    assert (job.status, job.delivered_by) == (JobStatus.UNDELIVERED, DeliveryMethod.TOKEN)


# --- a card that accepts text, but no images -----------------------------------------------------------------------

NO_PICTURES = [(403, 400001), (403, 50013), (400, 20009), (400, 50035)]
ROW = re.compile(r"easel:([a-z-]+):")


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(("status", "code"), NO_PICTURES)
async def test_a_card_without_images_links_to_them(post: Post, status: int, code: int, private: bool) -> None:
    for way in ("token", "bot", "post"):
        post.discord.enqueue(way, refused(status, code))
    job_id = await post.ready(private=private)
    await post.delivery.deliver(job_id)
    shown, told = post.discord.taken
    assert (shown.way, bool(shown.uploads)) == ("dm", True)
    assert (told.way, bool(told.uploads)) == ("token", False)
    assert "https://discord.com/channels/@me/300/3000" in told.says
    assert ROW.findall(told.says) == ["again", "edit", "delete"]
    job = await post.job(job_id)
    assert (job.status, job.message_id) == (JobStatus.DELIVERED, 3000)


@pytest.mark.parametrize(("status", "code"), NO_PICTURES)
async def test_a_card_without_images_offers_an_undelivered_result(post: Post, status: int, code: int) -> None:
    for way in ("token", "bot", "post"):
        post.discord.enqueue(way, refused(status, code))
    post.discord.enqueue("dm", refused(403, 50007))
    job_id = await post.ready()
    await post.delivery.deliver(job_id)
    (told,) = post.discord.taken
    assert ROW.findall(told.says) == ["show", "again", "edit", "delete"]
    assert (await post.job(job_id)).status is JobStatus.UNDELIVERED


async def test_the_bot_updates_a_card_whose_token_has_expired(post: Post) -> None:
    post.discord.enqueue("token", refused(401, 50027))
    post.discord.enqueue("bot", refused(403, 400001))
    job_id = await post.ready()
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token", "bot", "dm", "bot"]


async def test_a_failed_card_update_is_repeated_by_the_next_attempt(post: Post) -> None:
    """Otherwise, after a crash in between, the card would stay in its waiting state."""
    post.discord.enqueue("token", refused(403, 400001), refused(500))
    job_id = await post.ready()
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    assert (await post.job(job_id)).status is JobStatus.READY
    post.discord.there = message(3000, 300)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token", "dm", "token", "look", "token"]
    assert [sent.way for sent in post.discord.taken] == ["dm", "token"], "the images were sent once"
    assert (await post.job(job_id)).status is JobStatus.DELIVERED


async def test_a_card_that_may_show_the_images_is_not_overwritten(post: Post) -> None:
    post.discord.unclear = True
    post.discord.enqueue("token", refused(403, 400001))
    job_id = await post.ready(**PRIVATE)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token"]
    assert (await post.job(job_id)).status is JobStatus.UNDELIVERED


async def test_a_missing_image_file_is_mentioned(post: Post) -> None:
    job_id = await post.ready(images=2)
    view = await post.jobs.view(job_id)
    assert view.images[0].file is not None
    await post.files.remove(view.images[0].file)
    await post.delivery.deliver(job_id)
    (sent,) = post.discord.taken
    assert len(sent.uploads) == 1
    assert shows(sent.says, NO_LONGER_STORED(count=1))
    assert "(image 2 of 2)" in json.loads(sent.says)[0]["components"][1]["items"][0]["description"]
