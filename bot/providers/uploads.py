"""Forms with files (multipart/form-data). The files are read from the disk while they are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from aiohttp.abc import AbstractStreamWriter

InThread: TypeAlias = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in a thread."""

_CHUNK = 1 << 18
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a form: the field's name, the file, its type and its ``length`` in bytes.

    ``called`` is the name to send without its extension; "" is the field's name.
    """

    name: str
    path: Path = field(repr=False)
    media_type: str
    length: int
    called: str = ""

    @property
    def filename(self) -> str:
        """The name that is sent: never the real one, because that may say something about a person."""
        return f"{self.called or self.name}.{_EXTENSIONS.get(self.media_type, 'bin')}"

    def check(self) -> None:
        """Raise OSError if the file is gone or has another length."""
        if self.path.stat().st_size != self.length:
            raise OSError("another length")

    def read(self, start: int) -> bytes:
        """Read the next chunk. The file is open only meanwhile. Raises OSError if it is gone or has become shorter."""
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(start)
            found = stream.read(min(_CHUNK, self.length - start))
        if not found:
            raise OSError("a shorter file")
        return found


@dataclass(frozen=True, slots=True)
class Form:
    """The text fields and the files of one request."""

    fields: tuple[tuple[str, str], ...] = field(repr=False)
    files: tuple[FilePart, ...]

    def check(self) -> None:
        """Raise OSError if a file cannot be sent."""
        for file in self.files:
            file.check()

    def encoded(self, in_thread: InThread) -> aiohttp.MultipartWriter:
        """Encode it for one request. It has a known length. ``in_thread`` reads the files."""
        writer = aiohttp.MultipartWriter("form-data")
        for name, value in self.fields:
            _add(writer, aiohttp.payload.StringPayload(value), name)
        for file in self.files:
            _add(writer, _FilePayload(file, in_thread), file.name, file.filename)
        return writer

    @property
    def size(self) -> int:
        """The length of the encoded form in bytes."""
        return _length(self.encoded(_unread))


class _FilePayload(aiohttp.payload.Payload):
    """A file that is sent in chunks. It starts again from the beginning for each request."""

    _autoclose = True
    _value: FilePart

    def __init__(self, file: FilePart, in_thread: InThread) -> None:
        super().__init__(file, content_type=file.media_type)
        self._in_thread = in_thread

    @property
    def size(self) -> int:
        return self._value.length

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a picture is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        # The library would read it in the default executor, which also resolves host names.
        start = 0
        while start < self._value.length:
            chunk: bytes = await self._in_thread(self._value.read, start)
            start += len(chunk)
            await writer.write(chunk)


async def _unread(*_: object) -> Any:
    raise TypeError("this form is only measured")


def _add(
    writer: aiohttp.MultipartWriter, part: aiohttp.payload.Payload, name: str, filename: str | None = None
) -> None:
    if filename is None:
        part.set_content_disposition("form-data", name=name)
    else:
        part.set_content_disposition("form-data", name=name, filename=filename)
    writer.append_payload(part)


def _length(writer: aiohttp.MultipartWriter) -> int:
    size = writer.size
    if size is None:
        raise TypeError("a part without a length")
    return size
