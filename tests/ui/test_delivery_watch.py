"""Reports after the delivery of a job: once, after a successful attempt, and never at the cost of the delivery."""

from __future__ import annotations

from gettext import NullTranslations

import pytest

from bot.errors import Undelivered
from bot.text import reading_in, t
from bot.ui.delivery.notifier import WATCHED_AT_MOST, DeliveryWatch


class Delivery:
    """Delivers; fails as often as ``failures`` says."""

    def __init__(self) -> None:
        self.failures = 0
        self.reported: list[int] = []
        self.watch = DeliveryWatch(self.deliver)

    async def deliver(self, job_id: int) -> None:
        if self.failures:
            self.failures -= 1
            raise Undelivered("not now")

    def add(self, job_id: int) -> None:
        async def report() -> None:
            self.reported.append(job_id)

        self.watch.add(job_id, report)


class Loud(NullTranslations):
    def gettext(self, message: str) -> str:
        return message.upper()


async def test_only_a_watched_job_is_reported_and_only_once() -> None:
    delivery = Delivery()
    delivery.add(1)
    for job_id in (2, 1, 1):
        await delivery.watch.deliver(job_id)
    assert delivery.reported == [1]


async def test_a_report_waits_for_the_attempt_that_works() -> None:
    delivery = Delivery()
    delivery.failures = 1
    delivery.add(1)
    with pytest.raises(Undelivered):
        await delivery.watch.deliver(1)
    assert delivery.reported == []
    await delivery.watch.deliver(1)
    assert delivery.reported == [1]


async def test_a_report_that_fails_is_logged_and_the_job_stays_delivered(caplog: pytest.LogCaptureFixture) -> None:
    delivery = Delivery()

    async def fails() -> None:
        raise RuntimeError("the message is gone")

    delivery.watch.add(1, fails)
    await delivery.watch.deliver(1)
    assert "delivery.not_reported" in caplog.text


async def test_the_number_of_watched_jobs_is_bounded() -> None:
    delivery = Delivery()
    for job_id in range(WATCHED_AT_MOST + 1):
        delivery.add(job_id)
    for job_id in (0, 1):
        await delivery.watch.deliver(job_id)
    assert delivery.reported == [1]


async def test_a_report_is_written_in_the_language_of_the_person() -> None:
    delivery, words = Delivery(), list[str]()

    async def report() -> None:
        words.append(str(t("a word")))

    with reading_in(Loud()):
        delivery.watch.add(1, report)
    await delivery.watch.deliver(1)
    assert words == ["A WORD"]
    assert str(t("a word")) == "a word", "the worker's own language is as before"
