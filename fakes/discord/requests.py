"""One HTTP request to the loopback Discord: its parts, its parsed body and the response."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from fakes.discord.constants import Json
from fakes.discord.model import Upload

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_PART_NAME = re.compile(r'\bname="([^"]*)"')
_PART_FILE = re.compile(r'\bfilename="([^"]*)"')
_FILE_FIELD = re.compile(r"files\[(\d+)\]")


class MalformedBodyError(Exception):
    """The body does not match its Content-Type."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: the status and the JSON (None for no body)."""

    status: int = 200
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Call:
    """A request. ``template`` is the route as the OpenAPI file writes it; None if no route matches."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str | None
    content_type: str
    template: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False)
    json: Any = None
    files: list[Upload] = field(default_factory=list)
    size: int = 0
    status: int | None = None
    code: int | None = None
    """Discord's error code, if the response was an error."""
    request: web.Request | None = field(default=None, repr=False)

    @property
    def payload(self) -> Json:
        """The JSON object of the body; empty if there is none."""
        return self.json if isinstance(self.json, dict) else {}

    def number(self, name: str) -> int:
        return int(self.params[name])

    def parse(self) -> None:
        """Parse the raw body. Raises MalformedBodyError."""
        self.size = len(self.raw)
        if not self.raw:
            return
        if self.content_type.startswith("multipart/form-data"):
            self._parse_multipart()
        elif self.content_type == "application/json":
            self.json = _json(self.raw)
        else:
            raise MalformedBodyError(f"a body with the Content-Type {self.content_type!r}")
        self.raw = b""

    def _parse_multipart(self) -> None:
        boundary = _BOUNDARY.search(self.content_type)
        if boundary is None:
            raise MalformedBodyError("multipart without a boundary")
        line = b"--" + boundary[1].encode()
        head, *parts = (b"\r\n" + self.raw).split(b"\r\n" + line)
        if head or not parts or not parts[-1].startswith(b"--"):
            raise MalformedBodyError("multipart that does not end")
        for part in parts[:-1]:
            header, gap, content = part.partition(b"\r\n\r\n")
            if not gap:
                raise MalformedBodyError("a part without a header")
            self._take_part(header.decode(), content)
        self.files.sort(key=lambda upload: upload.index)

    def _take_part(self, header: str, content: bytes) -> None:
        name = _PART_NAME.search(header)
        if name is None:
            raise MalformedBodyError("a part without a name")
        if name[1] == "payload_json":
            self.json = _json(content)
            return
        numbered = _FILE_FIELD.fullmatch(name[1])
        filename = _PART_FILE.search(header)
        if numbered is None or filename is None:
            raise MalformedBodyError(f"a part called {name[1]!r} that is neither payload_json nor a file")
        self.files.append(Upload(int(numbered[1]), filename[1], content))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise MalformedBodyError(f"not JSON: {error}") from None
