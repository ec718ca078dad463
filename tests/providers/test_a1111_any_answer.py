"""For any answer of an A1111-compatible server, the adapter returns a result or raises an error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.providers.a1111 import A1111
from bot.providers.a1111_answers import read_models
from bot.providers.answers import Answer
from bot.providers.base import Finished, Handle, Waiting
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason
from bot.providers.http import Service
from tests.providers.a1111_workbench import DREAM
from tests.providers.test_any_answer import anything, outcome, scalars, statuses
from tests.providers.workbench import asked

pytestmark = pytest.mark.slow

HANDLE: Handle = {"task": "easel-1", "seed": 1}
MODEL = {"title": "dreamshaper_8.safetensors [879db523c3]", "model_name": "dreamshaper_8"}
PIXELS = "iVBORw0KGgo="

made = st.fixed_dictionaries(
    {"images": st.lists(st.sampled_from([PIXELS, f"data:image/png;base64,{PIXELS}"]) | scalars, max_size=4)},
    optional={
        "info": anything
        | st.fixed_dictionaries(
            {},
            optional={
                "all_seeds": anything,
                "index_of_first_image": scalars,
                "sd_model_name": st.just("dreamshaper_8") | scalars,
                "sd_model_hash": scalars,
            },
        ).map(json.dumps)
    },
)
progress = st.fixed_dictionaries(
    {"active": scalars, "queued": scalars},
    optional={
        "completed": scalars,
        "progress": scalars,
        "eta": scalars,
        "textinfo": st.just("In queue: 2/3") | scalars,
    },
)
models = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("title", "model_name", "hash", "sha256", "filename"), scalars)),
    max_size=4,
)
failure = st.fixed_dictionaries({}, optional=dict.fromkeys(("error", "errors", "detail", "message"), anything))
bodies = st.binary(max_size=40) | (anything | made | progress | models | failure).map(
    lambda value: json.dumps(value).encode()
)


class Server(Service):
    """A server that has one model, and gives the same answer to everything else."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("Painter", "http://painter.invalid")
        self.answer = Answer(200, {}, json.dumps([MODEL]).encode())
        self.later = Answer(status, {"Content-Type": "application/json"}, body, "GET /x")

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        return self.answer


async def provider_for(status: int, body: bytes) -> A1111:
    server = Server(status, body)
    provider = A1111([server])
    await provider.learn()
    assert [engine.id for engine in provider.engines] == [DREAM]
    server.answer = server.later
    return provider


@given(status=statuses, body=bodies)
@example(status=200, body=json.dumps({"images": [PIXELS], "info": "{}"}).encode())
@example(status=500, body=b'{"error": {"a": ["NansException"]}}')
async def test_any_answer(status: int, body: bytes) -> None:
    provider = await provider_for(status, body)
    request = asked(DREAM, images=2)
    result = await outcome(provider.submit(dict(HANDLE), request))
    assert isinstance(result, Finished | ProviderError)
    if isinstance(result, Finished):
        assert 1 <= len(result.images) <= 2
        assert all(image.data and image.seed is not None and 0 <= image.seed < 2**63 for image in result.images)
    waiting = await outcome(provider.progress(dict(HANDLE)))
    assert waiting == Waiting()
    found = await outcome(provider.find(dict(HANDLE)))
    assert found is None or isinstance(found, ProviderError)
    assert not isinstance(found, OutcomeUnknown)
    assert isinstance(await provider.check(), ProviderError | None)
    assert isinstance(await outcome(provider.learn()), tuple) or provider.engines
    assert len({engine.id for engine in provider.engines}) == len(provider.engines)
    await provider.close()


@given(status=statuses, body=progress.map(lambda value: json.dumps(value).encode()))
async def test_any_progress(status: int, body: bytes) -> None:
    provider = await provider_for(status, body)
    server = provider._servers[0]
    server.tells_tasks = True
    told = await outcome(server.progress("easel-1"))
    if isinstance(told, tuple):
        waiting, _ = told
        assert waiting.percent is None or 0 <= waiting.percent <= 100
        assert waiting.place is None or waiting.place >= 1
    await provider.close()


@given(st.lists(st.text(max_size=120), max_size=6))
async def test_ids_of_engines_are_safe_unique_and_stable(names: list[str]) -> None:
    found = read_models([{"title": name} for name in names]) or []
    ids = [each.model for each in found]
    assert len(set(ids)) == len(ids)
    for each in found:
        assert 0 < len(each.model) <= 60
        assert each.model.isascii()
        assert not set(each.model) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
        assert read_models([{"title": each.title}]) == [each]


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"images":' * 50_000, b"9" * 100_000, b"\x00" * 1_000_000], ids=range(4)
)
async def test_bodies_that_try_to_exhaust_the_decoder(body: bytes) -> None:
    provider = await provider_for(200, body)
    problem = await outcome(provider.submit(dict(HANDLE), asked(DREAM)))
    assert isinstance(problem, OutcomeUnknown)
    assert problem.reason is Reason.UNREADABLE_ANSWER
    await provider.close()
