"""For any answer of a service, the adapters return a result or raise an error of ours, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.providers.ai_client import AiClient
from bot.providers.ai_client_versions import dalle_version, midjourney_version, stable_diffusion
from bot.providers.aithriving import Aithriving
from bot.providers.answers import Answer
from bot.providers.base import Failed, Finished, Gone, ImageRequest, Provider, Waiting
from bot.providers.credentials import Credentials
from bot.providers.errors import OutcomeUnknown, ProviderError
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.providers.operations import Operation, PictureFile, Pictures, Size
from tests.providers.workbench import BASIC, CORE, DALLE_ENGINE, MIDJOURNEY_ENGINE, SECRET, XL, asked

pytestmark = pytest.mark.slow

NAMES = (
    "code data message error errors detail image seed finish_reason guid type content waiting_response credits percent"
    " state images url thumbnail_url dimensions filesize request response"
).split()
WORDS = [
    "",
    "None",
    "processing",
    "completed",
    "failed",
    "melted",
    "request",
    "response",
    "0",
    "-1",
    "1024x1024",
    "x",
    "../..",
    "iVBORw0KGgo=",
    "http://[",
    "\ud83d",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**400, 1e308, -0.0, float("nan"), float("inf")])
    | st.sampled_from(WORDS)
    | st.text(max_size=12)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)
entry = st.fixed_dictionaries(
    {"type": st.sampled_from(["request", "response"])},
    optional={
        "guid": scalars,
        "error": anything,
        "content": anything,
        "waiting_response": scalars,
        "credits": scalars,
        "percent": scalars,
    },
)
thread = st.lists(entry, max_size=5) | st.fixed_dictionaries({"data": st.lists(entry, max_size=5)})
reply = st.fixed_dictionaries(
    {"code": st.sampled_from([0, "0", -1]) | scalars},
    optional={
        "message": anything,
        "data": st.fixed_dictionaries(
            {"image": st.sampled_from(["iVBORw0KGgo=", "data:image/png;base64,iVBO\nRw==", "*"]) | anything},
            optional={"seed": scalars, "finish_reason": scalars},
        )
        | anything,
    },
)
statuses = st.sampled_from([200, 200, 200, 200, 200, 200, 201, 204, 302, 400, 401, 404, 422, 429, 500, 503, 599])
bodies = st.binary(max_size=40) | (anything | thread | reply).map(lambda value: json.dumps(value).encode())


class Told(Service):
    """A service with a prepared response."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("Painter", "http://painter.invalid", credentials=Credentials.key(SECRET))
        self.answer = Answer(status, {"Content-Type": "application/json", "Retry-After": "soon"}, body, "GET /x")

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        return self.answer


def is_fit_to_show(text: str) -> bool:
    ends = not text or text.endswith((".", "!", "?", "…"))
    return text.isprintable() and SECRET not in text and ends and len(text) < 600


async def outcome(call: Any) -> object:
    try:
        return await call
    except ProviderError as error:
        raised = error
    assert is_fit_to_show(raised.said), raised.said
    assert raised.detail.isprintable()
    return raised


TWO_SENT = [{"type": "request"}, {"type": "request"}, *({"type": "response", "content": [f"{n}"]} for n in range(4))]


@given(status=statuses, body=bodies, engine=st.sampled_from([XL, MIDJOURNEY_ENGINE, DALLE_ENGINE]))
@example(status=200, body=json.dumps(TWO_SENT).encode(), engine=XL)
async def test_ai_client(status: int, body: bytes, engine: str) -> None:
    service = Told(status, body)
    versions = (stable_diffusion(), midjourney_version(), dalle_version())
    provider = AiClient(service, Downloads(service), versions=versions)
    request = asked(engine)
    prepared = await outcome(provider.prepare(request))
    assert isinstance(prepared, dict | ProviderError)
    assert not isinstance(prepared, OutcomeUnknown)
    assert isinstance(await outcome(provider.submit({"thread": "x"}, request)), dict | ProviderError)
    found = await outcome(provider.find({"thread": "x"}))
    assert found is None or isinstance(found, dict | ProviderError)
    json.dumps(found if isinstance(found, dict) else None)
    polled = await outcome(provider.poll({"thread": "x", "images": 2}, request))
    assert isinstance(polled, Waiting | Finished | Failed | Gone | ProviderError)
    assert not isinstance(polled, OutcomeUnknown)
    if isinstance(polled, Failed):
        assert is_fit_to_show(polled.said), polled.said
    if isinstance(polled, Finished):
        assert 1 <= len(polled.images) <= 2
        assert 0 <= polled.cost.millicredits < 2**63
    if isinstance(polled, Waiting) and polled.percent is not None:
        assert 0 <= polled.percent <= 100


PICTURE = PictureFile(Path("picture.png"), "image/png", Size(64, 64), 100)
REQUESTS = [
    asked(BASIC),
    asked(CORE),
    asked("aithriving/sd3-large"),
    asked("aithriving/sd3-large", operation=Operation.IMAGE_TO_IMAGE),
    asked("aithriving/edit", operation=Operation.ERASE),
]


@given(status=statuses, body=bodies, request=st.sampled_from(REQUESTS))
async def test_aithriving(status: int, body: bytes, request: ImageRequest) -> None:
    result = await outcome(Aithriving(Told(status, body)).submit({}, request, Pictures(PICTURE, PICTURE)))
    assert isinstance(result, Finished | ProviderError)
    if isinstance(result, Finished):
        assert result.images[0].data


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"data":' * 50_000, b"9" * 100_000, b"\x00" * 1_000_000], ids=range(4)
)
@pytest.mark.parametrize("make", [lambda s: AiClient(s, Downloads(s)), Aithriving], ids=["ai-client", "aithriving"])
async def test_bodies_that_try_to_exhaust_the_decoder(make: Any, body: bytes) -> None:
    provider: Provider = make(Told(200, body))
    assert isinstance(await outcome(provider.submit({"thread": "x"}, asked(provider.engines[0].id))), OutcomeUnknown)
