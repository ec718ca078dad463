"""The free services of a run: their engines, their calls, and what the bot needs to use them.

Another kind is one more row of :data:`FREE`, and its settings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Free(StrEnum):
    """The kinds of services that charge nothing."""

    A1111 = "a1111"
    COMFYUI = "comfyui"
    HORDE = "horde"
    OPENAI = "openai"
    """A server of one's own with OpenAI's API."""


@dataclass(frozen=True, slots=True)
class Service:
    """A free service. Routes are the stand-in's.

    ``make`` is the request for images. ``free`` are the calls that may fail without any effect on the images. ``files``
    are downloads. ``each``: every image is requested by itself. ``edit`` are requests for images from a picture, if
    these have routes of their own: the bot may choose this service for an edit.
    """

    engine: str
    make: str
    free: tuple[str, ...]
    files: tuple[str, ...] = ()
    each: bool = False
    edit: tuple[str, ...] = ()

    @property
    def making(self) -> tuple[str, ...]:
        """The routes of all requests for images."""
        return (self.make, *self.edit)


FREE: Mapping[Free, Service] = {
    Free.A1111: Service("a1111/dreamshaper_8", "a1111.txt2img", ("a1111.task",), edit=("a1111.img2img",)),
    Free.COMFYUI: Service(
        "comfyui/sd_xl_base_1.0",
        "comfyui.prompt",
        ("comfyui.history", "comfyui.queue"),
        ("comfyui.view",),
        each=True,
    ),
    Free.HORDE: Service("ai-horde/Deliberate", "horde.submit", ("horde.check", "horde.status"), ("horde.image",)),
    Free.OPENAI: Service("openai/sd-cpp-local", "openai.generations", ("openai.models",), edit=("openai.edits",)),
}
MAKING = frozenset(route for service in FREE.values() for route in service.making)
"""The routes of the requests for images."""
HORDE_KEY = "horde-key-for-tests"
OFTEN = 100_000
"""A limit that no run reaches."""


def of_engine(engine: str) -> Service | None:
    """The free service with this engine; None if the engine belongs to a service that charges."""
    return next((service for service in FREE.values() if service.engine == engine), None)


def settings(kinds: Collection[Free], services: str) -> dict[str, str]:
    """The settings of the bot with which it uses these services, at the stand-in with this address."""
    every: Mapping[Free, Mapping[str, str]] = {
        Free.A1111: {"A1111_URL": f"{services}/a1111", "A1111_RATE": "50"},
        Free.COMFYUI: {"COMFYUI_URL": f"{services}/comfyui", "COMFYUI_RATE": "50"},
        Free.HORDE: {
            "AI_HORDE_URL": f"{services}/horde",
            "AI_HORDE_KEY": HORDE_KEY,
            "AI_HORDE_RATE": "50",
            "AI_HORDE_ENGINES": "Deliberate",
        },
        Free.OPENAI: {"OPENAI_URL": f"{services}/openai/v1", "OPENAI_FREE": "1", "OPENAI_RATE": "50"},
    }
    own = {name: value for kind in kinds for name, value in every[kind].items()}
    return own | ({"FREE_IMAGES_PER_USER": str(OFTEN)} if kinds else {})
