"""Runs stable-diffusion.cpp's server on a loopback port, and stops it again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from live.build import FOLDER
from live.weights import CLIP, FLUX, LORAS, TAESD

START_SECONDS = 60.0
_LOOK_EVERY = 0.1


class NotStarted(Exception):
    """The server ended, or does not answer. Its output is in the file that the text names."""


class Server:
    """One server process. ``url`` is its base URL; it stays the same after a restart."""

    def __init__(self, program: Path, weights: Path, *, log: Path) -> None:
        """``weights`` is the folder with the files of the models. The server writes its output into ``log``."""
        self._program = program
        self._weights = weights
        self._log = log
        self._port = _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._output_began = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it, and return when it answers. Raises NotStarted."""
        files = {"--diffusion-model": FLUX, "--clip_l": CLIP, "--taesd": TAESD}
        models = [part for option, name in files.items() for part in (option, str(self._weights / name))]
        with self._log.open("ab") as output:
            self._output_began = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                self._program,
                *models,
                *("--lora-model-dir", str(self._weights / LORAS)),
                *("--cfg-scale", "1", "--steps", "4", "-t", "2"),
                *("-l", "127.0.0.1", "--listen-port", str(self._port)),
                stdout=output,
                stderr=output,
            )
        try:
            async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
                while not await self._answers(session):
                    await asyncio.sleep(_LOOK_EVERY)
        except TimeoutError:
            await self.stop()
            raise NotStarted(f"no answer: {self._log}") from None

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise NotStarted(f"it ended: {self._log}")
        try:
            async with session.get(f"{self.url}/sdapi/v1/sd-models") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def said(self, text: str) -> None:
        """Wait until the output of the process contains this text. Raises NotStarted if the process ends first."""
        while text.encode() not in self._log.read_bytes()[self._output_began :]:
            if self._process is None or self._process.returncode is not None:
                raise NotStarted(f"it ended: {self._log}")
            await asyncio.sleep(_LOOK_EVERY)

    async def stop(self) -> None:
        """End it at once, even in the middle of an image."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None


@asynccontextmanager
async def running(program: Path, *, folder: Path = FOLDER) -> AsyncIterator[Server]:
    """Start the server with the weights in ``folder``, and stop it at the end. Raises NotStarted."""
    server = Server(program, folder / "models", log=folder / "server.log")
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
