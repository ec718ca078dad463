"""The stand-in of ComfyUI, by plain HTTP: what it keeps, and what the real one was seen to do."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from fakes.services import StandIn


def graph(seed: int = 1, **sampler: Any) -> dict[str, Any]:
    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    usual = {"steps": 9, "cfg": 7, "sampler_name": "euler", "scheduler": "normal", "denoise": 1}
    links = {"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]}
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
        "2": node("CLIPTextEncode", text="a fox", clip=["1", 1]),
        "3": node("EmptyLatentImage", width=250, height=300, batch_size=1),
        "4": node("KSampler", seed=seed, **(usual | links | sampler)),
        "5": node("VAEDecode", samples=["4", 0], vae=["1", 2]),
        "6": node("PreviewImage", images=["5", 0]),
    }


async def post(http: aiohttp.ClientSession, stand_in: StandIn, path: str, body: Any) -> tuple[int, Any]:
    async with http.post(f"{stand_in.url}/comfyui{path}", json=body) as response:
        kind = response.content_type
        return response.status, await response.json() if kind == "application/json" else await response.text()


async def get(http: aiohttp.ClientSession, stand_in: StandIn, path: str) -> tuple[int, Any]:
    async with http.get(f"{stand_in.url}/comfyui{path}") as response:
        kind = response.content_type
        return response.status, await response.json() if kind == "application/json" else await response.read()


async def test_an_identical_graph_names_the_old_file(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    names = []
    for prompt_id, seed in (("a", 1), ("b", 1), ("c", 2)):
        await post(http, stand_in, "/prompt", {"prompt": graph(seed), "prompt_id": prompt_id})
        await stand_in.comfyui.ended(prompt_id)
        _, told = await get(http, stand_in, f"/history/{prompt_id}")
        assert told[prompt_id]["status"]["status_str"] == "success"
        names.append(told[prompt_id]["outputs"]["6"]["images"][0]["filename"])
    assert names[0] == names[1] != names[2]
    status, data = await get(http, stand_in, f"/view?filename={names[0]}&type=temp")
    assert (status, data[16:24]) == (200, (248).to_bytes(4, "big") + (296).to_bytes(4, "big"))
    assert (await get(http, stand_in, "/view?filename=none"))[0] == 404
    assert (await get(http, stand_in, "/view?filename=../x"))[0] == 400


async def test_what_an_output_node_ignores_makes_it_run_again(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    names = []
    for prompt_id, mark in (("a", "x"), ("b", "y")):
        marked = graph()
        marked["6"]["inputs"]["mark"] = mark
        await post(http, stand_in, "/prompt", {"prompt": marked, "prompt_id": prompt_id})
        await stand_in.comfyui.ended(prompt_id)
        _, told = await get(http, stand_in, f"/api/history/{prompt_id}")
        names.append(told[prompt_id]["outputs"]["6"]["images"][0]["filename"])
    assert names[0] != names[1]
    assert stand_in.comfyui.files[names[0]] == stand_in.comfyui.files[names[1]]


async def test_links_have_types(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    wrong = graph()
    wrong["6"]["inputs"]["images"] = ["4", 0]
    status, told = await post(http, stand_in, "/prompt", {"prompt": wrong})
    assert (status, told["node_errors"]["6"]["errors"][0]["type"]) == (400, "return_type_mismatch")


async def test_an_image_is_served_as_jpeg_too(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    await post(http, stand_in, "/prompt", {"prompt": graph(), "prompt_id": "a"})
    await stand_in.comfyui.ended("a")
    (name,) = stand_in.comfyui.files
    status, data = await get(http, stand_in, f"/view?filename={name}&preview=jpeg%3B95")
    assert (status, data[:2]) == (200, b"\xff\xd8")


async def test_the_smallest_number_runs_first(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None) as stand_in:
        prompts: dict[str, dict[str, Any]] = {"a": {}, "b": {}, "c": {"front": True}, "d": {"number": 1.5}}
        for number, (name, more) in enumerate(prompts.items()):
            await post(http, stand_in, "/prompt", {"prompt": graph(number), "prompt_id": name, **more})
            if name == "a":
                await stand_in.comfyui.started("a")
        _, queue = await get(http, stand_in, "/queue")
        assert [entry[1] for entry in queue["queue_running"]] == ["a"]
        assert [entry[1] for entry in sorted(queue["queue_pending"])] == ["c", "d", "b"]
        assert await get(http, stand_in, "/history/a") == (200, {})
        await post(http, stand_in, "/interrupt", {"prompt_id": "b"})
        await post(http, stand_in, "/queue", {"delete": ["b"]})
        assert await get(http, stand_in, "/history/b") == (200, {})
        await post(http, stand_in, "/interrupt", {"prompt_id": "a"})
        await stand_in.comfyui.ended("a")
        _, told = await get(http, stand_in, "/history/a")
        status = told["a"]["status"]
        assert (status["status_str"], status["messages"][-1][0]) == ("error", "execution_interrupted")
        await stand_in.comfyui.started("c")


@pytest.mark.parametrize(
    ("sampler", "kind", "field"),
    [
        ({"sampler_name": "heun"}, "value_not_in_list", "sampler_name"),
        ({"steps": 0}, "value_smaller_than_min", "steps"),
        ({"cfg": 101}, "value_bigger_than_max", "cfg"),
        ({"model": None}, "required_input_missing", "model"),
    ],
)
async def test_values_are_validated(
    http: aiohttp.ClientSession, stand_in: StandIn, sampler: dict[str, Any], kind: str, field: str
) -> None:
    status, told = await post(http, stand_in, "/prompt", {"prompt": graph(**sampler)})
    assert (status, told["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    (error,) = told["node_errors"]["4"]["errors"]
    assert (error["type"], error["extra_info"]["input_name"]) == (kind, field)


async def test_graphs_are_validated(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    without = {number: node for number, node in graph().items() if number != "6"}
    for body, kind in (
        ({}, "no_prompt"),
        ({"prompt": without}, "prompt_no_outputs"),
        ({"prompt": {"1": {"class_type": "Fancy", "inputs": {}}}}, "invalid_prompt"),
    ):
        status, told = await post(http, stand_in, "/prompt", body)
        assert (status, told["error"]["type"]) == (400, kind)
    assert (await post(http, stand_in, "/prompt", 7))[0] == 500
    two = graph() | {"7": {"class_type": "PreviewImage", "inputs": {}}}
    status, told = await post(http, stand_in, "/prompt", {"prompt": two, "prompt_id": "x"})
    assert (status, list(told["node_errors"])) == (200, ["7"])


async def test_what_it_has(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    _, told = await get(http, stand_in, "/models/checkpoints")
    assert told == stand_in.comfyui.has.checkpoints
    assert (await get(http, stand_in, "/models/x"))[0] == 404
    assert await get(http, stand_in, "/object_info/Fancy") == (200, {})
    stand_in.keys = frozenset({"Basic abc"})
    assert (await get(http, stand_in, "/system_stats"))[0] == 401


async def test_a_second_socket_takes_over(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    url = f"{stand_in.url}/comfyui/ws?clientId=me"
    async with http.ws_connect(url) as first, http.ws_connect(url) as second:
        await post(http, stand_in, "/prompt", {"prompt": graph(), "prompt_id": "a", "client_id": "me"})
        assert (await second.receive_json())["type"] == "execution_start"
        assert not first.closed
        await post(http, stand_in, "/prompt", {"prompt": graph(), "prompt_id": "b", "client_id": "you"})
        await stand_in.comfyui.ended("b")
        assert (await second.receive_json())["data"]["prompt_id"] == "a"
