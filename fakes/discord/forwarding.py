"""A forward proxy on loopback, and TLS for what is behind it. Only the proxy can resolve its host names."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit


class ForwardProxy:
    """Forwards requests to ``hosts`` (names, and the loopback origins behind them), for both GET and CONNECT."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._ports = {name: urlsplit(origin).port for name, origin in hosts.items()}
        self.asked: list[str] = []
        """The first line of each connection."""
        self.credentials: set[str] = set()
        self.cutting = False
        """While True, the proxy accepts requests but forwards none."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await _cancelled(self._open)

    def names(self) -> set[str]:
        """The hosts that clients requested."""
        return {urlsplit(words[1] if "://" in words[1] else f"//{words[1]}").hostname or "" for words in self._words()}

    def _words(self) -> list[list[str]]:
        return [line.split() for line in self.asked]

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broken = contextlib.suppress(ConnectionError, asyncio.IncompleteReadError)
        with contextlib.closing(writer), broken, _counted(self._open):
            await self._pass_on(reader, writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        self.asked.append(first.decode())
        for line in rest.decode().splitlines():
            if line.lower().startswith("proxy-authorization:"):
                self.credentials.add(line.partition(":")[2].strip())
        method, target, version = first.decode().split()
        parts = urlsplit(target if "://" in target else f"//{target}")
        port = self._ports.get(parts.hostname or "")
        if self.cutting:
            return
        if port is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(back):
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                # The servers behind the proxy accept only their own host names.
                rest = re.sub(rb"(?im)^host:[^\r\n]*", f"Host: 127.0.0.1:{port}".encode(), rest)
                back.write(f"{method} {path} {version}\r\n".encode() + rest)
            await _pour_both(reader, back, there, writer)


class TlsFront:
    """Ends TLS in front of a server on loopback, as a real host name on port 443 does."""

    def __init__(self, certificate: Path, key: Path, origin: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._port = urlsplit(origin).port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        assert self._server is not None
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await _cancelled(self._open)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError), _counted(self._open):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.closing(back):
                await _pour_both(reader, back, there, writer)


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        target.write(piece)
        await target.drain()


async def _pour_both(
    reader: asyncio.StreamReader, back: asyncio.StreamWriter, there: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Pass bytes on in both directions until one side ends."""
    both = [asyncio.create_task(_pour(reader, back)), asyncio.create_task(_pour(there, writer))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled(both)


@contextlib.contextmanager
def _counted(tasks: set[asyncio.Task[None]]) -> Iterator[None]:
    """Count the current task among these while the block runs."""
    task = asyncio.current_task()
    assert task is not None
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
