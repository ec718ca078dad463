"""Reads the operator's workflows for ComfyUI: ``NAME.json``, as "Export (API)" writes it, and ``NAME.toml`` beside it.

The second file says which inputs of which nodes take the options of a request. Each is a node's id and the name of an
input, or several of them::

    name = "Flux"                         # for people; without it, the name of the file
    sizes = ["1024x1024", "1344x768"]     # to offer first; the first is the default
    step = 16                             # and any other size in these steps of pixels, from low to high
    low = 512
    high = 1536
    output = "9"                          # the node whose images are the result; needed if several save images

    [inputs]
    prompt = "6.text"                     # required
    seed = ["25.noise_seed"]              # required: an identical graph would not be run again
    width = "27.width"
    height = "27.height"
    steps = "17.steps"
    guidance = "26.guidance"
    # also: negative, sampler, scheduler, strength (0 to 1), picture (LoadImage), mask (LoadImageMask, channel red),
    # scale (how many times larger)

    [bounds]                              # lowest and highest; the default is the workflow's own value
    steps = [1, 50]

A workflow with a picture makes images from a picture. With a mask, it repaints the marked part. For other work, the map
names the operation: ``operation = "upscale"``, with ``scales = [2, 4]``. A workflow with a mistake is not offered;
:func:`problems_of_workflows` lists the mistakes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from bot.providers.answers import Unreadable, parse_json
from bot.providers.base import Bounds, SizeGrid
from bot.providers.comfyui_graphs import GUIDANCE, PROMPT_LIMIT, STEPS, STRENGTH, Graph
from bot.providers.comfyui_workflows import INPUTS, Place, Workflow
from bot.providers.operations import Operation, Size
from bot.providers.stable_diffusion import XL_SIZES

LARGEST_FILE = 2 << 20
"""The size limit of a file in bytes."""
MOST_WORKFLOWS = 50
_MOST_SIDES = 60
_LONGEST_NAME = 60
_OUTPUTS = frozenset({"SaveImage", "PreviewImage"})
_KEYS = frozenset(
    {"name", "operation", "sizes", "step", "low", "high", "scales", "samplers", "prompt_limit"}
    | {"inputs", "output", "bounds"}
)
_BOUNDS = {"steps": STEPS, "guidance": GUIDANCE, "strength": STRENGTH}
# The others need more than a picture, a mask and words.
_OPERATIONS = frozenset(Operation) - {Operation.OUTPAINT, Operation.SEARCH_AND_REPLACE}
_SCALES = range(2, 5)


class WorkflowProblem(StrEnum):
    """What is wrong with a workflow. The values are the ``file``, and the ``key``, ``node`` and ``input`` if any."""

    NO_FOLDER = "no_folder"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    """There are more than ``most`` workflows."""
    NO_MAP = "no_map"
    """There is a graph, but no map (.toml) of its inputs."""
    NO_GRAPH = "no_graph"
    """There is a map, but no graph (.json)."""
    NOT_JSON = "not_json"
    NOT_TOML = "not_toml"
    NOT_API_FORMAT = "not_api_format"
    """The graph was saved for the page, not exported for the API."""
    UNKNOWN_KEY = "unknown_key"
    MISSING_KEY = "missing_key"
    WRONG_VALUE = "wrong_value"
    NO_SUCH_NODE = "no_such_node"
    NO_SUCH_INPUT = "no_such_input"
    INPUT_IS_LINKED = "input_is_linked"
    """The input gets its value from another node."""
    NO_OUTPUT = "no_output"
    """No node, or more than one, saves images, and the map names none."""
    MASK_WITHOUT_PICTURE = "mask_without_picture"


Problem: TypeAlias = tuple[WorkflowProblem, Mapping[str, str | int]]


def read_workflows(folder: Path) -> tuple[list[Workflow], list[Problem]]:
    """Read all workflows in the folder: the valid ones, and what is wrong with the others. Blocks. Raises nothing."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in {".json", ".toml"})
    except OSError:
        return [], [(WorkflowProblem.NO_FOLDER, {"file": folder.name})]
    names = sorted({path.stem for path in files})
    problems: list[Problem] = []
    if len(names) > MOST_WORKFLOWS:
        problems.append((WorkflowProblem.TOO_MANY, {"file": folder.name, "most": MOST_WORKFLOWS}))
    workflows = []
    for name in names[:MOST_WORKFLOWS]:
        reading = _Reading(name)
        workflow = reading.workflow(folder)
        problems += reading.problems
        if workflow is not None and not reading.problems:
            workflows.append(workflow)
    return workflows, problems


def problems_of_workflows(folder: Path) -> list[Problem]:
    """Say what is wrong with the workflows in this folder: a code and its values for each problem. Blocks."""
    return read_workflows(folder)[1]


class _Wrong(Exception):
    """A file cannot be used at all."""


class _Reading:
    """Reads one workflow, and collects everything that is wrong with it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.problems: list[Problem] = []

    def _says(self, code: WorkflowProblem, file: str, **values: str | int) -> None:
        self.problems.append((code, {"file": file, **values}))

    def workflow(self, folder: Path) -> Workflow | None:
        graph_file, map_file = folder / f"{self._name}.json", folder / f"{self._name}.toml"
        try:
            if not map_file.is_file():
                raise _wrong(self, WorkflowProblem.NO_MAP, graph_file)
            if not graph_file.is_file():
                raise _wrong(self, WorkflowProblem.NO_GRAPH, map_file)
            return self._checked(self._graph(graph_file), self._map(map_file), map_file.name)
        except _Wrong:
            return None

    def _read(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError:
            raise _wrong(self, WorkflowProblem.UNREADABLE, path) from None
        if len(data) > LARGEST_FILE:
            raise _wrong(self, WorkflowProblem.TOO_LARGE, path)
        return data

    def _graph(self, path: Path) -> Graph:
        try:
            value = parse_json(self._read(path))
        except Unreadable:
            raise _wrong(self, WorkflowProblem.NOT_JSON, path) from None
        if not isinstance(value, dict) or not value or not all(map(_is_node, value.values())):
            raise _wrong(self, WorkflowProblem.NOT_API_FORMAT, path)
        return value

    def _map(self, path: Path) -> dict[str, Any]:
        try:
            return tomllib.loads(self._read(path).decode("utf-8-sig"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
            raise _wrong(self, WorkflowProblem.NOT_TOML, path) from None

    def _checked(self, graph: Graph, given: dict[str, Any], file: str) -> Workflow:
        for key in given.keys() - _KEYS:
            self._says(WorkflowProblem.UNKNOWN_KEY, file, key=key)
        table = self._table(given, "inputs", file)
        operation = self._operation(given, table, file)
        inputs = self._inputs(graph, table, operation, file)
        sizes, grid = self._sizes(given, file)
        return Workflow(
            file=self._name,
            name=self._text(given, "name", file) or self._name[:_LONGEST_NAME],
            graph=graph,
            operation=operation,
            inputs=inputs,
            output=self._output(graph, given, file),
            sizes=sizes,
            grid=grid,
            scales=self._scales(given, operation, inputs, file),
            bounds=self._bounds(self._table(given, "bounds", file), file),
            samplers=self._texts(given, "samplers", file),
            prompt_limit=self._whole(given, "prompt_limit", PROMPT_LIMIT, 1, 50_000, file),
        )

    def _operation(self, given: dict[str, Any], inputs: dict[str, Any], file: str) -> Operation:
        """The operation that the map names, or else the one that follows from its inputs."""
        if name := self._text(given, "operation", file):
            found = next((each for each in _OPERATIONS if each.value == name), None)
            if found is not None:
                unused = {"picture": not found.has_source, "mask": not found.has_mask}
                if not any(unused[picture] and picture in inputs for picture in unused):
                    return found
            self._says(WorkflowProblem.WRONG_VALUE, file, key="operation")
        if "mask" in inputs:
            return Operation.INPAINT
        return Operation.IMAGE_TO_IMAGE if "picture" in inputs else Operation.TEXT_TO_IMAGE

    def _inputs(
        self, graph: Graph, given: dict[str, Any], operation: Operation, file: str
    ) -> dict[str, tuple[Place, ...]]:
        needed = {
            "prompt": operation.needs_prompt,
            "seed": operation.has_variants,
            "picture": operation.has_source and "mask" not in given,
            "mask": operation.has_mask,
            "width": "height" in given,
            "height": "width" in given,
        }
        for key in given.keys() - set(INPUTS):
            # In TOML, a key after [inputs] belongs to it, even if it was meant for the top.
            self._says(WorkflowProblem.UNKNOWN_KEY, file, key=f"inputs.{key}")
        found = {}
        for name in INPUTS:
            if name in given:
                found[name] = tuple(self._places(graph, given[name], f"inputs.{name}", file))
            elif needed.get(name, False):
                self._says(WorkflowProblem.MISSING_KEY, file, key=f"inputs.{name}")
        if "mask" in given and "picture" not in given:
            self._says(WorkflowProblem.MASK_WITHOUT_PICTURE, file, key="inputs.mask")
        return found

    def _places(self, graph: Graph, given: Any, key: str, file: str) -> Iterator[Place]:
        listed = given if isinstance(given, list) else [given]
        if not listed or not all(isinstance(one, str) and "." in one for one in listed):
            self._says(WorkflowProblem.WRONG_VALUE, file, key=key)
            return
        for one in listed:
            node, _, name = one.partition(".")
            of_node: Any = graph.get(node)
            if of_node is None:
                self._says(WorkflowProblem.NO_SUCH_NODE, file, key=key, node=node)
            elif name not in of_node["inputs"]:
                self._says(WorkflowProblem.NO_SUCH_INPUT, file, key=key, node=node, input=name)
            elif isinstance(of_node["inputs"][name], list):
                self._says(WorkflowProblem.INPUT_IS_LINKED, file, key=key, node=node, input=name)
            else:
                yield Place(node, name)

    def _output(self, graph: Graph, given: dict[str, Any], file: str) -> str:
        if "output" in given:
            node = self._text(given, "output", file)
            if node and node not in graph:
                self._says(WorkflowProblem.NO_SUCH_NODE, file, key="output", node=node)
            return node
        saving = [number for number, node in graph.items() if isinstance(node, dict) and node["class_type"] in _OUTPUTS]
        if len(saving) != 1:
            self._says(WorkflowProblem.NO_OUTPUT, file, key="output")
            return ""
        return saving[0]

    def _sizes(self, given: dict[str, Any], file: str) -> tuple[tuple[Size, ...], SizeGrid | None]:
        sizes = XL_SIZES
        if "sizes" in given:
            try:
                sizes = tuple(dict.fromkeys(Size.parse(text) for text in self._texts(given, "sizes", file)))
            except ValueError:
                sizes = ()
            if not sizes or not all(16 <= side <= 8_192 for size in sizes for side in (size.width, size.height)):
                self._says(WorkflowProblem.WRONG_VALUE, file, key="sizes")
                sizes = XL_SIZES
        if "step" not in given:
            return sizes, None
        step = self._whole(given, "step", 64, 8, 1_024, file)
        low = self._whole(given, "low", 256, 16, 8_192, file)
        high = self._whole(given, "high", 1_536, 16, 8_192, file)
        if low % step or low > high or (high - low) // step > _MOST_SIDES:
            self._says(WorkflowProblem.WRONG_VALUE, file, key="step")
        return sizes, SizeGrid(low, high, step)

    def _scales(
        self, given: dict[str, Any], operation: Operation, inputs: Mapping[str, object], file: str
    ) -> tuple[int, ...]:
        """How many times larger the workflow makes a picture. Without an input for it, that is one number."""
        if operation is not Operation.UPSCALE:
            if "scales" in given:
                self._says(WorkflowProblem.UNKNOWN_KEY, file, key="scales")
            return ()
        value = given.get("scales", [_SCALES[0]])
        listed = value if isinstance(value, list) else []
        sound = all(isinstance(one, int) and not isinstance(one, bool) and one in _SCALES for one in listed)
        if not listed or not sound or (len(listed) > 1 and not {"scale", "width"} & inputs.keys()):
            self._says(WorkflowProblem.WRONG_VALUE, file, key="scales")
            return (_SCALES[0],)
        return tuple(dict.fromkeys(listed))

    def _bounds(self, given: dict[str, Any], file: str) -> dict[str, Bounds]:
        found = dict(_BOUNDS)
        for key, value in given.items():
            if key not in found:
                self._says(WorkflowProblem.UNKNOWN_KEY, file, key=f"bounds.{key}")
                continue
            numbers = value if isinstance(value, list) else []
            sound = len(numbers) == 2 and all(
                isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 10_000 for one in numbers
            )
            if not sound or numbers[0] > numbers[1]:
                self._says(WorkflowProblem.WRONG_VALUE, file, key=f"bounds.{key}")
                continue
            found[key] = Bounds(numbers[0], numbers[1])
        return found

    # --- values of the map ----------------------------------------------------------------------------------------

    def _table(self, given: dict[str, Any], key: str, file: str) -> dict[str, Any]:
        value = given.get(key, {})
        if isinstance(value, dict):
            return value
        self._says(WorkflowProblem.WRONG_VALUE, file, key=key)
        return {}

    def _text(self, given: dict[str, Any], key: str, file: str) -> str:
        value = given.get(key, "")
        if isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_NAME:
            return value.strip()
        self._says(WorkflowProblem.WRONG_VALUE, file, key=key)
        return ""

    def _texts(self, given: dict[str, Any], key: str, file: str) -> tuple[str, ...]:
        value = given.get(key, [])
        if isinstance(value, list) and len(value) <= 100 and all(isinstance(one, str) for one in value):
            return tuple(value)
        self._says(WorkflowProblem.WRONG_VALUE, file, key=key)
        return ()

    def _whole(self, given: dict[str, Any], key: str, default: int, low: int, high: int, file: str) -> int:
        value = given.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._says(WorkflowProblem.WRONG_VALUE, file, key=key)
        return default


def _wrong(reading: _Reading, code: WorkflowProblem, path: Path) -> _Wrong:
    reading.problems.append((code, {"file": path.name}))
    return _Wrong()


def _is_node(value: object) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("class_type"), str) and isinstance(value.get("inputs"), dict)
    )
