"""What a ComfyUI server offers: the lists that it has, the engines that they make, and the graph of each request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import structlog

from bot.providers.base import FREE, Ability, Bounds, Engine, ImageRequest, Json, SizeGrid
from bot.providers.comfyui_answers import MOST_CHOICES, choices
from bot.providers.comfyui_graphs import (
    CONTROL_STRENGTH,
    GUIDANCE,
    OUTPUT,
    PROMPT_LIMIT,
    SEED,
    STEPS,
    STRENGTH,
    Graph,
    Parts,
    Uploaded,
    checkpoint_graph,
    upscale_graph,
)
from bot.providers.comfyui_models import (
    CONTROLLED,
    Control,
    control_for,
    display_name,
    lora_names,
    model_ids,
)
from bot.providers.comfyui_workflows import ENLARGED, Workflow
from bot.providers.errors import Reason, Refused, Unreachable
from bot.providers.model_families import family_of
from bot.providers.operations import Operation, PictureRules, Size
from bot.providers.stable_diffusion import COMMON_SIZES, XL_SIZES

log = structlog.get_logger(__name__)

GRID = SizeGrid(low=256, high=2048, step=64)
WEIGHTS = Bounds(-2, 2, default=1)
HIGH_RES = Bounds(1.25, 2)
SCALES = (2, 3, 4)
LANCZOS = "Lanczos"
"""The engine that makes a picture larger without a model."""
_MOST_ENGINES = 200
_MOST_UPSCALERS = 25
_MOST_LORAS = 1_000
_SMALL_SIZES = (Size(512, 512), Size(768, 512), Size(512, 768), Size(640, 512), Size(512, 640), Size(768, 768))


@dataclass(frozen=True, slots=True)
class Lists:
    """The names that the server has. Each is the name of a file or of a method."""

    checkpoints: tuple[str, ...] = ()
    samplers: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    upscalers: tuple[str, ...] = ()

    NODES: ClassVar[tuple[str, ...]] = (
        "CheckpointLoaderSimple",
        "KSampler",
        "LoraLoader",
        "ControlNetLoader",
        "UpscaleModelLoader",
    )
    """The classes of nodes whose inputs have the lists, that of the checkpoints first."""

    @classmethod
    def read(cls, infos: Mapping[str, Json]) -> Lists:
        """Read the responses about :attr:`NODES`, by class. What is not there is an empty list."""

        def listed(node: str, field: str, most: int = MOST_CHOICES) -> tuple[str, ...]:
            return choices(infos.get(node), node, field, most) or ()

        return cls(
            checkpoints=listed("CheckpointLoaderSimple", "ckpt_name", _MOST_ENGINES + 1),
            samplers=listed("KSampler", "sampler_name"),
            schedulers=listed("KSampler", "scheduler"),
            loras=listed("LoraLoader", "lora_name", _MOST_LORAS),
            controls=listed("ControlNetLoader", "control_net_name"),
            upscalers=listed("UpscaleModelLoader", "model_name"),
        )


_OF_ONE_LIST = frozenset({Reason.BROKEN, Reason.UNREADABLE_ANSWER})
"""Why a server that is there cannot tell a list."""


class ListReader:
    """Asks a server for its lists. One that the server cannot read now, such as a folder that is away, stays as it was.

    ``unread`` are the nodes of these.
    """

    def __init__(self, get: Callable[[str], Awaitable[Json]]) -> None:
        """``get`` makes a request to the server."""
        self._get = get
        self._infos: dict[str, Json] = {}
        self.unread: set[str] = set()

    async def read(self) -> Lists:
        """Ask for each list. Raises ProviderError if the server is away, or cannot tell its checkpoints."""
        infos: dict[str, Json] = {}
        for node in Lists.NODES:
            try:
                infos[node] = await self._get(f"/object_info/{node}")
                self.unread.discard(node)
            except Unreachable as error:
                if error.reason not in _OF_ONE_LIST or not infos:
                    raise
                if node not in self.unread:
                    log.warning("comfyui.list_unread", node=node, reason=error.reason.value, detail=error.detail)
                self.unread.add(node)
                infos[node] = self._infos.get(node)
        self._infos = infos
        return Lists.read(infos)


@dataclass(frozen=True, slots=True)
class Planned:
    """The graph of a request, and the id of its output node. ``files`` are its checkpoint and ControlNet, if any."""

    graph: Graph
    output: str
    files: tuple[str, str] | None = None


class Catalogue:
    """The engines of a server, and the files behind them."""

    def __init__(
        self, lists: Lists, workflows: Sequence[Workflow] = (), unfit: Collection[tuple[str, str]] = ()
    ) -> None:
        """``unfit`` are the pairs of checkpoint and ControlNet that do not work together."""
        self._lists = lists
        self._unfit = unfit
        self._loras = lora_names(lists.loras)
        ids = model_ids(workflow.file for workflow in workflows)
        self.workflows = {ids[each.file]: each for each in workflows if each.file in ids}
        files = model_ids(lists.checkpoints, taken=self.workflows)
        room = _MOST_ENGINES - len(self.workflows)
        self.checkpoints = {model: file for file, model in list(files.items())[:room]}
        self._upscalers = self._made_larger()
        self.engines = (
            *(each.engine(model, lists.samplers, lists.schedulers) for model, each in self.workflows.items()),
            *(self._of_checkpoint(file, model) for model, file in self.checkpoints.items()),
            *(_upscaling(file, model) for model, file in self._upscalers.items()),
        )

    def offers(self, request: ImageRequest) -> bool:
        engine = next((each for each in self.engines if each.id == request.engine), None)
        return engine is not None and engine.doing(request.operation) is not None

    def is_built_in(self, request: ImageRequest) -> bool:
        """Whether the graph of this request is one of ours, so that only its model or an option can be wrong."""
        return _model(request) not in self.workflows

    def output_of(self, request: ImageRequest) -> str:
        """The id of the output node of this request's graph."""
        workflow = self.workflows.get(_model(request))
        return OUTPUT if workflow is None else workflow.output

    def plan(self, request: ImageRequest, seed: int, pictures: Uploaded) -> Planned:
        """Make the graph of a request. Raises Refused for an unknown engine or operation."""
        model = _model(request)
        if (workflow := self.workflows.get(model)) is not None and workflow.operation is request.operation:
            return Planned(workflow.filled(request, seed, pictures), workflow.output)
        if request.operation is Operation.UPSCALE and model in self._upscalers:
            return Planned(upscale_graph(self._upscalers[model], request, pictures), OUTPUT)
        if (file := self.checkpoints.get(model)) is not None and self.offers(request):
            control = self._control(request.operation, file)
            if control is None and request.operation in CONTROLLED:
                # It has failed since the engines were learnt.
                raise Refused(Reason.WRONG_CONTROL, detail="no other ControlNet")
            graph = checkpoint_graph(Parts(file, self._loras, control), request, seed, pictures)
            return Planned(graph, OUTPUT, None if control is None else (file, control.file))
        raise Refused(Reason.RETIRED, detail="an unknown engine or operation")

    def _control(self, operation: Operation, checkpoint: str) -> Control | None:
        return control_for(operation, checkpoint, self._lists.controls, self._unfit)

    def _made_larger(self) -> dict[str, str | None]:
        """The models that make a picture larger, by their part of the id. Without any, there is a plain method."""
        taken = (*self.workflows, *self.checkpoints)
        files = model_ids(self._lists.upscalers[:_MOST_UPSCALERS], taken=taken)
        if files:
            return {model: file for file, model in files.items()}
        return dict.fromkeys(model_ids([LANCZOS], taken=taken).values()) if taken else {}

    def _of_checkpoint(self, file: str, model: str) -> Engine:
        """Make the engine for a checkpoint, with its operations. ``model`` is its part of the id."""
        family = family_of(file)
        small = family is not None and family.small
        sizes = _SMALL_SIZES if small else tuple(dict.fromkeys((*XL_SIZES, *COMMON_SIZES)))
        words = {Ability.NEGATIVE, Ability.WEIGHTS, Ability.STEPS, Ability.SEED, Ability.GUIDANCE}
        lists = {
            Ability.SAMPLER: self._lists.samplers,
            Ability.SCHEDULER: self._lists.schedulers,
            Ability.LORA: tuple(self._loras),
        }
        words |= {ability for ability, names in lists.items() if names}
        engine = Engine(
            id=f"comfyui/{model}",
            name=display_name(file),
            abilities=frozenset(words | {Ability.HIGH_RES}),
            sizes=sizes,
            default_size=sizes[0],
            images_per_submission=1,
            prompt_limit=PROMPT_LIMIT,
            grid=GRID,
            samplers=lists[Ability.SAMPLER],
            schedulers=lists[Ability.SCHEDULER],
            loras=lists[Ability.LORA],
            steps=STEPS,
            guidance=GUIDANCE,
            seed=SEED,
            weights=WEIGHTS,
            high_res=HIGH_RES,
            price=FREE,
        )
        varied = replace(
            engine,
            abilities=frozenset(words | {Ability.STRENGTH}),
            high_res=None,
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
        controlled = (
            replace(varied, operation=operation, strength=CONTROL_STRENGTH)
            for operation in CONTROLLED
            if self._control(operation, file) is not None
        )
        return replace(engine, others=(varied, repainted, *controlled))


def _upscaling(file: str | None, model: str) -> Engine:
    return Engine(
        id=f"comfyui/{model}",
        name=LANCZOS if file is None else display_name(file),
        abilities=frozenset(),
        sizes=(),
        default_size=XL_SIZES[0],
        images_per_submission=1,
        prompt_limit=PROMPT_LIMIT,
        scales=SCALES,
        price=FREE,
        operation=Operation.UPSCALE,
        picture=ENLARGED,
    )


def _model(request: ImageRequest) -> str:
    return request.engine.partition("/")[2]
