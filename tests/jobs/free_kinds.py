"""The kinds of free services in the tables of faults: the real adapter of each, at its stand-in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.providers.base import Provider
from fakes.services import StandIn
from fakes.services.openai_images import Kind as OpenaiKind
from tests.providers.a1111_workbench import DREAM, make_a1111
from tests.providers.ai_horde_workbench import DELIBERATE, make_ai_horde
from tests.providers.comfyui_server import XL, make_comfyui
from tests.providers.openai_workbench import SD_CPP, make_openai
from tests.providers.workbench import SECRET


@dataclass(frozen=True, eq=False)
class FreeKind:
    """A kind of free service. ``routes`` are the stand-in's: ``make`` is the request for images."""

    name: str
    engine: str
    routes: Mapping[str, str]
    make: Callable[[StandIn], Provider]

    async def learnt(self, stand_in: StandIn) -> Provider:
        """The adapter, which has learnt what its service has."""
        stand_in.horde.accounts[SECRET] = 0
        stand_in.openai.kind = OpenaiKind.SD_CPP
        provider = self.make(stand_in)
        learning: Callable[[], Awaitable[Any]] = provider.learn
        await learning()
        return provider

    def __str__(self) -> str:
        return self.name


A1111 = FreeKind("a1111", DREAM, {"make": "a1111.txt2img", "poll": "a1111.task"}, make_a1111)
COMFYUI = FreeKind(
    "comfyui",
    XL,
    {"make": "comfyui.prompt", "poll": "comfyui.history", "image": "comfyui.view"},
    lambda stand_in: make_comfyui(stand_in.url),
)
HORDE = FreeKind(
    "ai-horde",
    DELIBERATE,
    {"make": "horde.submit", "poll": "horde.check", "image": "horde.image", "result": "horde.status"},
    lambda stand_in: make_ai_horde(stand_in.url),
)
OPENAI = FreeKind("openai", SD_CPP, {"make": "openai.generations"}, lambda stand_in: make_openai(stand_in, models=()))
KINDS = (A1111, COMFYUI, HORDE, OPENAI)
