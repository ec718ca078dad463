"""The built-in graphs of ComfyUI for a plain checkpoint, and the engines that they make.

A graph is in the server's API format: nodes by id, each with its class and its inputs. A link is the id of another
node and the number of its output. The output is PreviewImage, whose files the server removes when it starts: SaveImage
would leave every image on the owner's disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from bot.providers.base import FREE, Ability, Bounds, Engine, ImageRequest, Json, SizeGrid, WeightedText
from bot.providers.engine_ids import LONGEST, id_parts
from bot.providers.operations import Operation, PictureRules, Size
from bot.providers.stable_diffusion import COMMON_SIZES, XL_SIZES

Graph: TypeAlias = dict[str, Json]

OUTPUT = "output"
"""The id of the output node."""
GRID = SizeGrid(low=256, high=2048, step=64)
SEED = Bounds(0, 4_294_967_295)
"""The server accepts 64 bits, but browsers alter JSON numbers above 2**53."""
STEPS = Bounds(1, 100, default=25)
GUIDANCE = Bounds(1, 30, default=7)
STRENGTH = Bounds(1, 100, default=60)
WEIGHTS = Bounds(-2, 2, default=1)
PROMPT_LIMIT = 4_000
SAMPLER = "euler"
SCHEDULER = "normal"
_SMALL_SIZES = (Size(512, 512), Size(768, 512), Size(512, 768), Size(640, 512), Size(512, 640), Size(768, 768))
# The names of older models, which were made for 512 pixels.
_SMALL = re.compile(r"(?<![a-z0-9])(sd|v|stable-diffusion)[-_ ]?(v)?[-_ ]?(1[-_.]?[0-5]|2[-_.]?[01]?)(?![0-9])", re.I)
_PARENTHESES = re.compile(r"([()\\])")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """How the graph names the pictures that were uploaded. The mask is grey: white is repainted."""

    source: str = ""
    mask: str = ""


def checkpoint_engines(checkpoint: str, model: str, samplers: tuple[str, ...]) -> Engine:
    """Make the engine for a checkpoint, with its operations. ``model`` is its part of the id."""
    small = _SMALL.search(checkpoint) is not None
    sizes = _SMALL_SIZES if small else tuple(dict.fromkeys((*XL_SIZES, *COMMON_SIZES)))
    words = frozenset(
        {Ability.NEGATIVE, Ability.WEIGHTS, Ability.STEPS, Ability.SEED, Ability.GUIDANCE}
        | ({Ability.SAMPLER} if samplers else set())
    )
    engine = Engine(
        id=f"comfyui/{model}",
        name=display_name(checkpoint),
        abilities=words,
        sizes=sizes,
        default_size=sizes[0],
        images_per_submission=1,
        prompt_limit=PROMPT_LIMIT,
        grid=GRID,
        samplers=samplers,
        steps=STEPS,
        guidance=GUIDANCE,
        seed=SEED,
        weights=WEIGHTS,
        price=FREE,
    )
    varied = replace(
        engine,
        abilities=words | {Ability.STRENGTH},
        strength=STRENGTH,
        operation=Operation.IMAGE_TO_IMAGE,
        picture=PictureRules(exact=True),
    )
    repainted = replace(
        varied,
        operation=Operation.INPAINT,
        # The picture decides the size. The server rounds both sides down to multiples of 8.
        sizes=(),
        grid=None,
        strength=replace(STRENGTH, default=100),
        picture=PictureRules(most_pixels=1 << 20 if small else 1 << 21),
    )
    return replace(engine, others=(varied, repainted))


def checkpoint_graph(checkpoint: str, request: ImageRequest, seed: int, pictures: Uploaded) -> Graph:
    """Make the graph of a request for this checkpoint."""
    positive, negative = prompt_texts(request)
    latent: Json = ["latent", 0]
    graph: Graph = {
        "checkpoint": _node("CheckpointLoaderSimple", ckpt_name=checkpoint),
        "positive": _node("CLIPTextEncode", text=positive, clip=["checkpoint", 1]),
        "negative": _node("CLIPTextEncode", text=negative, clip=["checkpoint", 1]),
    }
    strength = 100
    if request.operation is Operation.TEXT_TO_IMAGE:
        size = request.size
        graph["latent"] = _node("EmptyLatentImage", width=size.width, height=size.height, batch_size=1)
    else:
        graph["picture"] = _node("LoadImage", image=pictures.source)
        graph["latent"] = _node("VAEEncode", pixels=["picture", 0], vae=["checkpoint", 2])
        usual = 100.0 if request.operation is Operation.INPAINT else STRENGTH.default or 100.0
        strength = int(usual) if request.strength is None else request.strength
    if request.operation is Operation.INPAINT:
        graph["mask"] = _node("LoadImageMask", image=pictures.mask, channel="red")
        graph["masked"] = _node("SetLatentNoiseMask", samples=latent, mask=["mask", 0])
        latent = ["masked", 0]
    graph["sampler"] = _node(
        "KSampler",
        model=["checkpoint", 0],
        seed=seed,
        steps=request.steps if request.steps is not None else int(STEPS.default or 25),
        cfg=request.guidance if request.guidance is not None else GUIDANCE.default,
        sampler_name=request.sampler or SAMPLER,
        scheduler=SCHEDULER,
        positive=["positive", 0],
        negative=["negative", 0],
        latent_image=latent,
        denoise=strength / 100,
    )
    graph["image"] = _node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2])
    graph[OUTPUT] = _node("PreviewImage", images=["image", 0])
    return graph


def _node(kind: str, **inputs: Json) -> Json:
    return {"class_type": kind, "inputs": dict(inputs)}


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


# --- names --------------------------------------------------------------------------------------------------------


def display_name(file: str) -> str:
    """The name of a model for people: its file's, without folders and extension."""
    return _without_extension(file.replace("\\", "/").rpartition("/")[2])[:LONGEST] or file[:LONGEST]


def model_ids(files: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The part of an engine's id for each file, other than those that are ``taken``."""
    return id_parts(files, taken=taken, shorten=_without_extension)


def _without_extension(file: str) -> str:
    stem, dot, extension = file.rpartition(".")
    return stem if dot and extension.lower() in {"safetensors", "ckpt", "pt", "pth", "sft", "gguf", "bin"} else file
