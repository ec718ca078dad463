"""What the names of ComfyUI's model files tell: ids, names for people, and which ControlNet suits which checkpoint.

The server lists names only. A ControlNet works with checkpoints of its own family, and nothing but the name says which
one that is. A wrong guess shows when the graph runs; see :func:`bot.providers.comfyui_answers.is_mismatch`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.providers.engine_ids import LONGEST, id_parts
from bot.providers.loras import names_to_type
from bot.providers.model_families import Family, family_of
from bot.providers.operations import Operation

_EXTENSIONS = frozenset({"safetensors", "ckpt", "pt", "pth", "sft", "gguf", "bin"})


def display_name(file: str) -> str:
    """The name of a model for people: its file's, without folders and extension."""
    return _without_extension(file.replace("\\", "/").rpartition("/")[2])[:LONGEST] or file[:LONGEST]


def model_ids(files: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The part of an engine's id for each file, other than those that are ``taken``."""
    return id_parts(files, taken=taken, shorten=_without_extension)


def lora_names(files: Iterable[str]) -> dict[str, str]:
    """The file of each LoRA by the name that a person types: the file's, without its extension."""
    named = {_without_extension(file): file for file in files}
    return {name: named[name] for name in names_to_type(named)}


def _without_extension(file: str) -> str:
    stem, dot, extension = file.rpartition(".")
    return stem if dot and extension.lower() in _EXTENSIONS else file


# --- ControlNets --------------------------------------------------------------------------------------------------


class Hint(StrEnum):
    """What a ControlNet wants to see: white lines on black."""

    EDGES = "edges"
    SCRIBBLE = "scribble"


@dataclass(frozen=True, slots=True)
class Control:
    """A ControlNet and how to use it. A ``union`` knows several kinds of hints, and has to be told which it gets."""

    file: str
    hint: Hint
    union: bool = False


# LLLite models need a node that is not ComfyUI's own.
_UNUSABLE = re.compile(r"lllite", re.I)
_KINDS = (
    ("union", re.compile(r"union|promax", re.I)),
    ("scribble", re.compile(r"scribble|sketch", re.I)),
    ("canny", re.compile(r"canny", re.I)),
)
# The kinds of models that can do an operation, the best first.
_ABLE: Mapping[Operation, tuple[str, ...]] = {
    Operation.STRUCTURE: ("canny", "union"),
    Operation.SKETCH: ("scribble", "union", "canny"),
}
CONTROLLED = tuple(_ABLE)
"""The operations that need a ControlNet."""


def control_for(
    operation: Operation, checkpoint: str, controls: Sequence[str], unfit: Collection[tuple[str, str]] = ()
) -> Control | None:
    """Choose a ControlNet for this operation by the names of the files. None if no name suits.

    One of the checkpoint's family comes first, then one whose name tells no family. A checkpoint whose name tells none
    counts as XL, as its sizes do, and takes another only if there is no such ControlNet. ``unfit`` are the pairs of
    checkpoint and ControlNet that have failed.
    """
    family = family_of(checkpoint)
    kinds = _ABLE.get(operation, ())
    found: list[tuple[int, int, int]] = []
    for index, file in enumerate(controls):
        kind, own = _kind_of(file), family_of(file)
        if kind not in kinds or own is Family.OTHER or family is Family.OTHER or (checkpoint, file) in unfit:
            continue
        if family is not None and own not in {family, None}:
            continue
        distance = 0 if own is (family or Family.XL) else 1 if own is None else 2
        found.append((distance, kinds.index(kind), index))
    if not found:
        return None
    file = controls[min(found)[2]]
    kind = _kind_of(file)
    edges = operation is Operation.STRUCTURE or kind == "canny"
    return Control(file, Hint.EDGES if edges else Hint.SCRIBBLE, union=kind == "union")


def _kind_of(file: str) -> str | None:
    if _UNUSABLE.search(file):
        return None
    return next((kind for kind, pattern in _KINDS if pattern.search(file)), None)
