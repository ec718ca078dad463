"""The operator's workflows: what is filled in, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.providers.base import Ability, Bounds, SizeGrid
from bot.providers.comfyui_workflow_files import MOST_WORKFLOWS, WorkflowProblem, problems_of_workflows, read_workflows
from bot.providers.errors import Reason, Refused
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import StandIn
from tests.providers.comfyui_server import (
    OLD,
    UPSCALER,
    XL,
    comfyui_at,
    finished,
    graph_of,
    queued,
    wanted,
    write_workflow,
)
from tests.providers.form_server import picture_file
from tests.providers.workbench import refusal

GRAPH: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["1", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "ugly", "clip": ["1", 1]}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "seed": 1,
            "steps": 9,
            "cfg": 3.5,
            "sampler_name": "ddim",
            "scheduler": "karras",
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
            "denoise": 1,
        },
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "mine"}},
}
FROM_PICTURE = GRAPH | {
    "4": {"class_type": "VAEEncode", "inputs": {"pixels": ["8", 0], "vae": ["1", 2]}},
    "8": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
}
LARGER: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "2": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], "upscale_method": "lanczos", "scale_by": 4}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "mine"}},
}
INPUTS = '[inputs]\nprompt = "2.text"\nseed = ["5.seed"]\n'
LARGE = 'operation = "upscale"\n{}\n[inputs]\npicture = "2.text"\n'
SIZED = 'sizes = ["640x512"]\nstep = 64\nlow = 256\nhigh = 1024\n'
ALL = (
    INPUTS
    + 'width = "4.width"\nheight = "4.height"\nsteps = "5.steps"\nnegative = "3.text"\nsampler = "5.sampler_name"\n'
)


def mine(folder: Path, table: str, graph: object = GRAPH) -> None:
    write_workflow(folder, "mine", graph if isinstance(graph, str) else json.dumps(graph), table)


def found(folder: Path, table: str, graph: object = GRAPH) -> list[tuple[WorkflowProblem, dict[str, str | int]]]:
    mine(folder, table, graph)
    return [(code, {**values}) for code, values in problems_of_workflows(folder)]


async def test_a_workflow_is_an_engine(stand_in: StandIn, tmp_path: Path) -> None:
    table = f'name = "My Flux"\n{SIZED}{ALL}guidance = "5.cfg"\n[bounds]\nsteps = [2, 40]\n'
    mine(tmp_path, table)
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        engine = provider.engines[0]
        assert (engine.id, engine.name, engine.operation) == ("comfyui/mine", "My Flux", Operation.TEXT_TO_IMAGE)
        assert (engine.sizes, engine.grid) == ((Size(640, 512),), SizeGrid(256, 1024, 64))
        assert (engine.steps, engine.guidance) == (Bounds(2, 40, 9), Bounds(1, 30, 3.5))
        assert Ability.STRENGTH not in engine.abilities
        request = wanted("comfyui/mine", size=Size(640, 512), steps=5, seed=8, negative="fog", sampler="euler")
        made = await finished(provider, stand_in, request)
        assert made.images[0].seed == 8
        fetched = await provider.fetch(made.images[0], tmp_path / "x")
        assert fetched.size == Size(640, 512)
        graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
        assert (graph["5"]["seed"], graph["5"]["steps"], graph["5"]["sampler_name"]) == (8, 5, "euler")
        assert (graph["2"]["text"], graph["3"]["text"]) == ("a lighthouse on a cliff", "fog")


async def test_what_a_request_leaves_open_stays_as_the_operator_made_it(stand_in: StandIn, tmp_path: Path) -> None:
    mine(tmp_path, ALL)
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        for _ in range(2):
            await finished(provider, stand_in, wanted("comfyui/mine"))
        first, second = map(graph_of, stand_in.calls_to("comfyui.prompt"))
        assert (first["5"]["steps"], first["5"]["cfg"], first["3"]["text"]) == (9, 3.5, "ugly")
        assert first["5"]["seed"] != second["5"]["seed"]


async def test_a_workflow_with_a_picture(stand_in: StandIn, tmp_path: Path) -> None:
    table = f'{INPUTS}picture = "8.image"\nstrength = "5.denoise"\n'
    mine(tmp_path, table, FROM_PICTURE)
    picture = Pictures(picture_file(tmp_path, size=Size(64, 64)))
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        engine = provider.engines[0]
        assert (engine.operation, engine.sized, engine.strength) == (
            Operation.IMAGE_TO_IMAGE,
            False,
            Bounds(1, 100, 100),
        )
        request = wanted("comfyui/mine", operation=Operation.IMAGE_TO_IMAGE, strength=25)
        await finished(provider, stand_in, request, picture)
        graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
        assert (graph["5"]["denoise"], graph["8"]["image"].startswith("easel/")) == (0.25, True)
        assert (await refusal(queued(provider, wanted("comfyui/mine")))).reason is Reason.RETIRED


@pytest.mark.parametrize(
    ("larger", "scales", "scale", "value"),
    [
        ('scale = "2.scale_by"', "scales = [4, 2]", 2, {"scale_by": 2}),
        ('scale = "2.scale_by"', "", 2, {"scale_by": 2}),
        ("", "scales = [4]", 4, {"scale_by": 4}),
    ],
)
async def test_a_workflow_that_enlarges(
    stand_in: StandIn, tmp_path: Path, larger: str, scales: str, scale: int, value: dict[str, int]
) -> None:
    table = f'operation = "upscale"\n{scales}\n[inputs]\npicture = "1.image"\n{larger}\n'
    mine(tmp_path, table, LARGER)
    picture = Pictures(picture_file(tmp_path, size=Size(64, 48)))
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        engine = provider.engines[0]
        assert (engine.operation, engine.scales[0]) == (Operation.UPSCALE, 4 if "4" in scales else 2)
        assert (engine.sized, engine.seed, engine.abilities) == (False, None, frozenset())
        request = wanted(
            "comfyui/mine",
            operation=Operation.UPSCALE,
            prompts=(),
            scale=scale,
            size=Size(64 * scale, 48 * scale),
        )
        made = await finished(provider, stand_in, request, picture)
        assert (await provider.fetch(made.images[0], tmp_path / "x")).size == request.size
        graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
        assert graph["2"].items() >= value.items()


async def test_the_map_names_an_operation_of_a_picture(stand_in: StandIn, tmp_path: Path) -> None:
    mine(tmp_path, f'operation = "sketch"\n{INPUTS}picture = "8.image"\nscheduler = "5.scheduler"\n', FROM_PICTURE)
    picture = Pictures(picture_file(tmp_path, size=Size(64, 64)))
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        engine = provider.engines[0]
        assert (engine.operation, engine.schedulers) == (Operation.SKETCH, ("normal", "karras", "simple"))
        await finished(
            provider, stand_in, wanted("comfyui/mine", operation=Operation.SKETCH, scheduler="simple"), picture
        )
        assert graph_of(stand_in.calls_to("comfyui.prompt")[0])["5"]["scheduler"] == "simple"


async def test_a_class_that_the_server_does_not_have_is_named(stand_in: StandIn, tmp_path: Path) -> None:
    odd = GRAPH | {"6": {"class_type": "FancyDecode", "inputs": {}}}
    mine(tmp_path, ALL, odd)
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        error = await refusal(queued(provider, wanted("comfyui/mine")))
        assert isinstance(error, Refused)
        assert (error.reason, error.operator, error.setting) == (Reason.WRONG_WORKFLOW, True, "COMFYUI_WORKFLOWS")
        assert "FancyDecode" in str(error.values["node"])


async def test_a_wrong_workflow_is_not_offered_and_the_others_are(stand_in: StandIn, tmp_path: Path) -> None:
    write_workflow(tmp_path, "bad", "{", ALL)
    write_workflow(tmp_path, "good", json.dumps(GRAPH), ALL)
    async with comfyui_at(stand_in, workflows=tmp_path) as provider:
        assert provider.engines[0].id == "comfyui/good"
        assert [engine.id for engine in provider.engines[1:]] == [XL, OLD, UPSCALER]


@pytest.mark.parametrize(
    ("table", "code", "values"),
    [
        ("[inputs", WorkflowProblem.NOT_TOML, {}),
        (ALL + "width2 = 1\n", WorkflowProblem.UNKNOWN_KEY, {"key": "inputs.width2"}),
        ("colour = 1\n" + ALL, WorkflowProblem.UNKNOWN_KEY, {"key": "colour"}),
        (ALL.replace("2.text", "99.text"), WorkflowProblem.NO_SUCH_NODE, {"key": "inputs.prompt", "node": "99"}),
        (
            ALL.replace("2.text", "2.words"),
            WorkflowProblem.NO_SUCH_INPUT,
            {"key": "inputs.prompt", "node": "2", "input": "words"},
        ),
        (
            ALL.replace("2.text", "2.clip"),
            WorkflowProblem.INPUT_IS_LINKED,
            {"key": "inputs.prompt", "node": "2", "input": "clip"},
        ),
        (ALL.replace('seed = ["5.seed"]', ""), WorkflowProblem.MISSING_KEY, {"key": "inputs.seed"}),
        (ALL.replace('height = "4.height"', ""), WorkflowProblem.MISSING_KEY, {"key": "inputs.height"}),
        (ALL.replace('["5.seed"]', "5"), WorkflowProblem.WRONG_VALUE, {"key": "inputs.seed"}),
        (ALL + 'mask = "2.text"\n', WorkflowProblem.MASK_WITHOUT_PICTURE, {"key": "inputs.mask"}),
        ('output = "99"\n' + ALL, WorkflowProblem.NO_SUCH_NODE, {"key": "output", "node": "99"}),
        ('sizes = ["big"]\n' + ALL, WorkflowProblem.WRONG_VALUE, {"key": "sizes"}),
        ("step = 8\nhigh = 4096\n" + ALL, WorkflowProblem.WRONG_VALUE, {"key": "step"}),
        ("name = 7\n" + ALL, WorkflowProblem.WRONG_VALUE, {"key": "name"}),
        ("inputs = 7\n", WorkflowProblem.WRONG_VALUE, {"key": "inputs"}),
        ('operation = "paint"\n' + ALL, WorkflowProblem.WRONG_VALUE, {"key": "operation"}),
        # It needs words for what is to be replaced, which have no input here.
        ('operation = "search_and_replace"\n' + ALL, WorkflowProblem.WRONG_VALUE, {"key": "operation"}),
        ('operation = "upscale"\n' + ALL, WorkflowProblem.MISSING_KEY, {"key": "inputs.picture"}),
        (
            'operation = "text_to_image"\n' + ALL + 'picture = "2.text"\n',
            WorkflowProblem.WRONG_VALUE,
            {"key": "operation"},
        ),
        ('operation = "erase"\n' + ALL + 'picture = "2.text"\n', WorkflowProblem.MISSING_KEY, {"key": "inputs.mask"}),
        ("scales = [2]\n" + ALL, WorkflowProblem.UNKNOWN_KEY, {"key": "scales"}),
        (LARGE.format("scales = [2, 4]"), WorkflowProblem.WRONG_VALUE, {"key": "scales"}),
        (LARGE.format("scales = [1]"), WorkflowProblem.WRONG_VALUE, {"key": "scales"}),
        (LARGE.format("scales = []"), WorkflowProblem.WRONG_VALUE, {"key": "scales"}),
        (LARGE.format("scales = 2"), WorkflowProblem.WRONG_VALUE, {"key": "scales"}),
        (ALL + "[bounds]\nsteps = [9, 1]\n", WorkflowProblem.WRONG_VALUE, {"key": "bounds.steps"}),
        (ALL + "[bounds]\nwidth = [9, 1]\n", WorkflowProblem.UNKNOWN_KEY, {"key": "bounds.width"}),
    ],
)
def test_what_is_wrong_with_a_map(
    tmp_path: Path, table: str, code: WorkflowProblem, values: dict[str, str | int]
) -> None:
    assert (code, {"file": "mine.toml", **values}) in found(tmp_path, table)
    assert read_workflows(tmp_path)[0] == []


@pytest.mark.parametrize(
    ("graph", "code"),
    [
        ("{", WorkflowProblem.NOT_JSON),
        ("[" * 100_000, WorkflowProblem.NOT_JSON),
        ({"nodes": [], "links": [], "version": 0.4}, WorkflowProblem.NOT_API_FORMAT),
        ([], WorkflowProblem.NOT_API_FORMAT),
        ({}, WorkflowProblem.NOT_API_FORMAT),
        ({"1": {"class_type": "X"}}, WorkflowProblem.NOT_API_FORMAT),
        (" " * (3 << 20), WorkflowProblem.TOO_LARGE),
    ],
)
def test_what_is_wrong_with_a_graph(tmp_path: Path, graph: object, code: WorkflowProblem) -> None:
    assert found(tmp_path, ALL, graph) == [(code, {"file": "mine.json"})]


def test_files_of_an_editor_that_marks_utf_8(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(json.dumps(GRAPH).encode("utf-8-sig"))
    (tmp_path / "x.toml").write_bytes(ALL.encode("utf-8-sig"))
    assert not problems_of_workflows(tmp_path)


def test_several_nodes_that_save_images_need_a_name(tmp_path: Path) -> None:
    two = GRAPH | {"8": GRAPH["7"]}
    assert found(tmp_path, ALL, two) == [(WorkflowProblem.NO_OUTPUT, {"file": "mine.toml", "key": "output"})]
    assert found(tmp_path, f'output = "8"\n{ALL}', two) == []
    (workflow,) = read_workflows(tmp_path)[0]
    assert workflow.output == "8"


def test_files_without_their_other_half(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.toml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert problems_of_workflows(tmp_path) == [
        (WorkflowProblem.NO_MAP, {"file": "a.json"}),
        (WorkflowProblem.NO_GRAPH, {"file": "b.toml"}),
    ]


def test_a_folder_that_is_missing_or_too_full(tmp_path: Path) -> None:
    missing = tmp_path / "workflows"
    assert problems_of_workflows(missing) == [(WorkflowProblem.NO_FOLDER, {"file": "workflows"})]
    for number in range(MOST_WORKFLOWS + 1):
        write_workflow(tmp_path, f"w{number}", json.dumps(GRAPH), ALL)
    workflows, problems = read_workflows(tmp_path)
    assert (len(workflows), [code for code, _ in problems]) == (MOST_WORKFLOWS, [WorkflowProblem.TOO_MANY])
