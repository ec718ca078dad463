"""The queue is read separately for each provider and fairly by person, however many submissions wait elsewhere."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.requests import encode_request
from bot.jobs import queue
from storage import ledger
from storage import submissions as rows
from storage.records import SubmissionStatus
from tests.doubles.provider import ScriptedProvider
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop
from tests.storage.rows import add_job

AT_ONCE = 20


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "READ_AT_ONCE", AT_ONCE)


async def crowd(workshop: Workshop, provider: str, users: list[int]) -> list[int]:
    """Queue submissions of these people, in this order; return the jobs' ids."""
    plan = workshop.service.check(ADA, ImagineOptions(prompt="a lighthouse", engine=f"{provider}/brush"))
    (request,) = plan.requests
    options, now, ids = plan.options.to_json(), workshop.clock.now(), []
    async with workshop.database.write() as tx:
        for user_id in users:
            job_id = await add_job(tx, user_id=user_id, server_id=10, options=options, at=now)
            asked = rows.Asked(request.engine, provider, encode_request(request))
            (id_,) = await rows.add_submissions(tx, job_id, [asked], user_id=user_id, at=now)
            hold = ledger.Hold(id_, request.engine, 5000)
            await ledger.hold(tx, hold, user_id=user_id, server_id=10, at=now)
            ids.append(job_id)
    return ids


async def blocked(make_workshop: MakeWorkshop) -> tuple[Workshop, ScriptedProvider, asyncio.Event]:
    """Two providers that make one image at a time; the first one's image arrives when the event is set."""
    busy, idle = (ScriptedProvider(polled=False, name=name) for name in ("busy", "idle"))
    busy.jobs = idle.jobs = 1
    gate = asyncio.Event()
    busy.enqueue("submit", gate)
    return await make_workshop(busy, idle), busy, gate


@pytest.mark.slow
async def test_a_backlog_at_one_provider_does_not_delay_others(make_workshop: MakeWorkshop) -> None:
    workshop, busy, gate = await blocked(make_workshop)
    jobs = await crowd(workshop, "busy", list(range(100, 103)) * AT_ONCE)
    await workshop.start()
    await busy.called("submit")
    other = await workshop.imagine(BEN, engine="idle/brush")
    for _ in range(2000):
        if workshop.delivered:
            break
        await asyncio.sleep(0.002)
    assert workshop.delivered == [other]
    gate.set()
    await workshop.finish()
    assert len(workshop.delivered) == len(jobs) + 1


@pytest.mark.slow
async def test_one_persons_backlog_does_not_delay_others(make_workshop: MakeWorkshop) -> None:
    workshop, busy, gate = await blocked(make_workshop)
    await crowd(workshop, "busy", [ADA.user_id] * 3 * AT_ONCE)
    (other,) = await crowd(workshop, "busy", [BEN.user_id])
    await workshop.start()
    await busy.called("submit")
    gate.set()
    await workshop.finish()
    assert workshop.delivered.index(other) <= 1


async def test_the_position_in_the_queue_is_per_provider(make_workshop: MakeWorkshop) -> None:
    workshop, busy, gate = await blocked(make_workshop)
    idle = workshop.providers["idle"]
    assert isinstance(idle, ScriptedProvider)
    other_gate = asyncio.Event()
    idle.enqueue("submit", other_gate)
    await crowd(workshop, "busy", [100, 101, 102])
    _, waiting = await crowd(workshop, "idle", [103, 104])
    await workshop.start()
    await busy.called("submit")
    await idle.called("submit")
    await workshop.changed(waiting)
    assert workshop.worker.progress(waiting)[0].queue_position == 1
    gate.set()
    other_gate.set()
    await workshop.finish()


@pytest.mark.slow
async def test_a_long_queue_is_read_again_when_half_of_the_batch_is_done(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop, _, gate = await blocked(make_workshop)
    gate.set()
    jobs = await crowd(workshop, "busy", [100 + number for number in range(4 * AT_ONCE)])
    reads: Counter[str] = Counter()
    real = rows.queued

    async def queued(*given: object, **named: object) -> object:
        reads["queue"] += 1
        return await real(*given, **named)  # type: ignore[arg-type]  # what it is called with

    monkeypatch.setattr(rows, "queued", queued)
    await workshop.finish()
    assert sorted(workshop.delivered) == jobs
    assert reads["queue"] <= 10


async def test_each_persons_first_submission_at_a_provider_comes_first(workshop: Workshop) -> None:
    first = await crowd(workshop, "scripted", [1, 1, 1, 2, 3])
    async with workshop.database.read() as connection:
        found = await rows.queued(connection, due=(), limit=3)
    assert [submission.job_id for submission in found] == [first[0], first[3], first[4]]
    assert {submission.status for submission in found} == {SubmissionStatus.QUEUED}
