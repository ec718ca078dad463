"""The operator's own workflows for ComfyUI: the engine that each one is, and the graph of a request.

:mod:`bot.providers.comfyui_workflow_files` reads them, and says which inputs take which options.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from bot.providers.base import FREE, Ability, Bounds, Engine, ImageRequest, SizeGrid
from bot.providers.comfyui_graphs import PROMPT_LIMIT, SEED, Graph, Uploaded, plain_texts
from bot.providers.operations import Operation, PictureRules, Size

INPUTS = (
    "prompt",
    "negative",
    "seed",
    "width",
    "height",
    "steps",
    "guidance",
    "sampler",
    "scheduler",
    "strength",
    "picture",
    "mask",
    "scale",
)
"""The names of the inputs that a map can have."""
ENLARGED = PictureRules(least_side=16, least_pixels=256, most_pixels=1 << 22, ratio=None)
"""What is required of a picture that is made larger."""
_ABILITIES = {
    "negative": Ability.NEGATIVE,
    "steps": Ability.STEPS,
    "guidance": Ability.GUIDANCE,
    "sampler": Ability.SAMPLER,
    "scheduler": Ability.SCHEDULER,
    "strength": Ability.STRENGTH,
}


@dataclass(frozen=True, slots=True)
class Place:
    """One input of one node."""

    node: str
    input: str


@dataclass(frozen=True, slots=True)
class Workflow:
    """A valid workflow. ``inputs`` are the places that take each option; ``output`` is the id of the output node."""

    file: str
    name: str
    graph: Graph = field(repr=False)
    operation: Operation
    inputs: Mapping[str, tuple[Place, ...]]
    output: str
    sizes: tuple[Size, ...]
    grid: SizeGrid | None
    bounds: Mapping[str, Bounds]
    scales: tuple[int, ...] = ()
    samplers: tuple[str, ...] = ()
    prompt_limit: int = PROMPT_LIMIT

    def engine(self, model: str, samplers: tuple[str, ...], schedulers: tuple[str, ...]) -> Engine:
        """Make its engine. ``model`` is its part of the id; the others are the ones that the server has."""
        samplers = self.samplers or samplers
        able = {ability for name, ability in _ABILITIES.items() if name in self.inputs}
        if not samplers:
            able.discard(Ability.SAMPLER)
        if not schedulers:
            able.discard(Ability.SCHEDULER)
        if self.operation.has_variants:
            able.add(Ability.SEED)
        # If the map names no width and height, the graph's own size is used. A larger picture's follows from its scale.
        sized = "width" in self.inputs and self.operation.has_variants
        return Engine(
            id=f"comfyui/{model}",
            name=self.name,
            abilities=frozenset(able),
            sizes=self.sizes if sized else (),
            default_size=self.sizes[0],
            images_per_submission=1,
            prompt_limit=self.prompt_limit,
            grid=self.grid if sized else None,
            samplers=samplers if Ability.SAMPLER in able else (),
            schedulers=schedulers if Ability.SCHEDULER in able else (),
            steps=self._bounds("steps") if Ability.STEPS in able else None,
            guidance=self._bounds("guidance") if Ability.GUIDANCE in able else None,
            strength=self._bounds("strength") if Ability.STRENGTH in able else None,
            seed=SEED if Ability.SEED in able else None,
            scales=self.scales,
            price=FREE,
            operation=self.operation,
            picture=self._picture(exact=sized),
        )

    def _picture(self, *, exact: bool) -> PictureRules | None:
        if not self.operation.has_source:
            return None
        return PictureRules(exact=exact) if self.operation.has_variants else ENLARGED

    def _bounds(self, name: str) -> Bounds:
        """The bounds of an option. Its default is the workflow's own value, because that one is used."""
        bounds = self.bounds[name]
        place = self.inputs[name][0]
        node: Any = self.graph[place.node]
        own = node["inputs"][place.input]
        if isinstance(own, bool) or not isinstance(own, int | float):
            return bounds
        own = own * 100 if name == "strength" else own
        return replace(bounds, default=own if own in bounds else None)

    def filled(self, request: ImageRequest, seed: int, pictures: Uploaded) -> Graph:
        """Return the graph of a request. Options that are not set keep the workflow's own values."""
        prompt, negative = plain_texts(request)
        values: dict[str, Any] = {
            "prompt": prompt or None,
            "negative": negative or None,
            "seed": seed,
            "width": request.size.width,
            "height": request.size.height,
            "steps": request.steps,
            "guidance": request.guidance,
            "sampler": request.sampler,
            "scheduler": request.scheduler,
            "strength": None if request.strength is None else request.strength / 100,
            "picture": pictures.source or None,
            "mask": pictures.mask or None,
            "scale": request.scale,
        }
        graph = deepcopy(self.graph)
        for name, places in self.inputs.items():
            if values[name] is None:
                continue
            for place in places:
                node: Any = graph[place.node]
                node["inputs"][place.input] = values[name]
        return graph
