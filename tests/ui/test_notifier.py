"""The author of a long job is notified once, in the way they chose, and never in a way that reveals a private job."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.errors import Undelivered
from bot.people.user_settings import Notify
from bot.providers.errors import Refused
from bot.text import Message
from bot.ui.delivery.notifier import NOT_MADE, NOT_MADE_PRIVATELY, READY, READY_PRIVATELY, ways
from storage.records import JobStatus, NotificationState
from tests.doubles import views
from tests.doubles.texts import shows
from tests.ui.conftest import ADA, Post, refused
from tests.ui.conftest import ways as sent_ways

pytestmark = pytest.mark.slow

CHANNEL, FOLLOW_UP = NotificationState.CHANNEL, NotificationState.FOLLOW_UP
DUE, BY_DM = NotificationState.DUE, NotificationState.DIRECT_MESSAGE
PRIVATE: dict[str, Any] = {"private": True}
LINK = "https://discord.com/channels/10/100/1000"


async def long_job(post: Post, *, seconds: float = 61, **options: Any) -> int:
    """A job that is ready this long after its command."""
    job_id = await post.ready(**options)
    post.clock.advance(seconds)
    return job_id


async def state(post: Post, job_id: int) -> NotificationState | None:
    return (await post.job(job_id)).notification


@pytest.mark.parametrize(
    ("wanted", "job", "expected"),
    [
        (Notify.NEVER, {}, []),
        (Notify.NEVER, PRIVATE, []),
        (Notify.CHANNEL, {}, [CHANNEL, FOLLOW_UP]),
        (Notify.CHANNEL, PRIVATE, [FOLLOW_UP]),
        # Where the bot is not a member, only the interaction's token can do anything.
        (Notify.CHANNEL, {"bot_present": False}, [FOLLOW_UP]),
        (Notify.DM, {}, [BY_DM, FOLLOW_UP]),
        (Notify.DM, PRIVATE, [BY_DM, FOLLOW_UP]),
    ],
)
def test_the_ways_follow_the_setting(wanted: Notify, job: dict[str, Any], expected: list[NotificationState]) -> None:
    assert list(ways(views.job(**job), wanted, token="aToken")) == expected
    without = [way for way in expected if way is not FOLLOW_UP]
    assert list(ways(views.job(**job), wanted, token=None)) == without
    also = list(ways(views.job(**job), wanted, token=None, also_by_dm=True))
    assert also == (without if wanted is not Notify.CHANNEL else [*without, BY_DM])


@pytest.mark.parametrize("images", [1, 3])
async def test_the_author_is_notified_in_the_channel(post: Post, images: int) -> None:
    job_id = await long_job(post, images=images)
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["token", "tell"]
    _, told = post.discord.taken
    assert not told.uploads
    assert told.says == str(READY(count=images, user=ADA.user_id, url=LINK))
    job = await post.job(job_id)
    assert job.notification is CHANNEL
    assert (job.notification_channel_id, job.notification_message_id) == (100, 4000)


async def test_a_quick_job_needs_no_notification(post: Post) -> None:
    job_id = await long_job(post, seconds=30)
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["token"]
    assert await state(post, job_id) is None


async def test_a_new_message_needs_no_notification(post: Post) -> None:
    job_id = await long_job(post)
    post.discord.enqueue("token", refused(401, 50027))
    post.discord.enqueue("bot", refused(400, 1))
    await post.delivery.deliver(job_id)
    assert "post" in sent_ways(post)
    assert "tell" not in sent_ways(post)
    assert await state(post, job_id) is None


async def test_a_private_job_is_announced_only_to_its_author(post: Post) -> None:
    job_id = await long_job(post, **PRIVATE)
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["token", "follow up"]
    assert post.discord.taken[-1].says == str(READY_PRIVATELY(count=1, user=ADA.user_id, channel=100))
    assert await state(post, job_id) is FOLLOW_UP


@pytest.mark.parametrize(("options", "text"), [({}, READY), (PRIVATE, READY_PRIVATELY)])
async def test_a_setting_asks_for_a_direct_message(post: Post, options: dict[str, Any], text: Message) -> None:
    await post.personal.set(ADA.user_id, {"notify": Notify.DM})
    await post.delivery.deliver(await long_job(post, **options))
    assert sent_ways(post) == ["token", "tell by dm"]
    assert shows(post.discord.taken[1].says, text)


async def test_a_setting_turns_notifications_off(post: Post) -> None:
    await post.personal.set(ADA.user_id, {"notify": Notify.NEVER})
    job_id = await long_job(post)
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["token"]
    assert await state(post, job_id) is None


@pytest.mark.parametrize(("options", "text"), [({}, NOT_MADE), (PRIVATE, NOT_MADE_PRIVATELY)])
async def test_the_author_is_notified_of_a_failure(post: Post, options: dict[str, Any], text: Message) -> None:
    post.provider.enqueue("submit", Refused(said="The words were refused."))
    await post.delivery.deliver(await long_job(post, **options))
    assert shows(post.discord.taken[-1].says, text)


@pytest.mark.parametrize("status", [403, 404])
async def test_where_the_bot_may_not_write_only_the_author_sees_it(post: Post, status: int) -> None:
    post.discord.enqueue("tell", refused(status, 50013 if status == 403 else 10003))
    job_id = await long_job(post)
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["token", "follow up"]
    assert await state(post, job_id) is FOLLOW_UP


async def test_without_a_token_a_refused_notification_is_given_up(post: Post) -> None:
    post.discord.enqueue("tell", refused(403, 50013))
    job_id = await long_job(post, seconds=3600)
    await post.jobs.token_over(await post.job(job_id))
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["bot"]
    job = await post.job(job_id)
    assert (job.status, job.notification) == (JobStatus.DELIVERED, None)


@pytest.mark.parametrize("failure", [refused(503), aiohttp.ClientOSError(), TimeoutError()])
async def test_a_notification_that_may_have_been_sent_is_not_repeated(post: Post, failure: Exception) -> None:
    post.discord.enqueue("tell", failure)
    job_id = await long_job(post)
    await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token", "tell"]
    job = await post.job(job_id)
    assert (job.status, job.notification) == (JobStatus.DELIVERED, CHANNEL)
    await post.delivery.notify_all(await post.notifier.take_up())
    assert post.discord.tried == ["token", "tell"]


async def test_a_failed_delivery_notifies_once_it_has_succeeded(post: Post) -> None:
    post.discord.enqueue("token", refused(503))
    job_id = await long_job(post)
    with pytest.raises(Undelivered):
        await post.delivery.deliver(job_id)
    assert post.discord.tried == ["token"]
    await post.delivery.deliver(job_id)
    assert sent_ways(post) == ["token", "tell"]


# --- restarts and deletions ---------------------------------------------------------------------------------------


async def killed_before_it_was_begun(post: Post, monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    """A delivered job whose notification is due. The process ended before it began to send it."""

    async def killed(*_: object, **__: object) -> None:
        """Do nothing any more."""

    job_id = await long_job(post, **options)
    with monkeypatch.context() as patch:
        patch.setattr(post.notifier, "notify", killed)
        await post.delivery.deliver(job_id)
    assert await state(post, job_id) is DUE
    return job_id


async def test_a_kill_after_the_delivery_does_not_lose_the_notification(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await killed_before_it_was_begun(post, monkeypatch)
    left = await post.notifier.take_up()
    assert left == [job_id]
    # Two tasks cannot both send it.
    await asyncio.gather(post.delivery.notify_all(left), post.delivery.notify_all(left))
    assert sent_ways(post) == ["token", "tell"]
    assert await post.notifier.take_up() == []


async def test_a_restart_much_later_notifies_nobody(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await killed_before_it_was_begun(post, monkeypatch)
    post.clock.advance(11 * 60)
    assert await post.notifier.take_up() == []
    assert await state(post, job_id) is None


async def test_a_private_notification_is_not_sent_after_a_restart(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token was erased with the delivery."""
    job_id = await killed_before_it_was_begun(post, monkeypatch, **PRIVATE)
    await post.delivery.notify_all(await post.notifier.take_up())
    assert sent_ways(post) == ["token"]
    assert await state(post, job_id) is None


async def test_a_kill_while_it_is_sent_does_not_repeat_it(post: Post) -> None:
    sending = asyncio.Event()
    post.discord.enqueue("tell", sending)
    job_id = await long_job(post)
    delivering = asyncio.create_task(post.delivery.deliver(job_id))
    while "tell" not in post.discord.tried:
        await asyncio.sleep(0)
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    assert await state(post, job_id) is CHANNEL
    assert await post.notifier.take_up() == []


async def test_the_result_can_be_used_while_the_notification_is_sent(post: Post) -> None:
    sending = asyncio.Event()
    post.discord.enqueue("tell", sending)
    job_id = await long_job(post)
    delivering = asyncio.create_task(post.delivery.deliver(job_id))
    while "tell" not in post.discord.tried:
        await asyncio.sleep(0)
    assert not post.delivery.busy_with(job_id)
    sending.set()
    await delivering


async def test_a_job_that_is_deleted_meanwhile_leaves_no_message(post: Post) -> None:
    sending = asyncio.Event()
    post.discord.enqueue("tell", sending)
    job_id = await long_job(post)
    delivering = asyncio.create_task(post.delivery.deliver(job_id))
    while "tell" not in post.discord.tried:
        await asyncio.sleep(0)
    await post.jobs.delete(job_id)
    sending.set()
    await delivering
    assert post.discord.deleted == [4000]


async def test_a_deleted_job_is_not_announced(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await killed_before_it_was_begun(post, monkeypatch)
    await post.jobs.delete(job_id)
    await post.delivery.notify_all([job_id])
    assert sent_ways(post) == ["token"]
