"""What ComfyUI reads in a graph: whether its nodes and values are valid, and which picture it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakes.services.call_log import Json
from fakes.services.pictures import Edit, Picture
from fakes.services.uploaded_pictures import UnusableUpload, size_of
from fakes.services.uploads import Upload

SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "ddim")
OUTPUTS = frozenset({"PreviewImage", "SaveImage"})
# The inputs of each class: numbers with their range, lists of choices, and links or texts.
_NODES: Mapping[str, Mapping[str, Any]] = {
    "CheckpointLoaderSimple": {"ckpt_name": "checkpoints"},
    "CLIPTextEncode": {"text": None, "clip": None},
    "EmptyLatentImage": {"width": (16, 16_384), "height": (16, 16_384), "batch_size": (1, 4_096)},
    "KSampler": {
        "model": None,
        "seed": (0, 2**64 - 1),
        "steps": (1, 10_000),
        "cfg": (0, 100),
        "sampler_name": SAMPLERS,
        "scheduler": ("normal", "karras"),
        "positive": None,
        "negative": None,
        "latent_image": None,
        "denoise": (0, 1),
    },
    "VAEDecode": {"samples": None, "vae": None},
    "VAEEncode": {"pixels": None, "vae": None},
    "SetLatentNoiseMask": {"samples": None, "mask": None},
    "LoadImage": {"image": "inputs"},
    "LoadImageMask": {"image": "inputs", "channel": ("alpha", "red", "green", "blue")},
    "PreviewImage": {"images": None},
    "SaveImage": {"images": None, "filename_prefix": None},
}
# A refusal lists the allowed values only if they are few.
_SHORT = 20


class Refused(Exception):
    """The graph is not accepted."""

    def __init__(self, kind: str, message: str, node_errors: dict[str, Json] | None = None, details: str = "") -> None:
        super().__init__(kind)
        self.error: Json = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.node_errors = node_errors or {}


def lists(node: str, checkpoints: Sequence[str]) -> dict[str, Json]:
    """The answer about a class of nodes; empty if it does not exist."""
    if node not in _NODES:
        return {}
    required: dict[str, Json] = {}
    for name, takes in _NODES[node].items():
        if takes == "checkpoints":
            required[name] = [list(checkpoints), {}]
        elif isinstance(takes, tuple) and isinstance(takes[0], str):
            required[name] = [list(takes), {}]
        elif isinstance(takes, tuple):
            required[name] = ["INT", {"min": takes[0], "max": takes[1]}]
        else:
            required[name] = ["ANY", {}]
    return {node: {"input": {"required": required}, "output_node": node in OUTPUTS, "name": node}}


def validated(
    graph: Json, checkpoints: Sequence[str], inputs: Mapping[str, Upload]
) -> tuple[tuple[str, ...], dict[str, Json]]:
    """The output nodes that can run, and the errors of the others. Raises Refused if none can run."""
    if not isinstance(graph, dict):
        raise Refused("no_prompt", "No prompt provided")
    for number, node in graph.items():
        kind = node.get("class_type") if isinstance(node, dict) else None
        if kind not in _NODES:
            raise Refused("invalid_prompt", f"Cannot execute because node {kind} does not exist.", {}, f"#{number}")
    outputs = [number for number, node in graph.items() if _of(node)["class_type"] in OUTPUTS]
    if not outputs:
        raise Refused("prompt_no_outputs", "Prompt has no outputs")
    good, errors = [], dict[str, Json]()
    for output in outputs:
        wrong = False
        for number in dict.fromkeys(_needed(graph, output)):
            found = list(_problems(_of(graph[number]), checkpoints, inputs))
            if found:
                wrong = True
                known = _of(errors.get(number)).get("dependent_outputs", [])
                errors[number] = {
                    "errors": found,
                    "dependent_outputs": [*known, output],
                    "class_type": _of(graph[number])["class_type"],
                }
        if not wrong:
            good.append(output)
    if not good:
        raise Refused("prompt_outputs_failed_validation", "Prompt outputs failed validation", errors)
    return tuple(good), errors


def _needed(graph: dict[str, Json], number: str) -> Iterator[str]:
    """The node and all nodes that it depends on."""
    yield number
    for value in _of(_of(graph[number]).get("inputs")).values():
        if isinstance(value, list) and value and value[0] in graph:
            yield from _needed(graph, str(value[0]))


def _problems(node: Mapping[str, Any], checkpoints: Sequence[str], uploads: Mapping[str, Upload]) -> Iterator[Json]:
    given = _of(node.get("inputs"))
    for name, takes in _NODES[node["class_type"]].items():
        value = given.get(name)
        if value is None:
            yield _problem("required_input_missing", "Required input is missing", name, name)
        elif takes == "inputs":
            if value not in uploads:
                yield _problem("custom_validation_failed", "Custom validation failed", f"{name}: {value}", name)
        elif takes == "checkpoints" or (isinstance(takes, tuple) and isinstance(takes[0], str)):
            choices = list(checkpoints) if takes == "checkpoints" else list(takes)
            if value not in choices:
                shown = str(choices) if len(choices) <= _SHORT else f"(list of length {len(choices)})"
                yield _problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", name)
        elif isinstance(takes, tuple) and not isinstance(value, list):
            if value < takes[0]:
                yield _problem("value_smaller_than_min", f"Value {value} smaller than min of {takes[0]}", name, name)
            elif value > takes[1]:
                yield _problem("value_bigger_than_max", f"Value {value} bigger than max of {takes[1]}", name, name)


def _problem(kind: str, message: str, details: str, name: str) -> Json:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}


def picture_of(graph: Mapping[str, Json], uploads: Mapping[str, Upload]) -> Picture:
    """The picture that a graph with one sampler asks for. Raises ValueError if an uploaded file is no picture."""
    sampler = _of(next(node for node in graph.values() if _of(node)["class_type"] == "KSampler"))["inputs"]
    latent = _of(graph[sampler["latent_image"][0]])
    mask = None
    if latent["class_type"] == "SetLatentNoiseMask":
        mask = uploads[_of(graph[latent["inputs"]["mask"][0]])["inputs"]["image"]]
        latent = _of(graph[latent["inputs"]["samples"][0]])
    edit = None
    if latent["class_type"] == "VAEEncode":
        source = uploads[_of(graph[latent["inputs"]["pixels"][0]])["inputs"]["image"]]
        try:
            width, height = size_of(source)
        except UnusableUpload as error:
            raise ValueError("no picture") from error
        edit = Edit("inpaint" if mask else "image_to_image", source, mask, change=sampler["denoise"])
    else:
        width, height = latent["inputs"]["width"], latent["inputs"]["height"]
    return Picture(
        prompt=_of(graph[sampler["positive"][0]])["inputs"]["text"],
        negative=_of(graph[sampler["negative"][0]])["inputs"]["text"],
        style="",
        seed=sampler["seed"],
        # Sizes are not validated: both sides are cut down to multiples of 8.
        width=width // 8 * 8,
        height=height // 8 * 8,
        edit=edit,
    )


def _of(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
