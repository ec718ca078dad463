"""What an A1111-compatible server has besides its models: samplers, schedulers, LoRAs, upscalers, ControlNet.

Each of its lists may be missing, and everything that it names is checked and bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.providers.base import Json
from bot.providers.engine_ids import id_parts
from bot.providers.loras import names_to_type
from bot.providers.model_families import Family, family_of

_LISTED_AT_MOST = 200
_LORAS_AT_MOST = 1000
_UPSCALERS_AT_MOST = 25
_LONGEST_NAME = 60
_LONGEST_LORA = 100
_LONGEST_FILE = 1000
# These only resize. Drawing more details is what people expect.
_PLAIN_UPSCALERS = frozenset({"none", "lanczos", "nearest"})

RESTORERS = ("GFPGAN", "CodeFormer")
LATENT = "Latent"
"""The upscaler of the second pass that every server has which has a second pass: it needs no file."""


class Control(StrEnum):
    """What a ControlNet takes from a picture."""

    CANNY = "canny"
    DEPTH = "depth"
    SCRIBBLE = "scribble"


# For each kind, the modules that draw its map, the best one first. Those that need no file come before the others.
_MODULES: Mapping[Control, tuple[str, ...]] = {
    Control.CANNY: ("canny",),
    Control.DEPTH: ("depth_anything_v2", "depth_anything", "depth_midas", "depth_leres", "depth_zoe", "depth"),
    Control.SCRIBBLE: ("scribble_xdog", "scribble_pidinet", "scribble_hed", "pidinet_scribble"),
}


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """A ControlNet by its model's name, and the module that draws its map."""

    module: str
    model: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The names that the server uses. ``loras`` are its LoRAs and their paths.

    ``upscalers`` and ``restorers`` (of faces) are by the part that they have in engine ids. ``second_pass`` is the
    upscaler for one; None: the server cannot draw an image again. ``controls`` are its ControlNets.
    """

    samplers: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    loras: Mapping[str, str] = field(default_factory=dict)
    upscalers: Mapping[str, str] = field(default_factory=dict)
    restorers: Mapping[str, str] = field(default_factory=dict)
    second_pass: str | None = None
    controls: Mapping[tuple[Family, Control], ControlUnit] = field(default_factory=dict)

    def shared_with(self, others: Iterable[Inventory]) -> Inventory:
        """Return what all of these servers have. A request may go to any of them."""
        every = list(others)
        return Inventory(
            samplers=tuple(name for name in self.samplers if all(name in each.samplers for each in every)),
            schedulers=tuple(name for name in self.schedulers if all(name in each.schedulers for each in every)),
            loras={name: path for name, path in self.loras.items() if all(name in each.loras for each in every)},
            second_pass=self.second_pass if all(each.second_pass for each in every) else None,
            controls={key: unit for key, unit in self.controls.items() if all(key in each.controls for each in every)},
        )

    def control(self, checkpoint: str, *kinds: Control) -> ControlUnit | None:
        """Return the first of these kinds of ControlNet that the server has for this model. None for a newer family."""
        family = _family(checkpoint)
        if family is Family.OTHER:
            return None
        return next((unit for kind in kinds if (unit := self.controls.get((family, kind))) is not None), None)


def _family(name: str) -> Family:
    """The family of a model. Most of the models whose names tell none are of the oldest one."""
    return family_of(name) or Family.SD1


def _items(value: Json, most: int = _LISTED_AT_MOST) -> list[dict[str, Json]]:
    return [item for item in value[:most] if isinstance(item, dict)] if isinstance(value, list) else []


def _name(value: Json, longest: int = _LONGEST_NAME) -> str | None:
    """A name without control characters that is not too long; None for anything else."""
    return value if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable() else None


def read_names(value: Json, *keys: str) -> tuple[str, ...]:
    """The names in a list, each from the first of these keys that has one. Without a key it is ``name``."""
    found = (next(filter(None, (_name(item.get(key)) for key in keys or ("name",))), None) for item in _items(value))
    return tuple(dict.fromkeys(name for name in found if name is not None))


def read_loras(value: Json) -> dict[str, str]:
    """The LoRAs that people can name, with their paths."""
    items = _items(value, _LORAS_AT_MOST)
    paths = {
        name: _name(item.get("path"), _LONGEST_FILE)
        for item in items
        if (name := _name(item.get("name"), _LONGEST_LORA)) is not None
    }
    return {name: paths[name] or name for name in names_to_type(paths)}


def read_upscalers(value: Json, taken: Iterable[str]) -> dict[str, str]:
    """The upscalers that draw details, by a part of an engine's id. ``taken`` are the parts that models have.

    Those whose file is on the server come first: it has to download the others.
    """
    drawing = [name for name in read_names(value) if name.casefold() not in _PLAIN_UPSCALERS]
    ready = _ready_upscalers(value)
    names = sorted(drawing, key=lambda name: name not in ready)[:_UPSCALERS_AT_MOST]
    parts = id_parts(names, taken=taken)
    return {parts[name]: name for name in names if name in parts}


def _ready_upscalers(value: Json) -> list[str]:
    """The upscalers that draw details and have a path, in place of a URL or nothing."""
    found = ((_name(item.get("name")), item.get("model_path")) for item in _items(value))
    return [
        name
        for name, path in found
        if name is not None and name.casefold() not in _PLAIN_UPSCALERS and isinstance(path, str) and path.strip()
        if "://" not in path
    ]


def read_restorers(value: Json, taken: Iterable[str]) -> dict[str, str]:
    """The restorers of faces that a request can name, like :func:`read_upscalers`."""
    known = [name for name in read_names(value) if name in RESTORERS]
    return {part: name for name, part in id_parts(known, taken=taken).items()}


def read_second_pass(modes: Json, upscalers: Json) -> str | None:
    """The upscaler for a second pass. None if the server has no modes for one.

    A model whose file is on the server keeps more of the image than the latent mode.
    """
    return next(iter(_ready_upscalers(upscalers)), LATENT) if read_names(modes) else None


def read_controls(models: Json, modules: Json) -> dict[tuple[Family, Control], ControlUnit]:
    """The ControlNets in the extension's two lists, the first one of each family and kind."""
    names, drawing = _listed(models, "model_list"), _listed(modules, "module_list")
    found: dict[tuple[Family, Control], ControlUnit] = {}
    for kind, suited in _MODULES.items():
        module = next((name for name in suited if name in drawing), None)
        for model in names if module is not None else ():
            if kind.value in model.casefold() and module is not None:
                found.setdefault((_family(model), kind), ControlUnit(module, model))
    return found


def _listed(value: Json, key: str) -> Sequence[str]:
    every = value.get(key) if isinstance(value, dict) else None
    items = every[:_LISTED_AT_MOST] if isinstance(every, list) else []
    return [name for item in items if (name := _name(item, _LONGEST_FILE)) is not None]
