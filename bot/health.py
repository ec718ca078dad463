"""The heartbeat: a running bot touches a file in the data folder, and the health command checks the file's age.

It is a separate module because health checks run often and should import nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from bot.text import Text, message
from storage.pools import Pool

log = structlog.get_logger(__name__)

HEARTBEAT = "heartbeat"
PULSE_SECONDS = 10.0
STALE_SECONDS = 60.0

NOT_RUNNING = message("health.not_running", "No bot is running with the data folder {folder}.")
STALE = message("health.stale", "The bot's last heartbeat was {age:duration} ago.")
IN_THE_FUTURE = message("health.in_the_future", "The bot's last heartbeat is {ahead:duration} in the future.")


@asynccontextmanager
async def beating(data_dir: Path, pulse: float = PULSE_SECONDS) -> AsyncIterator[None]:
    """Touch the file every ``pulse`` seconds while the event loop runs; remove it at the end."""
    path = data_dir / HEARTBEAT
    # It has its own thread, so that it does not wait for other work.
    thread = Pool("heartbeat", 1)
    beat = asyncio.create_task(_beat(path, pulse, thread), name="heartbeat")
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        await thread.run(path.unlink, missing_ok=True)
        await thread.close()


def problem(data_dir: Path, now: float) -> Text | None:
    """The problem of the bot that uses this folder, or None if it is healthy. ``now`` is in Unix seconds. Blocks."""
    try:
        last = (data_dir / HEARTBEAT).stat().st_mtime
    except FileNotFoundError:
        return NOT_RUNNING(folder=str(data_dir))
    age = now - last
    if age < -STALE_SECONDS:
        # The clock was set back. A running bot soon touches the file again.
        return IN_THE_FUTURE(ahead=-age)
    return STALE(age=age) if age > STALE_SECONDS else None


async def _beat(path: Path, pulse: float, thread: Pool) -> None:
    while True:
        try:
            await thread.run(path.touch, mode=0o600)
        except OSError as error:
            # A full disk must not stop the bot. The health check reports that the file is old.
            log.warning("heartbeat.failed", error=str(error))
        await asyncio.sleep(pulse)
