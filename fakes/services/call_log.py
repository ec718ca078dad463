"""The log of calls and bills: what was requested and what was charged, recorded by the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
T = TypeVar("T")


def drop_oldest(kept: list[T], most: int | None) -> list[T]:
    """Keep only the latest ``most`` of a list (None: all), and return the others."""
    dropped = kept[: len(kept) - most] if most is not None and len(kept) > most else []
    del kept[: len(dropped)]
    return dropped


@dataclass(slots=True)
class Call:
    """One HTTP request that reached the stand-in.

    ``body`` is the form as a dictionary, the decoded JSON, or None. ``at`` is Unix milliseconds. ``accepted``: the
    service carried out the request, whether or not the client received the response. ``status`` is None if the
    response was not completed. ``fault`` names the fault that was applied to this call.
    """

    number: int
    route: str
    method: str
    path: str
    body: Json
    headers: Mapping[str, str] = field(repr=False)
    at: int = 0
    accepted: bool = False
    status: int | None = None
    fault: str | None = None

    @property
    def provider(self) -> str:
        return self.route.partition(".")[0]

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")

    def to_json(self) -> dict[str, Json]:
        """Everything except the headers, which may contain a key."""
        return {
            "number": self.number,
            "route": self.route,
            "method": self.method,
            "path": self.path,
            "body": self.body,
            "at": self.at,
            "accepted": self.accepted,
            "status": self.status,
            "fault": self.fault,
            "authorized": bool(self.authorization),
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """One charge for one success: ``amount`` in millicredits, ``rendering`` is the guid of the rendering."""

    provider: str
    engine: str
    amount: int
    images: int
    rendering: str
    prompt: str
    at: int

    def to_json(self) -> dict[str, Json]:
        return {
            "provider": self.provider,
            "engine": self.engine,
            "amount": self.amount,
            "images": self.images,
            "rendering": self.rendering,
            "prompt": self.prompt,
            "at": self.at,
        }
