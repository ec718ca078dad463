"""When an author is notified, and how far a notification has come."""

from __future__ import annotations

from typing import Any

import pytest

from bot.jobs.notifications import LONG, RECENT, Notifications, is_due
from bot.jobs.store import CANCELLED_SENT
from storage import jobs as rows
from storage.records import DeliveryMethod, JobStatus, NotificationState, SubmissionStatus
from tests.doubles import views
from tests.doubles.views import NOW, image, submission
from tests.jobs.conftest import Workshop

DONE, FAILED, CANCELLED = SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.CANCELLED
UNKNOWN = SubmissionStatus.UNKNOWN
DUE, CHANNEL, FOLLOW_UP = NotificationState.DUE, NotificationState.CHANNEL, NotificationState.FOLLOW_UP
MADE = submission(1, DONE, images=[image(1)])
TOKEN = DeliveryMethod.TOKEN


@pytest.mark.parametrize("by", list(DeliveryMethod))
def test_only_an_edit_of_the_card_needs_a_notification(by: DeliveryMethod) -> None:
    edits = {DeliveryMethod.TOKEN, DeliveryMethod.BOT_EDIT, DeliveryMethod.FOUND_IN_CARD}
    assert is_due(views.view(MADE), by, NOW + LONG + 1) == (by in edits)


def test_a_quick_job_needs_no_notification() -> None:
    assert not is_due(views.view(MADE), TOKEN, NOW + LONG)


@pytest.mark.parametrize(
    ("pressed", "due"), [(None, True), (NOW - 1, True), (NOW, True), (NOW + 1, False), (NOW + 50_000, False)]
)
def test_the_minute_counts_from_the_last_press_that_gave_the_card_a_token(pressed: int | None, due: bool) -> None:
    ends = None if pressed is None else pressed + 900_000
    view = views.view(MADE, of=views.job(JobStatus.READY, token_expires_at=ends))
    assert is_due(view, TOKEN, NOW + LONG + 1) == due


@pytest.mark.parametrize(
    ("ended", "due"),
    [
        ([submission(1, FAILED, told="The words were refused.")], True),
        ([submission(1, UNKNOWN)], True),
        ([submission(1, CANCELLED)], False),
        ([submission(1, UNKNOWN, told=CANCELLED_SENT())], False),
        ([submission(1, FAILED), submission(2, CANCELLED)], False),
        ([MADE, submission(2, CANCELLED)], True),
    ],
)
def test_a_cancelled_job_without_images_needs_no_notification(ended: list[Any], due: bool) -> None:
    assert is_due(views.view(*ended), TOKEN, NOW + LONG + 1) == due


async def delivered(workshop: Workshop, **columns: Any) -> int:
    """A delivered job whose notification is due."""
    job_id = await workshop.imagine()
    await workshop.finish()
    async with workshop.database.write() as tx:
        await rows.update_job(tx, job_id, notification=DUE, **columns)
    return job_id


async def test_only_one_task_begins_each_step(workshop: Workshop) -> None:
    job_id, notifications = await delivered(workshop), Notifications(workshop.database, workshop.clock)
    assert await notifications.move(job_id, DUE, CHANNEL)
    assert not await notifications.move(job_id, DUE, CHANNEL)
    assert await notifications.move(job_id, CHANNEL, FOLLOW_UP)
    assert (await workshop.jobs.job(job_id)).notification is FOLLOW_UP
    assert await notifications.sent(job_id, channel_id=1, message_id=2)
    job = await workshop.jobs.job(job_id)
    assert (job.notification_channel_id, job.notification_message_id) == (1, 2)


async def test_a_deleted_job_is_not_notified_of(workshop: Workshop) -> None:
    job_id, notifications = await delivered(workshop), Notifications(workshop.database, workshop.clock)
    await workshop.jobs.delete(job_id)
    assert not await notifications.move(job_id, DUE, CHANNEL)
    assert not await notifications.sent(job_id, channel_id=1, message_id=2)
    assert await notifications.take_up() == []


async def test_a_restart_takes_up_only_recent_notifications(workshop: Workshop) -> None:
    now = workshop.clock.now()
    old = await delivered(workshop, delivered_at=now - RECENT - 1)
    recent = await delivered(workshop, delivered_at=now - RECENT + 60_000)
    begun = await delivered(workshop, delivered_at=now)
    notifications = Notifications(workshop.database, workshop.clock)
    await notifications.move(begun, DUE, CHANNEL)
    assert [job.id for job in await notifications.take_up()] == [recent]
    assert (await workshop.jobs.job(old)).notification is None
    # A second restart finds it again, until it is begun.
    assert [job.id for job in await notifications.take_up()] == [recent]
