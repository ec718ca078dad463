"""BotProcess: the real bot in its own process, for starts, signals and kills.

async with BotProcess(discord, folder, services.url, more={"JOBS_PER_USER": "9"}) as bot:
    await bot.ready()                                            # connected to the gateway
    discord.at("PATCH", "/webhooks/*", bot.kill, when="after")    # kill -9 just after an edit
    ...
    await bot.restart()                                          # kill -9, and start again on the same data
    assert bot.lines                                             # its log; an ERROR ends the test
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from fakes.discord.loopback import Discord

REPOSITORY = Path(__file__).resolve().parents[2]
ERROR = re.compile(r"\b(ERROR|CRITICAL)\b|^Traceback ")
TAIL = 60
"""Lines of output that an error message includes."""


class BotProcess:
    """``python -m bot run`` against the loopback Discord and a stand-in for the image services.

    ``services`` is the stand-in's address; ``more`` are further settings; ``program`` is run instead of ``bot run``.
    The process sees no other environment, and no ``.env``. If the process ends unexpectedly, every wait on the
    loopback Discord fails.
    """

    def __init__(
        self,
        discord: Discord,
        folder: Path,
        services: str,
        *,
        more: Mapping[str, str] | None = None,
        program: Sequence[str] = ("bot", "run"),
    ) -> None:
        self._discord = discord
        self._program = program
        self.folder = folder
        self.environment = {
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API_URL": discord.url,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'easel.db'}",
            "DATA_DIR": str(folder),
            "AI_CLIENT_TOKEN": "ai-client-token-for-tests",
            "AI_CLIENT_URL": f"{services}/api/v1",
            "AITHRIVING_KEY": "aithriving-key-for-tests",
            "AITHRIVING_URL": services,
            "IMAGE_HOSTS": urlsplit(services).netloc,
            **(more or {}),
        }
        self.lines: list[str] = []
        """All lines of its output, from all its lives."""
        self.starts = 0
        self.errors_expected = False
        """If False, a log line of level ERROR or above fails every wait."""
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[int] | None = None
        self._told_to_end = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> Self:
        """Start the process. To wait until the bot works, wait for the gateway (``ready``)."""
        if self._watcher is not None:
            assert not self.running, "the bot is already running"
            await self._watcher
        self.folder.mkdir(parents=True, exist_ok=True)
        self._told_to_end = False
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._program,
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(REPOSITORY)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.starts += 1
        self._watcher = asyncio.create_task(self._watch(self._process))
        return self

    async def ready(self) -> Self:
        """Start the process and wait until the bot has identified at the gateway."""
        number = self._discord.gateway.identified + 1
        await self.start()
        await self._discord.gateway.ready(number)
        return self

    async def said(self, text: str, *, since: int = 0) -> str:
        """Wait for a line of output that contains ``text``, and return it."""
        return await self._discord.world.changes.until(
            lambda: next((line for line in self.lines[since:] if text in line), None), f"the bot to say {text!r}"
        )

    def kill(self) -> None:
        """Kill the process with ``kill -9``. It may have ended already, since a placed fault may come late."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM: stop gracefully."""
        self._signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl+C does."""
        self._signal(signal.SIGINT)

    def _signal(self, number: signal.Signals) -> None:
        self._told_to_end = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it has already ended
                self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait until the process has ended, and return its exit status (-9 after a kill)."""
        self._told_to_end = True
        assert self._watcher is not None
        async with asyncio.timeout(self._discord.world.changes.patience):
            return await asyncio.shield(self._watcher)

    async def killed(self) -> None:
        """Kill the process; wait until it has ended and the gateway has noticed."""
        self.kill()
        await self.ended()
        await self._discord.gateway.silence()

    async def restart(self) -> None:
        """Kill the process and start it again on the same data."""
        await self.killed()
        await self.ready()

    async def close(self) -> None:
        """Kill the process if it still runs, and release everything."""
        self.kill()
        if self._watcher is not None:
            await self._watcher

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def tail(self) -> str:
        """The last lines of the output."""
        return "\n".join(self.lines[-TAIL:])

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.lines.append(line.decode(errors="replace").rstrip())
            if not self.errors_expected and ERROR.search(self.lines[-1]):
                self._discord.world.changes.give_up(f"the bot wrote: {self.lines[-1]}")
            self._discord.world.changes.notify()
        status = await process.wait()
        self._discord.world.changes.notify()
        if not self._told_to_end:
            self._discord.world.changes.give_up(f"the bot ended with status {status}:\n{self.tail()}")
        return status
