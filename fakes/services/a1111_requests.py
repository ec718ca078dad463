"""Reads the fields of requests for the A1111 stand-in."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence

from fakes.services.a1111_inventory import Inventory, lora_path
from fakes.services.call_log import Json
from fakes.services.uploaded_pictures import opened
from fakes.services.uploads import Upload

_WHOLE = ("seed", "steps", "width", "height", "batch_size", "n_iter")


class Refusal(Exception):
    """A request that the server refuses: the status, and what it says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def wrong_fields(body: Json) -> list[str]:
    """The fields of a wrong type, which the server refuses unread."""
    if not isinstance(body, dict):
        return ["body"]
    wrong = [name for name in _WHOLE if name in body and (isinstance(body[name], bool) or not _is_whole(body[name]))]
    return wrong + [name for name in ("prompt", "negative_prompt") if not isinstance(body.get(name, ""), str)]


def _is_whole(value: Json) -> bool:
    return isinstance(value, int)


def whole(body: Mapping[str, Json], name: str, default: int) -> int:
    value = body.get(name, default)
    return value if isinstance(value, int) else default


def number(body: Mapping[str, Json], name: str, default: float) -> float:
    value = body.get(name, default)
    return float(value) if isinstance(value, int | float) else default


def upload(text: Json) -> Upload:
    """Decode a picture in a request. Raises ValueError or UnusableUpload."""
    encoded = str(text)
    if encoded.startswith("data:"):
        encoded = encoded.partition(",")[2]
    try:
        data = b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    opened(data).close()
    return Upload.of(data)


def side(body: Mapping[str, Json], name: str) -> int:
    """The width or the height of the images in pixels, after the second pass if one is asked for."""
    factor = number(body, "hr_scale", 2) if body.get("enable_hr") is True else 1
    return int(whole(body, name, 512) // 8 * 8 * factor) // 8 * 8


def check_second_pass(body: Mapping[str, Json], has: Inventory) -> None:
    """Raise Refusal if a second pass is asked for with an upscaler that the server does not have."""
    known = {*has.latent_modes, *has.upscalers}
    if body.get("enable_hr") is True and body.get("hr_upscaler") not in known:
        raise Refusal(500, f"could not find upscaler named {body.get('hr_upscaler')}")


def check_lora_paths(body: Mapping[str, Json], has: Inventory) -> None:
    """Raise Refusal for the path of a LoRA that is not on the list, as stable-diffusion.cpp does."""
    paths = {lora_path(name) for name in has.loras}
    asked = body.get("lora")
    for item in asked if isinstance(asked, list) else ():
        if not isinstance(item, dict) or item.get("path") not in paths:
            raise Refusal(400, "invalid lora path")


def control_units(body: Mapping[str, Json], has: Inventory) -> Sequence[Mapping[str, Json]]:
    """The enabled units for ControlNet. Raises Refusal for an unknown script, module or model."""
    scripts = body.get("alwayson_scripts")
    units: list[Mapping[str, Json]] = []
    for name, script in scripts.items() if isinstance(scripts, dict) else ():
        if name.lower() != "controlnet" or has.controlnets is None:
            raise Refusal(422, f"always on script {name} not found")
        args = script.get("args") if isinstance(script, dict) else None
        units += [unit for unit in (args if isinstance(args, list) else ()) if isinstance(unit, dict)]
    enabled = [unit for unit in units if unit.get("enabled", True)]
    for unit in enabled:
        if unit.get("module") not in has.modules or unit.get("model") not in (has.controlnets or ()):
            raise Refusal(500, f"Exception: model {unit.get('model')} not found")
    return enabled
