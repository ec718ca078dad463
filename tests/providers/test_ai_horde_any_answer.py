"""For any answer of the AI Horde, the adapter returns a result or raises an error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.providers.ai_horde import AiHorde
from bot.providers.ai_horde_engines import MOST_ENGINES
from bot.providers.answers import Answer
from bot.providers.base import Failed, Finished, Gone, Handle, Waiting
from bot.providers.engine_ids import id_parts
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from tests.providers.ai_horde_workbench import DELIBERATE
from tests.providers.test_any_answer import anything, outcome, scalars, statuses
from tests.providers.workbench import asked

pytestmark = pytest.mark.slow

HANDLE: Handle = {"model": "Deliberate", "images": 2, "id": "00000000-0000-4000-8000-000000000000"}
ALCHEMY: Handle = {"form": "GFPGAN", "id": "00000000-0000-4000-8000-000000000000"}
CODES = st.sampled_from(["CorruptPrompt", "MaintenanceMode", "TimeoutIP", "RequestNotFound", "KudosUpfront", "x", ""])

metadata = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["censorship", "batch_index"]) | scalars, "value": scalars, "ref": scalars}
)
generation = st.fixed_dictionaries(
    {},
    optional={
        "img": st.sampled_from(["https://x.example/1.webp", "UklGRg==", "N/A", "http://["]) | scalars,
        "seed": scalars,
        "censored": scalars,
        "state": st.just("ok") | scalars,
        "gen_metadata": st.lists(metadata | scalars, max_size=3) | scalars,
    },
)
NUMBERS = ("finished", "processing", "restarted", "waiting", "wait_time", "queue_position", "kudos")
state = st.fixed_dictionaries(
    {"done": st.booleans() | scalars, "faulted": st.booleans() | scalars},
    optional={
        **dict.fromkeys(NUMBERS, scalars),
        "is_possible": scalars,
        "generations": st.lists(generation | scalars, max_size=4) | anything,
    },
)
accepted = st.fixed_dictionaries(
    {"id": st.just("1") | scalars},
    optional={
        "kudos": scalars,
        "warnings": st.lists(st.fixed_dictionaries({"code": scalars}) | scalars, max_size=3) | anything,
    },
)
failure = st.fixed_dictionaries({}, optional={"rc": CODES | scalars, "message": anything, "errors": anything})
models = st.lists(
    st.fixed_dictionaries({}, optional={"name": scalars, "count": scalars, "eta": scalars}) | scalars, max_size=4
)
form = st.fixed_dictionaries(
    {},
    optional={
        "form": st.just("GFPGAN") | scalars,
        "state": st.sampled_from(["waiting", "processing", "done", "faulted", "cancelled"]) | scalars,
        "result": st.dictionaries(
            st.just("GFPGAN"), st.sampled_from(["https://x.example/1.webp", "UklGRg==", "R2"]) | scalars
        )
        | anything,
    },
)
alchemy = st.fixed_dictionaries({"forms": st.lists(form | scalars, max_size=3) | anything})
worker = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["image", "interrogation"]) | scalars,
        "online": scalars,
        "maintenance_mode": scalars,
        "controlnet": scalars,
        "models": st.lists(scalars, max_size=2) | anything,
        "forms": st.lists(st.just("GFPGAN") | scalars, max_size=2) | anything,
    },
)
workers = st.lists(worker | scalars, max_size=3)
bodies = st.binary(max_size=40) | (anything | state | accepted | failure | models | alchemy | workers).map(
    lambda value: json.dumps(value).encode()
)


class Horde(Service):
    """A service with one model that gives the same answer to everything else."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("AI Horde", "http://horde.invalid")
        listed = json.dumps([{"name": "Deliberate", "count": 3}]).encode()
        self.answer = Answer(200, {}, listed)
        self.later = Answer(status, {"Content-Type": "application/json"}, body, "GET /x")

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        return self.answer


async def provider_for(status: int, body: bytes) -> AiHorde:
    service = Horde(status, body)
    provider = AiHorde(service, Downloads(service))
    await provider.learn()
    service.answer = service.later
    return provider


def check_result(result: object) -> None:
    assert isinstance(result, Finished | Failed | Waiting | Gone | ProviderError)
    assert not isinstance(result, OutcomeUnknown)
    if isinstance(result, Finished):
        assert 1 <= len(result.images) <= 20
        assert any(not image.filtered for image in result.images)
        for image in result.images:
            assert image.filtered == (image.url is None and image.data is None)
            assert image.seed is None or 0 <= image.seed < 2**63
    elif isinstance(result, Waiting):
        assert result.percent is None or 0 <= result.percent <= 100
        assert result.place is None or result.place >= 1
        assert result.seconds_left is None or result.seconds_left > 0


@given(status=statuses, body=bodies)
@example(status=200, body=json.dumps({"done": True, "finished": 1, "generations": [{"img": "UklGRg=="}]}).encode())
@example(status=200, body=json.dumps({"done": True, "faulted": True, "finished": -1}).encode())
@example(status=400, body=json.dumps({"rc": "CorruptPrompt", "message": ["x"]}).encode())
async def test_any_answer(status: int, body: bytes) -> None:
    provider = await provider_for(status, body)
    request = asked(DELIBERATE, images=2)
    sent = await outcome(provider.submit(dict(HANDLE), request))
    assert isinstance(sent, dict | ProviderError)
    check_result(await outcome(provider.poll(dict(HANDLE), request)))
    problem = await outcome(provider.cancel(dict(HANDLE)))
    assert problem is True or isinstance(problem, ProviderError)
    check_result(await outcome(provider.poll(dict(HANDLE), request)))
    assert isinstance(await provider.check(), ProviderError | None)
    before = provider.engines
    learnt = await outcome(provider.learn())
    assert provider.engines == (before if isinstance(learnt, ProviderError) else learnt)
    assert len({engine.id for engine in provider.engines}) == len(provider.engines) <= MOST_ENGINES
    await provider.close()


@given(status=statuses, body=bodies)
@example(status=200, body=json.dumps({"forms": [{"form": "GFPGAN", "state": "done", "result": {}}]}).encode())
async def test_any_answer_about_an_alchemist(status: int, body: bytes) -> None:
    provider = await provider_for(status, body)
    for _ in range(2):
        check_result(await outcome(provider.poll(dict(ALCHEMY), None)))
        problem = await outcome(provider.cancel(dict(ALCHEMY)))
        assert problem is True or isinstance(problem, ProviderError)
    await provider.close()


@given(body=bodies)
async def test_any_list_of_workers(body: bytes) -> None:
    service = Horde(200, body)
    provider = AiHorde(service, Downloads(service))
    await provider.learn()
    service.answer = service.later
    await provider._learn_workers()
    assert all(engine.workers for engine in provider._alchemists.engines("ai-horde"))
    await provider.close()


@given(st.lists(st.text(max_size=120), max_size=6), st.lists(st.text(max_size=120), max_size=6))
async def test_ids_are_safe_unique_and_stable(first: list[str], second: list[str]) -> None:
    found = id_parts(first, {})
    later = id_parts(second, found)
    assert later.items() >= found.items()
    assert len({one.lower() for one in later.values()}) == len(later)
    for one in later.values():
        assert 0 < len(one) <= 60
        assert not set(one) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"done":' * 50_000, b"9" * 100_000, b"\x00" * 1_000_000], ids=range(4)
)
async def test_bodies_that_try_to_exhaust_the_decoder(body: bytes) -> None:
    provider = await provider_for(200, body)
    problem = await outcome(provider.poll(dict(HANDLE), asked(DELIBERATE)))
    assert isinstance(problem, ProviderError)
    assert problem.reason is Reason.UNREADABLE_ANSWER
    await provider.close()
