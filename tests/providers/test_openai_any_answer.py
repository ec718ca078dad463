"""For any answer of an OpenAI-compatible service, the provider returns a result or raises an error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.providers.answers import Answer
from bot.providers.base import Finished, Handle, Waiting
from bot.providers.errors import OutcomeUnknown, ProviderError, Refused
from bot.providers.fetching import Downloads
from bot.providers.http import Hear, Service
from bot.providers.openai_images import OpenaiImages
from bot.providers.openai_models import Model, Rates
from tests.providers.test_any_answer import anything, outcome, scalars, statuses
from tests.providers.workbench import asked

pytestmark = pytest.mark.slow

HANDLE: Handle = {"ticket": "easel-1", "seed": 1}
PIXELS = "iVBORw0KGgo="
CODES = ["moderation_blocked", "insufficient_quota", "rate_limit_exceeded", "model_not_found", "invalid_api_key"]
ENGINE = "openai/gpt-image-1"

usage = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": scalars,
        "output_tokens": scalars,
        "input_tokens_details": anything
        | st.fixed_dictionaries({}, optional=dict.fromkeys(("text_tokens", "image_tokens"), scalars)),
    },
)
image = st.fixed_dictionaries(
    {},
    optional={
        "b64_json": st.sampled_from([PIXELS, f"data:image/png;base64,{PIXELS}"]) | scalars,
        "url": st.sampled_from(["http://images.invalid/1.png", "data:,x"]) | scalars,
        "usage": usage | scalars,
        "type": st.sampled_from(["error", "image_generation.completed", "image_generation.partial_image"]) | scalars,
    },
)
made = st.fixed_dictionaries({"data": st.lists(image | scalars, max_size=4)}, optional={"usage": usage | scalars})
failure = st.fixed_dictionaries(
    {},
    optional={
        "error": anything
        | st.fixed_dictionaries(
            {}, optional={"code": st.sampled_from(CODES) | scalars, "type": scalars, "message": anything}
        ),
        "message": anything,
    },
)
models = st.fixed_dictionaries({"data": st.lists(st.fixed_dictionaries({}, optional={"id": scalars}), max_size=4)})
objects = anything | made | failure | models | image
bodies = st.binary(max_size=40) | objects.map(lambda value: json.dumps(value).encode())
events = st.lists(
    st.tuples(st.sampled_from(["", "error", "image_edit.completed", "image_generation.partial_image"]), bodies),
    max_size=4,
).map(lambda parts: b"".join(f"event: {name}\n".encode() + b"data: " + data + b"\n\n" for name, data in parts))


class Same(Service):
    """A service that gives the same answer to everything, as a stream if ``streams``."""

    def __init__(self, status: int, body: bytes, *, streams: bool = False) -> None:
        super().__init__("Painter", "http://painter.invalid")
        self._answer = Answer(status, {"Content-Type": "application/json"}, b"" if streams else body, "GET /x")
        self._stream = body if streams else None

    async def call(self, *args: Any, hear: Hear | None = None, **kwargs: Any) -> Answer:
        if self._stream is not None and hear is not None:
            hear(self._stream)
        return self._answer


def provider_of(service: Service, *, charges: bool) -> OpenaiImages:
    rates = Rates(500_000, 1_000_000, 4_000_000) if charges else None
    model = Model("gpt-image-1", prices={None: 4_200 if charges else 0}, rates=rates)
    return OpenaiImages(service, Downloads(service), models=(model,))


async def check_submit(provider: OpenaiImages) -> None:
    result = await outcome(provider.submit(dict(HANDLE), asked(ENGINE)))
    assert isinstance(result, Finished | ProviderError)
    if isinstance(result, Finished):
        assert len(result.images) == 1
        assert all(bool(each.data) != bool(each.url) for each in result.images)
        assert 0 <= result.cost.millicredits < 2**53
        assert provider.charges or result.cost.millicredits == 0


@given(status=statuses, body=bodies, charges=st.booleans())
@example(status=200, body=json.dumps({"data": [{"b64_json": PIXELS}]}).encode(), charges=True)
@example(status=500, body=b'{"error": {"message": {"a": "out of memory"}}}', charges=False)
async def test_any_answer(status: int, body: bytes, charges: bool) -> None:
    service = Same(status, body)
    provider = provider_of(service, charges=charges)
    await check_submit(provider)
    assert await outcome(provider.progress(dict(HANDLE))) == Waiting()
    assert isinstance(await provider.check(), ProviderError | None)
    asking = OpenaiImages(service, Downloads(service))
    learnt = await outcome(asking.learn())
    assert not isinstance(learnt, OutcomeUnknown)
    assert len({engine.id for engine in asking.engines}) == len(asking.engines)
    await provider.close()


@given(body=events | st.binary(max_size=40), charges=st.booleans())
async def test_any_stream(body: bytes, charges: bool) -> None:
    provider = provider_of(Same(200, body, streams=True), charges=charges)
    await check_submit(provider)
    await provider.close()


@given(status=st.integers(500, 599), body=bodies)
async def test_a_failure_of_a_service_that_charges_is_only_free_by_its_code(status: int, body: bytes) -> None:
    provider = provider_of(Same(status, body), charges=True)
    problem = await outcome(provider.submit(dict(HANDLE), asked(ENGINE)))
    if isinstance(problem, Refused):
        assert any(code.encode() in body for code in CODES)
    await provider.close()


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"data":' * 50_000, b"9" * 100_000, b"\x00" * 1_000_000], ids=range(4)
)
async def test_bodies_that_try_to_exhaust_the_decoder(body: bytes) -> None:
    for service in (Same(200, body), Same(200, b"event: x.completed\ndata: " + body + b"\n\n", streams=True)):
        provider = provider_of(service, charges=True)
        assert isinstance(await outcome(provider.submit(dict(HANDLE), asked(ENGINE))), OutcomeUnknown)
        await provider.close()
