"""The stand-in of OpenAI's images, by plain HTTP: what it accepts, streams and charges, and what its imitators do."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from fakes.services import Fate, Fault, StandIn
from fakes.services.openai_contract import PROMPT_LIMIT
from fakes.services.openai_faults import ChangedStream, CutStream, FailedStream, refused
from fakes.services.openai_images import SD_CPP_MODEL, SD_CPP_SEED, Kind
from fakes.services.pictures import painted
from tests.fakes.service_calls import picture

BEARER = {"Authorization": "Bearer a-key"}
WANTED = {"model": "gpt-image-1", "prompt": "a lighthouse", "size": "1024x1024", "quality": "low"}


async def generate(
    http: aiohttp.ClientSession, stand_in: StandIn, headers: dict[str, str] = BEARER, **changes: Any
) -> tuple[int, Any]:
    body = {name: value for name, value in (WANTED | changes).items() if value is not None}
    url = f"{stand_in.url}/openai/v1/images/generations"
    async with http.post(url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def edit(
    http: aiohttp.ClientSession, stand_in: StandIn, files: dict[str, bytes], **changes: str
) -> tuple[int, Any]:
    form = aiohttp.FormData(WANTED | changes)
    for name, data in files.items():
        form.add_field(name, data, filename="picture.png", content_type="image/png")
    url = f"{stand_in.url}/openai/v1/images/edits"
    async with http.post(url, data=form, headers=BEARER) as response:
        return response.status, await response.json()


async def streamed(http: aiohttp.ClientSession, stand_in: StandIn, **changes: Any) -> list[dict[str, Any]]:
    url = f"{stand_in.url}/openai/v1/images/generations"
    async with http.post(url, json=WANTED | {"stream": True} | changes, headers=BEARER) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        parts = (await response.text()).split("\n\n")[:-1]
    events = [part.partition("\ndata: ") for part in parts]
    assert all(json.loads(data)["type"] == name.removeprefix("event: ") for name, _, data in events)
    return [json.loads(data) for _, _, data in events]


def size_of(item: Any) -> tuple[int, int]:
    with Image.open(BytesIO(b64decode(item["b64_json"]))) as opened:
        return opened.size


def mask(*, left: int, width: int = 1024) -> bytes:
    """A mask whose left part has this transparency."""
    drawn = Image.new("RGBA", (width, 1024), "black")
    drawn.paste((0, 0, 0, left), (0, 0, width // 2, 1024))
    out = BytesIO()
    drawn.save(out, "PNG")
    return out.getvalue()


async def test_images_and_their_tokens(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    status, told = await generate(http, stand_in, n=2, size="1536x1024")
    assert status == 200
    assert [size_of(item) for item in told["data"]] == [(1536, 1024)] * 2
    assert told["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
        "output_tokens": 816,
        "total_tokens": 819,
    }
    (bill,) = stand_in.bills
    assert (bill.provider, bill.images, bill.amount) == ("openai", 2, 3_266)


async def test_the_models(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    async with http.get(f"{stand_in.url}/openai/v1/models", headers=BEARER) as response:
        assert [one["id"] for one in (await response.json())["data"]] == ["gpt-image-1", "gpt-image-1-mini"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"prompt": ""}, 400, None),
        ({"prompt": None}, 400, None),
        ({"prompt": "x" * (PROMPT_LIMIT + 1)}, 400, "string_above_max_length"),
        ({"prompt": "gore"}, 400, "moderation_blocked"),
        ({"model": "gpt-image-9"}, 404, "model_not_found"),
        ({"size": "512x512"}, 400, "invalid_value"),
        ({"size": "wide"}, 400, "invalid_value"),
        ({"quality": "hd"}, 400, "invalid_value"),
        ({"output_format": "gif"}, 400, "invalid_value"),
        ({"background": "transparent", "output_format": "jpeg"}, 400, "invalid_value"),
        ({"response_format": "b64_json"}, 400, "unknown_parameter"),
        ({"n": 11}, 400, "integer_above_max_value"),
        ({"partial_images": 4}, 400, "integer_above_max_value"),
    ],
)
async def test_what_is_refused(
    http: aiohttp.ClientSession, stand_in: StandIn, changes: dict[str, Any], status: int, code: str | None
) -> None:
    found, told = await generate(http, stand_in, **changes)
    assert (found, told["error"]["code"]) == (status, code)
    assert not stand_in.bills


async def test_who_may_use_it(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    assert (await generate(http, stand_in, headers={}))[0] == 401
    stand_in.keys = frozenset({"another"})
    assert (await generate(http, stand_in))[1]["error"]["code"] == "invalid_api_key"
    stand_in.keys = None
    stand_in.openai.verified = False
    assert (await generate(http, stand_in))[0] == 403


async def test_an_empty_account(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.renderings.balance = 1
    status, told = await generate(http, stand_in)
    assert (status, told["error"]["code"]) == (429, "insufficient_quota")


async def test_a_stream(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    *partial, done = await streamed(http, stand_in, partial_images=2)
    assert [(each["type"], each["partial_image_index"]) for each in partial] == [
        ("image_generation.partial_image", index) for index in range(2)
    ]
    assert done["type"] == "image_generation.completed"
    assert size_of(done) == size_of(partial[0]) == (1024, 1024)
    assert done["b64_json"] != partial[0]["b64_json"]
    assert done["usage"]["output_tokens"] == 272 + 2 * 100
    assert stand_in.charged == 1_890


async def test_an_image_that_is_moderated_after_it_was_made(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.services.fate = Fate(error="safety_violations=[violence]")
    *_, error = await streamed(http, stand_in)
    assert (error["type"], error["error"]["code"]) == ("error", "moderation_blocked")
    status, told = await generate(http, stand_in)
    assert (status, told["error"]["code"]) == (400, "moderation_blocked")
    assert not stand_in.bills


async def test_edits(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    whole, marked = picture(1024, 1024), mask(left=0)
    status, told = await edit(http, stand_in, {"image[]": whole})
    assert (status, told["usage"]["input_tokens_details"]["image_tokens"]) == (200, 323)
    status, told = await edit(http, stand_in, {"image[]": whole, "mask": marked}, n="2")
    assert (status, len(told["data"])) == (200, 2)
    assert [bill.operation for bill in stand_in.bills] == ["image_to_image", "inpaint"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, None),
        ({"image[]": b"GIF89a"}, "invalid_image_file"),
        ({"image[]": picture(1024, 1024)[:-20]}, "invalid_image_file"),
        ({"image[]": picture(1024, 1024), "mask": mask(left=0, width=512)}, "invalid_mask_image_format"),
        ({"image[]": picture(1024, 1024), "mask": mask(left=255)}, "invalid_mask_image_format"),
        ({"image[]": picture(1024, 1024), "mask": mask(left=9)}, "invalid_mask_image_format"),
        ({"image[]": picture(1024, 1024), "mask": picture(1024, 1024)}, "invalid_mask_image_format"),
    ],
)
async def test_edits_that_are_refused(
    http: aiohttp.ClientSession, stand_in: StandIn, files: dict[str, bytes], code: str | None
) -> None:
    status, told = await edit(http, stand_in, files)
    assert (status, told["error"]["code"]) == (400, code)
    assert not stand_in.bills


@pytest.mark.slow
async def test_what_is_transparent_in_the_mask_is_repainted(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=painted) as stand_in:
        whole = picture(1024, 1024)
        _, told = await edit(http, stand_in, {"image[]": whole, "mask": mask(left=0)}, prompt="a red balloon")
    with Image.open(BytesIO(whole)) as before, Image.open(BytesIO(b64decode(told["data"][0]["b64_json"]))) as after:
        colours = [(one.getpixel((x, 512))) for x in (256, 1000) for one in (before.convert("RGB"), after)]
    assert colours[0] != colours[1]
    assert colours[2] == colours[3]


# --- the imitators ----------------------------------------------------------------------------------------------------


async def test_stable_diffusion_cpp(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.openai.kind = Kind.SD_CPP
    assert await generate(http, stand_in, headers={}, prompt="") == (400, {"error": "prompt required"})
    same = [(await generate(http, stand_in, headers={}, size="64x64"))[1]["data"] for _ in range(2)]
    assert same[0] == same[1], f"its seed is {SD_CPP_SEED} unless the prompt has another"
    prompt = 'a fox <sd_cpp_extra_args>{"seed": 7}</sd_cpp_extra_args>'
    status, told = await generate(http, stand_in, headers={}, size="64x64", model=None, prompt=prompt)
    assert status == 200
    assert told["data"] != same[0]
    assert "usage" not in told
    assert stand_in.openai.extras == [{"seed": 7}]
    wrong = await generate(http, stand_in, prompt="a <sd_cpp_extra_args>[</sd_cpp_extra_args>")
    assert wrong == (400, {"error": "invalid sd_cpp_extra_args"})
    async with http.get(f"{stand_in.url}/openai/v1/models") as response:
        assert [one["id"] for one in (await response.json())["data"]] == [SD_CPP_MODEL]
    assert not stand_in.bills


async def test_local_ai(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.openai.kind = Kind.LOCAL_AI
    status, told = await generate(http, stand_in, headers={}, size="512x256", prompt="a fox|fog")
    (item,) = told["data"]
    assert (status, item["b64_json"]) == (200, None)
    assert stand_in.openai.negatives == ["fog"]
    async with http.get(item["url"]) as response:
        assert (response.status, response.content_type) == (200, "image/png")
    async with http.get(f"{item['url']}x") as response:
        assert response.status == 404


# --- its own faults ---------------------------------------------------------------------------------------------------


async def test_an_error_of_any_code(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("openai.generations", refused(503, "slow_down", kind="server_error")))
    status, told = await generate(http, stand_in)
    assert (status, told["error"]["code"], told["error"]["type"]) == (503, "slow_down", "server_error")
    assert (await generate(http, stand_in))[0] == 200


async def test_a_stream_that_fails(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("openai.generations", FailedStream("server_error")))
    partial, error = await streamed(http, stand_in)
    assert (partial["type"], error["error"]["code"]) == ("image_generation.partial_image", "server_error")
    assert not stand_in.bills


async def test_a_stream_that_is_changed(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    async def last(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield [event async for event in events][-1]

    stand_in.misbehave(Fault("openai.generations", ChangedStream(last)))
    (done,) = await streamed(http, stand_in, partial_images=1)
    assert done["type"] == "image_generation.completed"


@pytest.mark.parametrize("reset", [True, False])
async def test_a_stream_that_is_cut_is_charged(http: aiohttp.ClientSession, stand_in: StandIn, reset: bool) -> None:
    stand_in.misbehave(Fault("openai.generations", CutStream(after=1, more=10, reset=reset)))
    with pytest.raises(aiohttp.ClientError):
        await streamed(http, stand_in, partial_images=1)
    assert stand_in.charged
