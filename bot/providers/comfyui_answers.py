"""Reads the responses of ComfyUI: its queue, its history, its lists of values and its refusals. Reads handles, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from bot.providers.answers import whole
from bot.providers.base import Handle, Json
from bot.providers.errors import ProviderError, Reason, Refused
from bot.providers.refusals import Judge, sentence

MOST_CHOICES = 200
"""The maximum number of values of one list, such as checkpoints, that are used."""
LONGEST_NAME = 255
_CONTROL_NODES = frozenset({"ControlNetLoader", "SetUnionControlNetType", "ControlNetApplyAdvanced"})
_MISSING_VALUE = frozenset({"AssertionError", "AttributeError", "TypeError", "ValueError"})
# Torch's words, such as: mat1 and mat2 shapes cannot be multiplied; the size of tensor a must match.
_SHAPES = re.compile(r"\b(shapes?|size of tensor|channels)\b", re.I)
_LONGEST_TEXT = 2_000
_MOST_IMAGES = 16
_MOST_MESSAGES = 1_000

# Problems of the graph's structure. Other values of the options would not help.
_BROKEN_GRAPH = frozenset({"invalid_prompt", "missing_node_type", "prompt_no_outputs", "no_prompt"})
_OF_CHOICES = "value_not_in_list"
# The inputs whose value nobody chose but the engine.
_MODEL_FIELDS = frozenset({"ckpt_name", "control_net_name", "model_name"})
_OF_VALUES = frozenset({"value_smaller_than_min", "value_bigger_than_max"})


# --- handles ------------------------------------------------------------------------------------------------------

ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""An id becomes a part of a path."""


def id_of(handle: Handle) -> str:
    """The id of a prompt. Raises Refused if the stored handle is unreadable."""
    prompt_id = handle.get("id")
    if not isinstance(prompt_id, str) or not ID.fullmatch(prompt_id):
        raise Refused(Reason.BAD_HANDLE)
    return prompt_id


def seed_of(handle: Handle) -> int | None:
    """The seed of a submission. None if it needs none. Raises Refused if the stored handle is unreadable."""
    seed = handle.get("seed", "")
    if seed is None or (isinstance(seed, int) and not isinstance(seed, bool)):
        return seed
    raise Refused(Reason.BAD_HANDLE)


def files_of(handle: Handle) -> tuple[str, str] | None:
    """The checkpoint and the ControlNet of a submission, if it has one."""
    files = handle.get("files")
    if not isinstance(files, list) or len(files) != 2:
        return None
    checkpoint, control = files
    return (checkpoint, control) if isinstance(checkpoint, str) and isinstance(control, str) else None


# --- queue --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Queue:
    """The ids of what is running, and of what is waiting in the order in which it will run."""

    running: tuple[str, ...]
    pending: tuple[str, ...]

    @classmethod
    def read(cls, value: Json) -> Queue | None:
        """Read the response of ``/queue``. Returns None if it is not one."""
        if not isinstance(value, dict):
            return None
        running, pending = value.get("queue_running"), value.get("queue_pending")
        if not isinstance(running, list) or not isinstance(pending, list):
            return None
        # The list is a heap, so it is not sorted.
        waiting = sorted(_entries(pending), key=lambda entry: entry[0])
        return cls(tuple(name for _, name in _entries(running)), tuple(name for _, name in waiting))

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self.running or prompt_id in self.pending

    def place(self, prompt_id: str) -> int | None:
        """The place of a waiting prompt, where 1 is next. None if it is running or not there."""
        if prompt_id in self.running or prompt_id not in self.pending:
            return None
        return max(1, self.pending.index(prompt_id) + len(self.running))


def _entries(items: list[Json]) -> Iterator[tuple[float, str]]:
    for item in items:
        if isinstance(item, list) and len(item) >= 2 and isinstance(item[1], str):
            number = item[0]
            yield (float(number) if isinstance(number, int | float) and abs(number) < 2**63 else 0.0, item[1])


# --- history ------------------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    """How a prompt ended."""

    SUCCESS = "success"
    INTERRUPTED = "interrupted"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Ended:
    """A prompt in the history. ``images`` are paths of its output node's images, relative to the base URL.

    ``exception`` is the type of the exception that ended it, ``node`` the class of the node that raised it.
    ``mismatch``: models that do not belong together explain it.
    """

    outcome: Outcome
    images: tuple[str, ...] = ()
    exception: str = ""
    node: str = ""
    mismatch: bool = False


class NotHistory(ValueError):
    """The response is not a history."""


def read_history(value: Json, prompt_id: str, output: str) -> Ended | None:
    """Read the response of ``/history/{id}``. Returns None if the prompt is not there, or has not ended.

    ``output`` is the id of the output node, or "" for all of them. Raises NotHistory.
    """
    if not isinstance(value, dict):
        raise NotHistory
    if not value:
        return None
    entry = value.get(prompt_id)
    if not isinstance(entry, dict):
        raise NotHistory
    status = _mapping(entry.get("status"))
    messages = list(_messages(status.get("messages")))
    # The status of an interrupted prompt is the same as that of a failed one. Only the messages differ.
    for event, data in reversed(messages):
        if event == "execution_interrupted":
            return Ended(Outcome.INTERRUPTED)
        if event == "execution_error":
            exception, node = _name(data.get("exception_type")), _name(data.get("node_type"))
            return Ended(Outcome.ERROR, exception=exception, node=node, mismatch=is_mismatch(data))
    if status.get("status_str") == "error":
        return Ended(Outcome.ERROR)
    return Ended(Outcome.SUCCESS, tuple(_images(entry.get("outputs"), output))[:_MOST_IMAGES])


def is_mismatch(data: Mapping[str, Any]) -> bool:
    """Whether an exception is one that a ControlNet of another family raises, or a file that is no ControlNet.

    Its tensors have other shapes than those of the checkpoint, or it asks for a value that only the other family has.
    """
    node, exception = _name(data.get("node_type")), _name(data.get("exception_type"))
    if node in _CONTROL_NODES:
        return not exception.endswith("OutOfMemoryError")
    text = data.get("exception_message")
    shapes = isinstance(text, str) and _SHAPES.search(text[:_LONGEST_TEXT]) is not None
    return node == "KSampler" and (exception in _MISSING_VALUE or (exception == "RuntimeError" and shapes))


def _messages(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in value[-_MOST_MESSAGES:] if isinstance(value, list) else ():
        if isinstance(item, list) and item and isinstance(item[0], str):
            yield item[0], _mapping(item[1]) if len(item) > 1 else {}


def _images(outputs: object, output: str) -> Iterator[str]:
    for node, made in _mapping(outputs).items():
        if output and node != output:
            continue
        images = _mapping(made).get("images")
        for image in images if isinstance(images, list) else ():
            path = view_path(image)
            if path is not None:
                yield path


def view_path(image: object) -> str | None:
    """The path from which an image of the history can be fetched, or None if it is not one."""
    found = _mapping(image)
    filename, subfolder, kind = found.get("filename"), found.get("subfolder", ""), found.get("type", "output")
    if not (isinstance(filename, str) and isinstance(subfolder, str)) or kind not in ("output", "temp", "input"):
        return None
    if not 0 < len(filename) <= LONGEST_NAME or len(subfolder) > LONGEST_NAME:
        return None
    query = {"filename": filename, "subfolder": subfolder, "type": kind}
    try:
        return f"/view?{urlencode(query)}"
    except UnicodeEncodeError:
        return None


# --- lists of values, uploads, versions ---------------------------------------------------------------------------


def choices(value: Json, node: str, field: str, most: int = MOST_CHOICES) -> tuple[str, ...] | None:
    """The values that an input of a node takes, from ``/object_info/{node}``. None if there is no such node or list."""
    inputs = _mapping(_mapping(_mapping(value).get(node)).get("input"))
    declared = _mapping(inputs.get("required")).get(field)
    if not isinstance(declared, list) or not declared:
        return None
    options = declared[0]
    if not isinstance(options, list) and len(declared) > 1:
        options = _mapping(declared[1]).get("options")  # Newer nodes declare their choices like this.
    return names(options, most)


def names(value: object, most: int = MOST_CHOICES) -> tuple[str, ...] | None:
    """The valid names in a list, at most this many, or None if it is not a list."""
    if not isinstance(value, list):
        return None
    found = (one for one in value if isinstance(one, str) and 0 < len(one) <= LONGEST_NAME and one.isprintable())
    return tuple(dict.fromkeys(found))[:most]


def uploaded_name(value: Json) -> str | None:
    """The name of an uploaded picture in a graph. The server may have changed it."""
    found = _mapping(value)
    filename, subfolder = found.get("name"), found.get("subfolder", "")
    if not isinstance(filename, str) or not isinstance(subfolder, str):
        return None
    if not 0 < len(filename) <= LONGEST_NAME or len(subfolder) > LONGEST_NAME:
        return None
    return f"{subfolder}/{filename}" if subfolder else filename


def is_comfyui(value: Json) -> bool:
    """Whether this is the response of ``/system_stats``."""
    return isinstance(_mapping(_mapping(value).get("system")).get("comfyui_version"), str)


# --- refusals -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeError:
    """One problem of a node. ``kind`` is the server's code; ``field`` is the input, or ""."""

    kind: str
    node: str
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a graph was refused: the server's code, and the problems of its nodes."""

    kind: str
    message: str
    errors: tuple[NodeError, ...]

    @classmethod
    def read(cls, value: Json) -> Refusal | None:
        """Read the body of a refusal. Returns None if it is not one of this service."""
        error = _mapping(value).get("error")
        kind = _name(_mapping(error).get("type"))
        if not kind:
            return None
        details = _mapping(error)
        return cls(kind, _said(details), tuple(node_errors(_mapping(value).get("node_errors"), details)))

    def error(self, judge: Judge, *, detail: str, built_in: bool) -> Refused:
        """Make the error. ``built_in``: the graph is our own, so only its model or an option can be wrong."""
        detail = f"{detail}, {self.kind}"
        first = self.errors[0] if self.errors else NodeError(self.kind, "")
        if self.errors:
            detail = f"{detail}, {first.kind}"
        if built_in and any(one.kind == _OF_CHOICES and one.field in _MODEL_FIELDS for one in self.errors):
            return Refused(Reason.RETIRED, detail=detail, operator=True)
        if self.of_values or (built_in and self.kind not in _BROKEN_GRAPH):
            said = sentence(judge.plain(first.message or self.message))
            return Refused(Reason.REFUSED, said=said, detail=detail)
        node = judge.plain(first.node or self.message)[:100] or "?"
        return Refused(
            Reason.WRONG_WORKFLOW, detail=detail, values={"node": node}, operator=True, setting="COMFYUI_WORKFLOWS"
        )

    @property
    def of_values(self) -> bool:
        """Whether other values of the options would be accepted."""
        return bool(self.errors) and all(one.kind in _OF_VALUES for one in self.errors)

    @property
    def outdated(self) -> bool:
        """Whether our lists are older than the server's: it does not know a value or a node."""
        return self.kind in _BROKEN_GRAPH or any(one.kind == _OF_CHOICES for one in self.errors)


def node_errors(value: object, details: Mapping[str, Any] | None = None) -> Iterator[NodeError]:
    """Read the problems of nodes. ``details``: those of the whole graph, which may name a node of an unknown class."""
    extra = _mapping((details or {}).get("extra_info"))
    if node := _name(extra.get("class_type")) or _name(extra.get("node_id")):
        yield NodeError(_name((details or {}).get("type")), node, message=_said(details or {}))
    for number, error in _mapping(value).items():
        of_node = _mapping(error)
        label = _name(of_node.get("class_type")) or str(number)[:LONGEST_NAME]
        problems = of_node.get("errors")
        for problem in problems[:MOST_CHOICES] if isinstance(problems, list) else ():
            told = _mapping(problem)
            field = _name(_mapping(told.get("extra_info")).get("input_name"))
            yield NodeError(_name(told.get("type")), label, field, _said(told))


def stopped_outputs(value: Json) -> frozenset[str]:
    """The output nodes that will make nothing, by the errors in the response to an accepted graph."""
    found: set[str] = set()
    for number, error in _mapping(_mapping(value).get("node_errors")).items():
        dependent = _mapping(error).get("dependent_outputs")
        found.add(str(number))
        found.update(str(one) for one in dependent if isinstance(one, str | int)) if isinstance(dependent, list) else ()
    return frozenset(found)


def failure_reason(exception: str) -> Reason:
    """The reason for an exception of this type. Its message is not used, because it contains paths of the server."""
    return Reason.OUT_OF_MEMORY if exception.endswith("OutOfMemoryError") else Reason.BROKEN


def unreadable(detail: str) -> ProviderError:
    """The error for a response that does not come from ComfyUI."""
    return Refused(Reason.NOT_FOUND, detail=detail, operator=True, setting="COMFYUI_URL")


def percent_of(value: object, most: object) -> int | None:
    """A progress of ``value`` out of ``most`` steps, in percent: 0 to 99, because the history decides on the end."""
    done, steps = whole(value), whole(most)
    if done is None or steps is None or steps <= 0:
        return None
    return max(0, min(99, 100 * done // steps))


def _said(problem: Mapping[str, Any]) -> str:
    texts = [problem.get("message"), problem.get("details")]
    return ": ".join(text for text in texts if isinstance(text, str) and text)


def _name(value: object) -> str:
    return value[:LONGEST_NAME] if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
