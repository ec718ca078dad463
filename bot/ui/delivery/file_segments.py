"""Uploads that consist of new bytes and segments of a file, and that are read in chunks while they are sent."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import aiohttp
from aiohttp.abc import AbstractStreamWriter

Piece: TypeAlias = bytes | range
"""Bytes, or a range of positions in a file."""

# The size of a chunk in bytes.
_PART = 2**17


class Spliced(io.BufferedIOBase):
    """A read-only file of several pieces. Ranges are positions in ``file``.

    The file is open only during a read, so it need not be closed, and it can be read again from the start.
    Reading raises OSError if the file is gone or has become shorter.
    """

    def __init__(self, file: Path, pieces: Sequence[Piece], threads: Executor) -> None:
        """``threads`` is the pool that reads the file while it is sent."""
        self.threads = threads
        self._file = file
        self._pieces = pieces
        self._starts = list(accumulate(map(len, pieces), initial=0))
        self._at = 0

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self._starts[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = min(max(0, origin + offset), self.size)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        start = self._at
        end = self.size if size is None or size < 0 else min(start + size, self.size)
        found = b"".join(
            self._bytes(piece[max(0, start - first) : max(0, end - first)])
            for first, piece in zip(self._starts, self._pieces, strict=False)
        )
        self._at = end
        return found

    def _bytes(self, piece: Piece) -> bytes:
        if isinstance(piece, bytes) or not piece:
            return bytes(piece)
        with self._file.open("rb", buffering=0) as stream:
            stream.seek(piece.start)
            found = stream.read(len(piece))
        if len(found) != len(piece):
            raise OSError(f"{self._file.name} has become shorter")
        return found


class _SplicedPayload(aiohttp.payload.Payload):
    """A payload that is sent in chunks, has a known length, and starts again from the beginning for each request."""

    _value: Spliced

    @property
    def size(self) -> int:
        return self._value.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("an image is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        # The library would read it in the default executor, which also resolves host names.
        loop = asyncio.get_running_loop()
        self._value.seek(0)
        while part := await loop.run_in_executor(self._value.threads, self._value.read, _PART):
            await writer.write(part)


aiohttp.payload.register_payload(_SplicedPayload, Spliced)
