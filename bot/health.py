"""Whether the running bot is alive: it touches a file in the data folder, and a small command looks at its age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from storage.pools import Pool

log = structlog.get_logger(__name__)

HEARTBEAT = "heartbeat"
PULSE_SECONDS = 10.0
STALE_SECONDS = 60.0


@asynccontextmanager
async def beating(data_dir: Path, pulse: float = PULSE_SECONDS) -> AsyncIterator[None]:
    """Touch the file every ``pulse`` seconds as long as the event loop runs; take it away at the end."""
    path = data_dir / HEARTBEAT
    # A thread of its own: whatever else waits for one, the bot is alive.
    thread = Pool("heartbeat", 1)
    beat = asyncio.create_task(_beat(path, pulse, thread), name="heartbeat")
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        await thread.run(path.unlink, missing_ok=True)
        await thread.close()


def ailment(data_dir: Path, now: float) -> str | None:
    """What is wrong with the bot that uses this folder, in a sentence, or None. ``now`` is Unix seconds."""
    try:
        beaten = (data_dir / HEARTBEAT).stat().st_mtime
    except FileNotFoundError:
        return f"No bot is running with the data folder {data_dir}."
    age = now - beaten
    if age < -STALE_SECONDS:
        # The clock was set back: a bot that lives touches the file once more in a moment.
        return f"The bot moved last {-age:.0f} seconds in the future."
    return f"The bot has not moved for {age:.0f} seconds." if age > STALE_SECONDS else None


async def _beat(path: Path, pulse: float, thread: Pool) -> None:
    while True:
        try:
            await thread.run(path.touch, mode=0o600)
        except OSError as error:
            # A full disk must not end the bot; the file grows old, and that is what it is for.
            log.warning("heartbeat.failed", error=str(error))
        await asyncio.sleep(pulse)
