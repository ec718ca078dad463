"""``python -m bot playground``: a page that looks like Discord, with the real bot behind it and no account needed."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot.config import Settings
from fakes.services import StandIn
from playground.studio import open_studio

if TYPE_CHECKING:
    from simcord.preview import Preview

    from playground.world import World

PORT = 8750


async def serve(settings: Settings, stop: asyncio.Event, *, port: int = PORT) -> int:
    """Serve the page until ``stop`` is set or somebody ends the session in the page. Returns the exit status.

    If ``port`` is in use, another one is taken.

    Another port is taken where ``port`` is in use.
    """
    async with (
        open_studio(settings, StandIn(control=False, remember=1_000)) as studio,
        free_port(studio.world, port) as preview,
    ):
        print(_invitation(preview.url, studio.world), flush=True)
        ended = {asyncio.create_task(stop.wait()), asyncio.create_task(preview.wait_closed())}
        try:
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)
        print("The playground is closed; what was made in it is gone.", flush=True)
    return 0


@asynccontextmanager
async def free_port(world: World, port: int) -> AsyncIterator[Preview]:
    """Open the page on this port. If it is in use, print that and take another."""
    # The studio must import SimCord first.
    from playground.live_page import open_page

    async with AsyncExitStack() as stack:
        try:
            preview = await stack.enter_async_context(open_page(world, port=port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == 0:
                raise
            print(f"Port {port} is in use, so the playground takes another.", flush=True)
            preview = await stack.enter_async_context(open_page(world, port=0))
        yield preview


def _invitation(address: str, world: World) -> str:
    you, *others = [person.user.global_name or person.name for person in world.people]
    return (
        f"\nThe playground is at  {address}\n\n"
        f"Open it in a browser on this machine. You are {you} there; at the top you can be {' or '.join(others)}.\n"
        "Type  /imagine  and a prompt such as  a lighthouse on a cliff.  Ctrl-C ends it.\n"
    )
