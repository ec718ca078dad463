"""What ComfyUI reads in a graph: whether its nodes and values are valid, and which picture it asks for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fakes.services.call_log import Json
from fakes.services.comfyui_nodes import KINDS, OUTPUTS, Files, Range, fits
from fakes.services.pictures import Edit, Picture
from fakes.services.uploaded_pictures import UnusableUpload, size_of
from fakes.services.uploads import Upload

# A refusal lists the allowed values only if they are few.
_SHORT = 20


class Refused(Exception):
    """The graph is not accepted."""

    def __init__(self, kind: str, message: str, node_errors: dict[str, Json] | None = None, details: str = "") -> None:
        super().__init__(kind)
        self.error: Json = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.node_errors = node_errors or {}


class Raised(Exception):
    """A node raises an exception of this type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = message


# --- validation -------------------------------------------------------------------------------------------------------


def validated(graph: Json, files: Files, inputs: Mapping[str, Upload]) -> tuple[tuple[str, ...], dict[str, Json]]:
    """The output nodes that can run, and the errors of the others. Raises Refused if none can run."""
    if not isinstance(graph, dict):
        raise Refused("no_prompt", "No prompt provided")
    for number, node in graph.items():
        kind = node.get("class_type") if isinstance(node, dict) else None
        if kind not in KINDS:
            raise Refused("invalid_prompt", f"Cannot execute because node {kind} does not exist.", {}, f"#{number}")
    outputs = [number for number, node in graph.items() if _of(node)["class_type"] in OUTPUTS]
    if not outputs:
        raise Refused("prompt_no_outputs", "Prompt has no outputs")
    good, errors = [], dict[str, Json]()
    for output in outputs:
        wrong = False
        for number in dict.fromkeys(_needed(graph, output)):
            found = list(_problems(graph, _of(graph[number]), files, inputs))
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


def _problems(
    graph: Mapping[str, Json], node: Mapping[str, Any], files: Files, uploads: Mapping[str, Upload]
) -> Iterator[Json]:
    given = _of(node.get("inputs"))
    # Inputs that a class does not have are ignored.
    for name, takes in KINDS[node["class_type"]].takes.items():
        value = given.get(name)
        words = files.listed(takes)
        if value is None:
            yield _problem("required_input_missing", "Required input is missing", name, name)
        elif isinstance(value, list):
            number, index = value
            gives = KINDS[_of(graph[number])["class_type"]].gives
            if not isinstance(takes, str) or index >= len(gives) or gives[index] != takes:
                yield _problem("return_type_mismatch", "Return type mismatch between linked nodes", name, name)
        elif takes == "inputs":
            if value not in uploads:
                yield _problem("custom_validation_failed", "Custom validation failed", f"{name}: {value}", name)
        elif words is not None:
            if value not in words:
                shown = str(words) if len(words) <= _SHORT else f"(list of length {len(words)})"
                yield _problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", name)
        elif isinstance(takes, Range):
            if value < takes.low:
                yield _problem("value_smaller_than_min", f"Value {value} smaller than min of {takes.low}", name, name)
            elif value > takes.high:
                yield _problem("value_bigger_than_max", f"Value {value} bigger than max of {takes.high}", name, name)


def _problem(kind: str, message: str, details: str, name: str) -> Json:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}


def signature(graph: Mapping[str, Json], number: str) -> str:
    """By what the server knows that a node need not run again: its class, its inputs and those of what it depends on.

    The ids of nodes do not matter. Inputs that the class does not have do.
    """
    node = _of(graph[number])
    inputs = {
        name: [signature(graph, value[0]), value[1]] if isinstance(value, list) else value
        for name, value in _of(node.get("inputs")).items()
    }
    return json.dumps([node["class_type"], inputs], sort_keys=True)


# --- the picture ------------------------------------------------------------------------------------------------------


class Wanted:
    """Finds the picture that an output node shows. Raises Raised where a node would raise an exception."""

    def __init__(
        self, graph: Mapping[str, Json], uploads: Mapping[str, Upload], unlike: Collection[tuple[str, str]] = ()
    ) -> None:
        """``unlike`` are pairs of checkpoint and ControlNet that do not work together, whatever their names are."""
        self._graph = graph
        self._uploads = uploads
        self._unlike = unlike

    def picture(self, output: str) -> Picture:
        """The picture of an output node."""
        return self._image(self._inputs(output)["images"])

    def _image(self, link: Any) -> Picture:
        kind, given = self._node(link)
        match kind:
            case "VAEDecode":
                return self._sampled(given["samples"])
            case "ImageScale":
                return self._enlarged(self._upload(given["image"]), given["width"], given["height"])
        factor = given["scale_by"] if kind == "ImageScaleBy" else 4
        source = self._upload(given["image"])
        width, height = self._size(source)
        return self._enlarged(source, round(width * factor), round(height * factor))

    def _enlarged(self, source: Upload, width: int, height: int) -> Picture:
        self._size(source)
        return Picture("", "", "", 0, width, height, Edit("upscale", source))

    def _sampled(self, link: Any) -> Picture:
        sampler = self._inputs(link[0])
        latent, given = self._node(sampler["latent_image"])
        mask = larger = None
        if latent == "LatentUpscale":
            larger = given["width"], given["height"]
            sampler = self._inputs(given["samples"][0])
            latent, given = self._node(sampler["latent_image"])
        if latent == "SetLatentNoiseMask":
            mask = self._upload(given["mask"])
            latent, given = self._node(given["samples"])
        positive, negative, edit = self._conditions(sampler)
        if latent == "VAEEncode":
            source = self._upload(given["pixels"])
            width, height = self._size(source)
            edit = Edit("inpaint" if mask else "image_to_image", source, mask, change=sampler["denoise"])
        else:
            width, height = given["width"], given["height"]
        width, height = larger or (width, height)
        return Picture(
            prompt=positive,
            negative=negative,
            style="",
            seed=sampler["seed"],
            # Sizes are not validated: both sides are cut down to multiples of 8.
            width=width // 8 * 8,
            height=height // 8 * 8,
            edit=edit,
        )

    def _conditions(self, sampler: Mapping[str, Any]) -> tuple[str, str, Edit | None]:
        """The prompt, the negative prompt, and the edit that a ControlNet makes of it."""
        kind, given = self._node(sampler["positive"])
        if kind != "ControlNetApplyAdvanced":
            return given["text"], self._inputs(sampler["negative"][0])["text"], None
        control = self._first(given["control_net"], "control_net_name")
        checkpoint = self._first(sampler["model"], "ckpt_name")
        if (checkpoint, control) in self._unlike or not fits(checkpoint, control):
            raise Raised("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (154x2048 and 768x320)")
        source = self._upload(given["image"])
        self._size(source)
        drawn = self._node(given["image"])[0] == "MaskToImage"
        edit = Edit("sketch" if drawn else "structure", source, change=1 - given["strength"])
        return self._inputs(given["positive"][0])["text"], self._inputs(given["negative"][0])["text"], edit

    def _upload(self, link: Any) -> Upload:
        """The uploaded picture from which a link's picture or mask was made."""
        return self._uploads[self._first(link, "image")]

    def _first(self, link: Any, name: str) -> str:
        """The text of the input ``name`` of the node at the beginning of a chain of nodes."""
        given = self._inputs(link[0])
        value = given.get(name)
        if isinstance(value, str):
            return value
        before = next(value for value in given.values() if isinstance(value, list))
        return self._first(given.get("image") or before, name)

    def _size(self, upload: Upload) -> tuple[int, int]:
        try:
            return size_of(upload)
        except UnusableUpload as error:
            raise Raised("PIL.UnidentifiedImageError", "cannot identify image file") from error

    def _node(self, link: Any) -> tuple[str, Mapping[str, Any]]:
        return _of(self._graph[link[0]])["class_type"], self._inputs(link[0])

    def _inputs(self, number: str) -> Mapping[str, Any]:
        return _of(_of(self._graph[number])["inputs"])


def _of(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
