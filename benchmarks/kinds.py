"""The kinds of image services that are measured: what each makes the bot do, and how to reach its stand-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from fakes.services.call_log import Call


class Kind(StrEnum):
    """A kind of service. The value is the name of its provider."""

    AI_CLIENT = "ai-client"
    A1111 = "a1111"
    COMFYUI = "comfyui"
    AI_HORDE = "ai-horde"


ENGINES: Mapping[Kind, str] = {
    Kind.AI_CLIENT: "ai-client/stable-diffusion-xl-1024-v0-9",
    Kind.A1111: "a1111/dreamshaper_8",
    Kind.COMFYUI: "comfyui/sd_xl_base_1.0",
    Kind.AI_HORDE: "ai-horde/SDXL-1.0",
}
CALLS: Mapping[Kind, int] = {Kind.AI_CLIENT: 1, Kind.A1111: 0, Kind.COMFYUI: 1, Kind.AI_HORDE: 2}
"""The calls that a finished image needs after the bot has noticed it: its download, and the result with its address."""

SUBMITS = ("ai-client.entry", "a1111.txt2img", "comfyui.prompt", "horde.submit")
"""The routes that start a rendering."""
POLLS = ("ai-client.entries", "comfyui.history", "horde.check")
"""The routes of polls. The path of each names the submission."""


def settings(kind: Kind, urls: Sequence[str]) -> dict[str, str]:
    """The bot's settings for this kind, besides those that it always has. Only a1111 may have several servers."""
    match kind:
        case Kind.A1111:
            return {"A1111_URLS": ",".join(f"{url}/a1111" for url in urls)}
        case Kind.COMFYUI:
            return {"COMFYUI_URL": f"{urls[0]}/comfyui"}
        case Kind.AI_HORDE:
            host = urlsplit(urls[0]).netloc
            return {"AI_HORDE": "true", "AI_HORDE_URL": f"{urls[0]}/horde", "AI_HORDE_IMAGE_HOSTS": host}
    return {}


def prompt_of(call: Call) -> str:
    """The prompt in a call that starts a rendering."""
    body = call.body if isinstance(call.body, dict) else {}
    match call.provider:
        case "ai-client":
            return str(body.get("prompts[0][text]", ""))
        case "comfyui":
            graph = body.get("prompt")
            nodes = [node for node in graph.values() if isinstance(node, dict)] if isinstance(graph, dict) else []
            inputs = [node["inputs"] for node in nodes if isinstance(node.get("inputs"), dict)]
            texts = (given.get("text") for given in inputs if isinstance(given, dict))
            return next((text for text in texts if isinstance(text, str) and text), "")
    return str(body.get("prompt", "")).partition("###")[0].strip()
