"""The built-in graphs of ComfyUI: for a plain checkpoint, and for making a picture larger.

A graph is in the server's API format: nodes by id, each with its class and its inputs. A link is the id of another
node and the number of its output. The output is PreviewImage, whose files the server removes when it starts: SaveImage
would leave every image on the owner's disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bot.providers.base import Bounds, ImageRequest, Json, WeightedText
from bot.providers.comfyui_models import Control, Hint
from bot.providers.operations import Operation

Graph: TypeAlias = dict[str, Json]

OUTPUT = "output"
"""The id of the output node."""
SEED = Bounds(0, 4_294_967_295)
"""The server accepts 64 bits, but browsers alter JSON numbers above 2**53."""
PROMPT_LIMIT = 4_000
STEPS = Bounds(1, 100, default=25)
GUIDANCE = Bounds(1, 30, default=7)
STRENGTH = Bounds(1, 100, default=60)
CONTROL_STRENGTH = Bounds(0, 90, default=20)
"""How much may differ from the drawing or the layout: 20 lets the ControlNet have 80 percent of its effect."""
SAMPLER = "euler"
SCHEDULER = "normal"
SECOND_PASS = 0.5
"""How much the second pass may change, from 0 to 1."""
_UNION_TYPES = {Hint.EDGES: "canny/lineart/anime_lineart/mlsd", Hint.SCRIBBLE: "hed/pidi/scribble/ted"}
_SAVING = frozenset({"SaveImage", "PreviewImage"})
_PARENTHESES = re.compile(r"([()\\])")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """How the graph names the pictures that were uploaded. The mask is grey: white is repainted."""

    source: str = ""
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of which a graph is made: a checkpoint, the LoRAs by name, and a ControlNet if one is needed."""

    checkpoint: str
    loras: Mapping[str, str]
    control: Control | None = None


def checkpoint_graph(parts: Parts, request: ImageRequest, seed: int, pictures: Uploaded) -> Graph:
    """Make the graph of a request for a checkpoint."""
    graph: Graph = {"checkpoint": _node("CheckpointLoaderSimple", ckpt_name=parts.checkpoint)}
    model, clip = _with_loras(graph, parts, request)
    positive, negative = prompt_texts(request)
    graph["positive"] = _node("CLIPTextEncode", text=positive, clip=clip)
    graph["negative"] = _node("CLIPTextEncode", text=negative, clip=clip)
    conditions: dict[str, Json] = {"positive": ["positive", 0], "negative": ["negative", 0]}
    if request.operation.has_source:
        graph["picture"] = _node("LoadImage", image=pictures.source)
    if parts.control is not None:
        conditions = _controlled(graph, parts.control, request)
    latent, strength = _latent(graph, request, pictures)
    sampling: dict[str, Json] = {
        "model": model,
        "seed": seed,
        "steps": request.steps if request.steps is not None else int(STEPS.default or 25),
        "cfg": request.guidance if request.guidance is not None else GUIDANCE.default,
        "sampler_name": request.sampler or SAMPLER,
        "scheduler": request.scheduler or SCHEDULER,
        **conditions,
    }
    graph["sampler"] = _node("KSampler", **sampling, latent_image=latent, denoise=strength)
    last = "sampler"
    if request.high_res is not None:
        size, last = request.result_size, "second"
        graph["larger"] = _node(
            "LatentUpscale",
            samples=["sampler", 0],
            upscale_method="bislerp",
            width=size.width,
            height=size.height,
            crop="disabled",
        )
        graph["second"] = _node("KSampler", **sampling, latent_image=["larger", 0], denoise=SECOND_PASS)
    graph["image"] = _node("VAEDecode", samples=[last, 0], vae=["checkpoint", 2])
    graph[OUTPUT] = _node("PreviewImage", images=["image", 0])
    return graph


def _with_loras(graph: Graph, parts: Parts, request: ImageRequest) -> tuple[Json, Json]:
    """Add the request's LoRAs, each on top of the one before. Returns the links to the model and to its CLIP."""
    last = "checkpoint"
    for number, lora in enumerate(request.lora.each if request.lora is not None else (), 1):
        graph[f"lora{number}"] = _node(
            "LoraLoader",
            model=[last, 0],
            clip=[last, 1],
            lora_name=parts.loras.get(lora.name, lora.name),
            strength_model=lora.weight,
            strength_clip=lora.weight,
        )
        last = f"lora{number}"
    return [last, 0], [last, 1]


def _latent(graph: Graph, request: ImageRequest, pictures: Uploaded) -> tuple[Json, float]:
    """Add what the sampler starts from. Returns the link to it, and how much of it may change, from 0 to 1."""
    if request.operation not in {Operation.IMAGE_TO_IMAGE, Operation.INPAINT}:
        size = request.size
        graph["latent"] = _node("EmptyLatentImage", width=size.width, height=size.height, batch_size=1)
        return ["latent", 0], 1.0
    graph["latent"] = _node("VAEEncode", pixels=["picture", 0], vae=["checkpoint", 2])
    usual = 100.0 if request.operation is Operation.INPAINT else STRENGTH.default or 100.0
    strength = (usual if request.strength is None else request.strength) / 100
    if request.operation is Operation.IMAGE_TO_IMAGE:
        return ["latent", 0], strength
    graph["mask"] = _node("LoadImageMask", image=pictures.mask, channel="red")
    graph["masked"] = _node("SetLatentNoiseMask", samples=["latent", 0], mask=["mask", 0])
    return ["masked", 0], strength


def _controlled(graph: Graph, control: Control, request: ImageRequest) -> dict[str, Json]:
    """Add the ControlNet and the lines that it follows. Returns the links to both conditions."""
    graph["control"] = _node("ControlNetLoader", control_net_name=control.file)
    loaded = "control"
    if control.union:
        graph["kind"] = _node("SetUnionControlNetType", control_net=["control", 0], type=_UNION_TYPES[control.hint])
        loaded = "kind"
    if control.hint is Hint.EDGES:
        graph["lines"] = _node("Canny", image=["picture", 0], low_threshold=0.4, high_threshold=0.8)
    else:
        # Dark lines on a light ground become white ones on black, and shadows of the paper disappear.
        graph["inverted"] = _node("ImageInvert", image=["picture", 0])
        graph["grey"] = _node("ImageToMask", image=["inverted", 0], channel="red")
        graph["strokes"] = _node("ThresholdMask", mask=["grey", 0], value=0.5)
        graph["lines"] = _node("MaskToImage", mask=["strokes", 0])
    differs = CONTROL_STRENGTH.default if request.strength is None else request.strength
    graph["controlled"] = _node(
        "ControlNetApplyAdvanced",
        positive=["positive", 0],
        negative=["negative", 0],
        control_net=[loaded, 0],
        image=["lines", 0],
        strength=(100 - (differs or 0)) / 100,
        start_percent=0.0,
        end_percent=1.0,
    )
    return {"positive": ["controlled", 0], "negative": ["controlled", 1]}


def upscale_graph(upscaler: str | None, request: ImageRequest, pictures: Uploaded) -> Graph:
    """Make the graph that makes a picture larger, with a model for that or without one.

    A model has a factor of its own, so its result is brought to the size of the request.
    """
    graph: Graph = {"picture": _node("LoadImage", image=pictures.source)}
    image: Json = ["picture", 0]
    if upscaler is not None:
        graph["upscaler"] = _node("UpscaleModelLoader", model_name=upscaler)
        graph["upscaled"] = _node("ImageUpscaleWithModel", upscale_model=["upscaler", 0], image=image)
        image = ["upscaled", 0]
    size = request.size
    graph["image"] = _node(
        "ImageScale", image=image, upscale_method="lanczos", width=size.width, height=size.height, crop="disabled"
    )
    graph[OUTPUT] = _node("PreviewImage", images=["image", 0])
    return graph


def marked(graph: Graph, output: str, prompt_id: str) -> Graph:
    """Return the graph with the prompt's id at its output node.

    The server does not run nodes again whose inputs are the same, and the history then names the earlier file, even if
    it was deleted. A node that saves images ignores inputs that it does not know, but counts them as a change.
    """
    node = graph.get(output)
    if not isinstance(node, dict) or node.get("class_type") not in _SAVING:
        return graph
    inputs = node.get("inputs")
    return {**graph, output: {**node, "inputs": {**(inputs if isinstance(inputs, dict) else {}), "easel": prompt_id}}}


def _node(kind: str, **inputs: Json) -> Json:
    return {"class_type": kind, "inputs": dict(inputs)}


# --- prompts ------------------------------------------------------------------------------------------------------


def prompt_texts(request: ImageRequest) -> tuple[str, str]:
    """The prompt and the negative prompt as the server reads them. Parts with a negative weight go to the latter."""
    positive = [_weighted(part) for part in request.prompts if part.weight > 0]
    negative = [_weighted(WeightedText(part.text, -part.weight)) for part in request.prompts if part.weight < 0]
    if request.negative:
        negative.insert(0, _escaped(request.negative))
    return ", ".join(positive), ", ".join(negative)


def plain_texts(request: ImageRequest) -> tuple[str, str]:
    """The prompt and the negative prompt as they were typed."""
    return ", ".join(part.text for part in request.prompts if part.weight > 0), request.negative or ""


def _weighted(part: WeightedText) -> str:
    text = _escaped(part.text)
    return text if part.weight == 1 else f"({text}:{part.weight:g})"


def _escaped(text: str) -> str:
    # Parentheses are a weight, unless there is a backslash before them.
    return _PARENTHESES.sub(r"\\\1", text)
