"""AI Thriving as documented on its two pages: the calls, the prices, the check."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.providers.aithriving import Aithriving
from bot.providers.aithriving_endpoints import Call, endpoints, nearest_ratio
from bot.providers.aithriving_prices import basic_price
from bot.providers.base import Ability, Cost, Gone, ImageRequest, Json, Quote, WeightedText
from bot.providers.errors import OutcomeUnknown, Reason
from bot.providers.operations import Size
from fakes.services import Fault, StandIn, image_variants
from fakes.services.faults import Spoil
from tests.providers.workbench import (
    BASIC,
    BOTH,
    CORE,
    SECRET,
    asked,
    made,
    make_aithriving,
    raw_server,
    reader,
    refusal,
    saying,
)

ENDPOINTS = {(row.engine, row.operation): row for row in endpoints()}


def body_of(request: ImageRequest) -> dict[str, Json]:
    endpoint = ENDPOINTS[request.engine, request.operation]
    return endpoint.fields_of(Call(endpoint, request))


# --- as documented ----------------------------------------------------------------------------------------------------


@BOTH
async def test_an_image_from_the_call_to_the_file(
    aithriving: Aithriving, stand_in: StandIn, tmp_path: Path, engine: str
) -> None:
    result = await made(aithriving, asked(engine, size=Size(1152, 768), seed=1050625087))
    (image,) = result.images
    assert image.seed == 1050625087
    assert not image.filtered
    fetched = await aithriving.fetch(image, tmp_path / "x")
    assert (fetched.media_type, fetched.size) == ("image/png", Size(1152, 768))
    assert (tmp_path / "x").read_bytes() == image.data
    assert [bill.amount for bill in stand_in.bills] == [result.cost.millicredits]


async def test_the_basic_call_follows_the_documentation(aithriving: Aithriving, stand_in: StandIn) -> None:
    await made(
        aithriving,
        asked(BASIC, steps=20, seed=7, guidance=7.0, sampler="K_HEUN", style="neon-punk", size=Size(640, 512)),
    )
    (call,) = stand_in.calls
    assert (call.method, call.path) == ("POST", "/api/generate/basic/textToImage")
    assert call.body == {
        "prompt": "a lighthouse on a cliff",
        "width": 640,
        "height": 512,
        "steps": 20,
        "seed": 7,
        "cfg_scale": 7,
        "sampler": "K_HEUN",
        "style_preset": "neon-punk",
    }


async def test_the_core_call_follows_the_documentation(aithriving: Aithriving, stand_in: StandIn) -> None:
    await made(aithriving, asked(CORE, negative="fog", seed=7, style="anime"))
    (call,) = stand_in.calls
    assert (call.method, call.path) == ("POST", "/api/generate/core")
    assert call.body == {
        "prompt": "a lighthouse on a cliff",
        "width": 1024,
        "height": 1024,
        "aspect_ratio": "1:1",
        "seed": 7,
        "negative_prompt": "fog",
        "style_preset": "anime",
    }


@BOTH
def test_options_that_were_not_given_are_not_sent(engine: str) -> None:
    assert set(body_of(asked(engine))) - {"aspect_ratio"} == {"prompt", "width", "height"}


def test_core_is_sent_no_steps_guidance_or_sampler() -> None:
    body = body_of(asked(CORE, steps=20, guidance=7.0, sampler="DDIM"))
    assert not {"steps", "cfg_scale", "sampler"} & body.keys()


def test_basic_is_sent_no_negative_prompt_and_no_ratio() -> None:
    assert not {"negative_prompt", "aspect_ratio"} & body_of(asked(BASIC, negative="fog")).keys()


def test_a_seed_of_0_means_random_and_is_left_out() -> None:
    assert "seed" not in body_of(asked(BASIC, seed=0))


@pytest.mark.parametrize(("guidance", "sent"), [(7.0, "7"), (7.5, "7.5"), (0.0, "0")])
def test_whole_guidance_is_sent_as_an_integer(guidance: float, sent: str) -> None:
    assert str(body_of(asked(BASIC, guidance=guidance))["cfg_scale"]) == sent


def test_the_engines_declare_their_options() -> None:
    basic, core = make_aithriving("http://127.0.0.1:1").engines[:2]
    assert basic.id == BASIC
    assert basic.abilities == {Ability.STYLE, Ability.STEPS, Ability.SEED, Ability.GUIDANCE, Ability.SAMPLER}
    assert core.id == CORE
    assert core.abilities == {Ability.NEGATIVE, Ability.STYLE, Ability.SEED}
    for engine in (basic, core):
        assert engine.images_per_submission == 1
        assert all(engine.takes_size(size) and size in (engine.grid or ()) for size in engine.sizes)
        assert not engine.takes_size(Size(256, 256))
        assert len(engine.styles) == 17
    assert len(basic.samplers) == 10


async def test_styles_are_configurable() -> None:
    provider = Aithriving.configure(reader(AITHRIVING_KEY="x", AITHRIVING_STYLES="anime, new-style"))
    assert provider is not None
    assert provider.engines[0].styles == ("anime", "new-style")


async def test_polling_and_lookup_are_not_supported(aithriving: Aithriving, stand_in: StandIn) -> None:
    handle = await aithriving.prepare(asked(CORE))
    assert not aithriving.finds_lost_submits
    assert await aithriving.poll(handle) == Gone()
    assert isinstance(await refusal(aithriving.find(handle)), OutcomeUnknown)
    assert not stand_in.calls


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "steps", "price"),
    [
        (Size(320, 320), 10, 400),
        (Size(1536, 1536), 50, 2_000),
        (Size(320, 320), 11, 500),
        (Size(512, 512), 30, 500),
        (Size(1024, 1024), 30, 900),
        (Size(1024, 1024), 50, 1_200),
        (Size(1536, 1536), 49, 2_000),
        (Size(64, 64), 1, 400),
        (Size(4096, 4096), 50, 2_000),
    ],
)
def test_the_basic_price(size: Size, steps: int, price: int) -> None:
    assert basic_price(size, steps) == price


def test_quotes() -> None:
    provider = make_aithriving("http://127.0.0.1:1")
    assert provider.quote(asked(CORE)) == Quote(6_000, 6_000, 6_000, exact=True)
    assert provider.quote(asked(BASIC)) == Quote(900, 900, 2_000, exact=False)
    assert provider.quote(asked(BASIC, steps=50)) == Quote(1_200, 1_200, 2_000, exact=False)


@pytest.mark.parametrize(("engine", "cost"), [(BASIC, Cost(900, exact=False)), (CORE, Cost(6_000, exact=True))])
async def test_the_response_contains_no_cost_so_it_is_computed_or_estimated(
    aithriving: Aithriving, engine: str, cost: Cost
) -> None:
    assert (await made(aithriving, asked(engine))).cost == cost


# --- the header and the body ------------------------------------------------------------------------------------------


async def test_the_bare_key_is_sent_in_authorization(aithriving: Aithriving, stand_in: StandIn) -> None:
    await made(aithriving, asked(CORE))
    assert stand_in.calls[0].authorization == SECRET
    assert "Authentication" not in stand_in.calls[0].headers


async def test_the_auth_scheme_is_configurable(stand_in: StandIn) -> None:
    settings = reader(AITHRIVING_KEY=SECRET, AITHRIVING_URL=stand_in.url, AITHRIVING_AUTH_SCHEME="Bearer")
    provider = Aithriving.configure(settings)
    assert provider is not None
    await made(provider, asked(CORE))
    await provider.close()
    assert stand_in.calls[0].authorization == f"Bearer {SECRET}"


@BOTH
async def test_the_body_is_always_json(aithriving: Aithriving, stand_in: StandIn, engine: str) -> None:
    await made(aithriving, asked(engine, prompts=(WeightedText("Ünï 漢字 🎨"),)))
    assert stand_in.calls[0].headers["Content-Type"] == "application/json"
    body = stand_in.calls[0].body
    assert isinstance(body, dict)
    assert body["prompt"] == "Ünï 漢字 🎨"


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        (Size(1024, 1024), "1:1"),
        (Size(1344, 768), "16:9"),
        (Size(768, 1344), "9:16"),
        (Size(1536, 640), "21:9"),
        (Size(640, 1536), "9:21"),
        (Size(1152, 768), "3:2"),
        (Size(768, 1152), "2:3"),
        (Size(1280, 1024), "5:4"),
        (Size(1024, 1280), "4:5"),
        (Size(1536, 320), "21:9"),
        (Size(320, 1536), "9:21"),
        (Size(1024, 960), "1:1"),
    ],
)
def test_the_ratio_is_the_nearest_to_the_size(size: Size, ratio: str) -> None:
    assert nearest_ratio(size) == ratio
    assert body_of(asked(CORE, size=size)) | {"width": size.width, "height": size.height, "aspect_ratio": ratio} == (
        body_of(asked(CORE, size=size))
    )


async def test_the_real_size_is_read_from_the_image(aithriving: Aithriving, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(Fault("aithriving.core", Spoil(image_variants.resized(960, 1024))))
    result = await made(aithriving, asked(CORE))
    assert (await aithriving.fetch(result.images[0], tmp_path / "x")).size == Size(960, 1024)


# --- check ------------------------------------------------------------------------------------------------------------


async def test_check_is_free_and_does_not_reveal_the_key(aithriving: Aithriving, stand_in: StandIn) -> None:
    assert await aithriving.check() is None
    assert not stand_in.bills
    assert not [call for call in stand_in.calls if call.authorization]


async def test_check_when_the_server_is_down(aithriving: Aithriving, stand_in: StandIn) -> None:
    await stand_in.stop()
    assert await aithriving.check()


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (200, "", None),
        (404, "", None),
        (405, "", None),
        (302, "Location: /en\r\n", None),
        (301, "Location: https://www.aithriving.com/\r\n", Reason.MOVED),
        (301, "Location: http://[\r\n", Reason.REDIRECTED),
        (500, "", Reason.BROKEN),
    ],
)
async def test_check_of_the_address(status: int, headers: str, told: Reason | None) -> None:
    async with raw_server(saying(f"HTTP/1.1 {status} Said\r\n{headers}Content-Length: 0\r\n\r\n".encode())) as url:
        provider = make_aithriving(url)
        error = await provider.check()
        await provider.close()
    assert (None if error is None else error.reason) is told
    if error is not None and told is Reason.MOVED:
        assert error.values == {"address": "https://www.aithriving.com", "setting": "AITHRIVING_URL"}
