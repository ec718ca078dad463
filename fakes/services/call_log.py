"""The log of calls and bills: what was requested and what was charged, recorded by the service."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from fakes.services.uploads import Upload

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
T = TypeVar("T")

KEPT_BYTES = 64 << 20
"""How many bytes of uploads the log of calls keeps."""


def drop_oldest(kept: list[T], most: int | None) -> list[T]:
    """Keep only the latest ``most`` of a list (None: all), and return the others."""
    dropped = kept[: len(kept) - most] if most is not None and len(kept) > most else []
    del kept[: len(dropped)]
    return dropped


@dataclass(slots=True)
class Call:
    """One HTTP request that reached the stand-in.

    ``body`` is the form as a dictionary, the decoded JSON, or None; ``files`` are the files of a form by field.
    ``at`` is Unix milliseconds. ``accepted``: the service carried out the request, whether or not the client received
    the response. ``status`` is None if the response was not completed. ``fault`` names the fault that was applied to
    this call.
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
    files: Mapping[str, Upload] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        return self.route.partition(".")[0]

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")

    def to_json(self) -> dict[str, Json]:
        """Everything except the headers, which may contain a key, and the bytes of files."""
        files: dict[str, Json] = {
            name: {
                "filename": upload.filename,
                "media_type": upload.media_type,
                "length": upload.length,
                "digest": upload.digest,
                "metadata": list(upload.metadata),
            }
            for name, upload in self.files.items()
        }
        return {
            "number": self.number,
            "route": self.route,
            "method": self.method,
            "path": self.path,
            "body": self.body,
            "files": files,
            "at": self.at,
            "accepted": self.accepted,
            "status": self.status,
            "fault": self.fault,
            "authorized": bool(self.authorization),
        }


class KeptUploads:
    """Keeps the bytes of the latest uploads, at most ``budget`` bytes, and drops those of the others."""

    def __init__(self, budget: int = KEPT_BYTES) -> None:
        self._budget = budget
        self._calls: deque[Call] = deque()
        self._held = 0

    def add(self, call: Call) -> None:
        self._calls.append(call)
        self._held += _bytes_of(call)
        while self._held > self._budget:
            oldest = self._calls.popleft()
            self._held -= _bytes_of(oldest)
            oldest.files = {name: upload.dropped() for name, upload in oldest.files.items()}


def _bytes_of(call: Call) -> int:
    return sum(len(upload.data) for upload in call.files.values())


@dataclass(frozen=True, slots=True)
class Bill:
    """One charge for one success: ``amount`` in millicredits, ``rendering`` is the guid of the rendering.

    ``operation`` is what was done: ``text_to_image``, ``inpaint`` and so on.
    """

    provider: str
    engine: str
    amount: int
    images: int
    rendering: str
    prompt: str
    at: int
    operation: str = "text_to_image"

    def to_json(self) -> dict[str, Json]:
        return {
            "provider": self.provider,
            "engine": self.engine,
            "amount": self.amount,
            "images": self.images,
            "rendering": self.rendering,
            "prompt": self.prompt,
            "at": self.at,
            "operation": self.operation,
        }
