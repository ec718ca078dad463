"""The stand-in for A1111-compatible servers, asked by another client."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from fakes.services import StandIn, flat
from fakes.services.a1111 import Kind
from fakes.services.a1111_inventory import CONTROLNETS
from tests.fakes.service_calls import picture


async def post(http: aiohttp.ClientSession, stand_in: StandIn, path: str, **body: Any) -> tuple[int, Any]:
    async with http.post(f"{stand_in.url}/a1111{path}", json=body) as response:
        return response.status, await response.json()


async def get(http: aiohttp.ClientSession, stand_in: StandIn, path: str, **options: Any) -> tuple[int, Any]:
    async with http.get(f"{stand_in.url}/a1111{path}", **options) as response:
        return response.status, await response.json()


def basic(password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth("me", password)}


def decoded(text: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(text)))


async def test_an_empty_request_gets_the_defaults(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, stand_in, "/sdapi/v1/txt2img")
    assert status == 200
    (image,) = answer["images"]
    assert decoded(image).size == (512, 512)
    info = json.loads(answer["info"])
    assert (len(info["all_seeds"]), info["index_of_first_image"]) == (1, 0)
    assert info["sd_model_name"] == "dreamshaper_8"


async def test_several_images_have_seeds_in_a_row_and_sizes_are_rounded(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    _, answer = await post(
        http, stand_in, "/sdapi/v1/txt2img", seed=5, n_iter=2, batch_size=2, width=519, height=390, prompt="x"
    )
    assert [decoded(image).size for image in answer["images"]] == [(512, 384)] * 4
    assert json.loads(answer["info"])["all_seeds"] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        (Kind.A1111, {"sampler_name": "gone"}, 400),
        (Kind.FORGE, {"sampler_name": "gone"}, 400),
        (Kind.SD_NEXT, {"sampler_name": "gone"}, 404),
        (Kind.SD_CPP, {"sampler_name": "gone"}, 200),
        (Kind.SD_CPP, {"prompt": ""}, 400),
        (Kind.A1111, {"steps": "many"}, 422),
        (Kind.A1111, {"prompt": 5}, 422),
    ],
)
async def test_wrong_requests_are_refused(
    stand_in: StandIn, http: aiohttp.ClientSession, kind: Kind, fields: dict[str, Any], status: int
) -> None:
    stand_in.a1111.kind = kind
    assert (await post(http, stand_in, "/sdapi/v1/txt2img", **({"prompt": "x"} | fields)))[0] == status


@pytest.mark.parametrize(("images", "status"), [([], 404), (["*"], 500), (["eA=="], 500)])
async def test_img2img_needs_a_picture(
    stand_in: StandIn, http: aiohttp.ClientSession, images: list[str], status: int
) -> None:
    assert (await post(http, stand_in, "/sdapi/v1/img2img", init_images=images))[0] == status


async def test_img2img_takes_raw_base64_and_data_urls(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    source = b64encode(picture()).decode()
    for text in (source, f"data:image/png;base64,{source}"):
        assert (await post(http, stand_in, "/sdapi/v1/img2img", init_images=[text], mask=source))[0] == 200


async def test_a_model_is_used_for_one_job_and_an_unknown_one_is_ignored(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    for wanted, restore, used in (
        ("juggernautXL_v9", True, "juggernautXL_v9"),
        ("nobody", True, "dreamshaper_8"),
        ("juggernautXL_v9.safetensors [c9e3e68f89]", False, "juggernautXL_v9"),
    ):
        _, answer = await post(
            http,
            stand_in,
            "/sdapi/v1/txt2img",
            override_settings={"sd_model_checkpoint": wanted},
            override_settings_restore_afterwards=restore,
        )
        assert json.loads(answer["info"])["sd_model_name"] == used
    assert stand_in.a1111.loads == ["juggernautXL_v9", "dreamshaper_8", "juggernautXL_v9"]


async def test_accounts_guard_the_api_but_not_the_pages_own_paths(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    stand_in.a1111.accounts = {("me", "secret")}
    assert (await get(http, stand_in, "/sdapi/v1/samplers"))[0] == 401
    assert (await get(http, stand_in, "/sdapi/v1/samplers", headers=basic("no")))[0] == 401
    assert (await get(http, stand_in, "/sdapi/v1/samplers", headers=basic("secret")))[0] == 200
    assert (await get(http, stand_in, "/internal/pending-tasks"))[0] == 200


@pytest.mark.parametrize(
    ("kind", "path", "there"),
    [
        (Kind.A1111, "/internal/pending-tasks", True),
        (Kind.SD_NEXT, "/internal/pending-tasks", False),
        (Kind.SD_NEXT, "/sdapi/v1/version", True),
        (Kind.A1111, "/sdapi/v1/sd-modules", False),
        (Kind.FORGE, "/sdapi/v1/sd-modules", True),
        (Kind.SD_CPP, "/sdcpp/v1/capabilities", True),
        (Kind.SD_CPP, "/sdapi/v1/progress", False),
        (Kind.KOBOLD, "/api/extra/version", True),
        (Kind.A1111, "/sdapi/v1/schedulers", True),
        (Kind.A1111, "/sdapi/v1/loras", True),
        (Kind.A1111, "/sdapi/v1/upscalers", True),
        (Kind.A1111, "/sdapi/v1/options", True),
    ],
)
async def test_each_program_has_its_own_paths(
    stand_in: StandIn, http: aiohttp.ClientSession, kind: Kind, path: str, there: bool
) -> None:
    stand_in.a1111.kind = kind
    assert (await get(http, stand_in, path))[0] == (200 if there else 404)


async def test_one_job_at_a_time_and_the_rest_in_order(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as slow:
        jobs = []
        for task in ("a", "b", "c"):
            jobs.append(asyncio.create_task(post(http, slow, "/sdapi/v1/txt2img", force_task_id=task)))
            while task != slow.a1111.current and task not in slow.a1111.pending:
                await asyncio.sleep(0)
        assert (await get(http, slow, "/internal/pending-tasks"))[1] == {"size": 2, "tasks": ["b", "c"]}
        told = {}
        for task in ("a", "b", "c", "d"):
            told[task] = (await post(http, slow, "/internal/progress", id_task=task))[1]
        assert [task for task, each in told.items() if each["active"]] == ["a"]
        assert told["c"]["textinfo"] == "In queue: 2/2"
        assert (await post(http, slow, "/sdapi/v1/interrupt"))[0] == 200
        status, answer = await jobs[0]
        assert status == 200
        assert answer["images"]
        assert (await post(http, slow, "/internal/progress", id_task="a"))[1]["completed"]
        for job in jobs[1:]:
            while not slow.finish_all():
                await asyncio.sleep(0)
            await job
        assert slow.a1111.current is None
    assert slow.renderings.most_at_once == {"a1111": 1}


async def test_a_second_pass_makes_larger_images(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    asked = {"width": 520, "height": 392, "enable_hr": True, "hr_scale": 1.3, "hr_upscaler": "Latent"}
    _, answer = await post(http, stand_in, "/sdapi/v1/txt2img", **asked)
    assert [decoded(image).size for image in answer["images"]] == [(672, 504)]
    status, _ = await post(http, stand_in, "/sdapi/v1/txt2img", **(asked | {"hr_upscaler": "gone"}))
    assert status == 500


async def test_controlnet_draws_its_map_after_the_images(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    unit = {"module": "canny", "model": CONTROLNETS[0], "image": b64encode(picture()).decode()}
    scripts = {"controlnet": {"args": [unit]}}
    _, answer = await post(http, stand_in, "/sdapi/v1/txt2img", n_iter=2, seed=5, alwayson_scripts=scripts)
    assert len(answer["images"]) == 3
    assert json.loads(answer["info"])["all_seeds"] == [5, 6]
    assert decoded(answer["images"][2]).size == (64, 64)


@pytest.mark.parametrize(
    ("kind", "scripts", "status"),
    [
        (Kind.A1111, {"other": {"args": []}}, 422),
        (Kind.FORGE, {"controlnet": {"args": [{"module": "gone", "model": CONTROLNETS[0]}]}}, 500),
        (Kind.FORGE, {"controlnet": {"args": [{"module": "canny", "model": "gone"}]}}, 500),
        (Kind.FORGE, {"controlnet": {"args": [{"module": "canny", "model": CONTROLNETS[0]}]}}, 500),
        (Kind.FORGE, {"controlnet": {"args": [{"enabled": False}]}}, 200),
        (Kind.SD_CPP, {"other": {}}, 200),
    ],
)
async def test_scripts_that_a_server_does_not_have(
    stand_in: StandIn, http: aiohttp.ClientSession, kind: Kind, scripts: Any, status: int
) -> None:
    stand_in.a1111.kind = kind
    found, _ = await post(http, stand_in, "/sdapi/v1/txt2img", prompt="x", alwayson_scripts=scripts)
    assert found == status


async def test_one_program_checks_the_paths_of_loras(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    for kind, status in ((Kind.SD_CPP, 400), (Kind.FORGE, 200)):
        stand_in.a1111.kind = kind
        found, _ = await post(http, stand_in, "/sdapi/v1/txt2img", prompt="x", lora=[{"path": "gone"}])
        assert found == status


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"upscaler_1": "4x-UltraSharp", "upscaling_resize": 3}, (192, 144)),
        ({"upscaler_1": "4x-UltraSharp"}, (128, 96)),
        ({"gfpgan_visibility": 1, "upscaling_resize": 1}, (64, 48)),
        ({"upscaler_1": "gone"}, None),
        ({"upscaler_1": "4x-UltraSharp", "image": "?"}, None),
    ],
)
async def test_a_picture_is_improved(
    stand_in: StandIn, http: aiohttp.ClientSession, fields: dict[str, Any], size: tuple[int, int] | None
) -> None:
    sent = {"image": b64encode(picture(64, 48)).decode(), **fields}
    status, answer = await post(http, stand_in, "/sdapi/v1/extra-single-image", **sent)
    assert (status == 200) == (size is not None)
    if size is not None:
        assert decoded(answer["image"]).size == size
