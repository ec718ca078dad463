"""``python -m bot playground``: a page that looks like Discord, with the real bot behind it and no account needed."""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import structlog

from bot.config import Settings
from fakes.services import StandIn
from playground.sample_pictures import SamplePictures, post_photo
from playground.studio import open_studio
from storage.files import make_file, make_folder

if TYPE_CHECKING:
    from playground.live_page import LivePreview
    from playground.page_server import Controls
    from playground.world import World

log = structlog.get_logger(__name__)

PORT = 8750
FOLDER = "playground"
"""The folder in the data folder for the playground's own data."""
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


async def serve(settings: Settings, stop: asyncio.Event, *, port: int = PORT, every_service: bool = False) -> int:
    """Serve the page until ``stop`` is set or somebody ends the session in the page. Returns the exit status.

    If ``port`` is in use, another one is taken. Raises StorageError if another playground uses the same data.
    """
    folder = settings.data_dir / FOLDER
    token = await asyncio.to_thread(token_in, folder)
    services = StandIn(control=False, remember=1_000)
    async with open_studio(settings, services, folder=folder, every_service=every_service) as studio:
        # The studio must import SimCord first.
        from playground.page_server import Controls
        from playground.service_faults import Switch

        studio.join()
        pictures = SamplePictures()
        controls = Controls(studio.restart, Switch(studio.services), pictures)
        async with free_port(studio.world, port, token=token, controls=controls) as preview:
            print(_invitation(preview.url, studio.world, folder), flush=True)
            photo = asyncio.create_task(_photo(studio.world, pictures, preview.turn))
            ended = {asyncio.create_task(stop.wait()), asyncio.create_task(preview.wait_closed())}
            try:
                await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (*ended, photo):
                    task.cancel()
                await asyncio.gather(*ended, photo, return_exceptions=True)
    print(f"The playground is closed. Everything is kept in {folder}; delete that folder to start afresh.", flush=True)
    return 0


async def _photo(world: World, pictures: SamplePictures, turn: asyncio.Lock) -> None:
    """Post the photo; the page works without it."""
    try:
        await post_photo(world, pictures, turn)
    except Exception:
        log.exception("photo.not_posted")


def token_in(folder: Path) -> str:
    """The secret part of the page's address, the same at every start. Blocks."""
    path = folder / "token"
    try:
        token = path.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        token = ""
    if not _TOKEN.fullmatch(token):
        token = token_urlsafe(32)
        make_folder(folder)
        make_file(path)
        path.write_text(f"{token}\n", "ascii")
    return token


@asynccontextmanager
async def free_port(
    world: World, port: int, *, token: str | None = None, controls: Controls | None = None
) -> AsyncIterator[LivePreview]:
    """Open the page on this port. If it is in use, print that and take another."""
    # The studio must import SimCord first.
    from playground.live_page import open_page

    async with AsyncExitStack() as stack:
        try:
            preview = await stack.enter_async_context(open_page(world, port=port, token=token, controls=controls))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == 0:
                raise
            print(f"Port {port} is in use, so the playground takes another.", flush=True)
            preview = await stack.enter_async_context(open_page(world, port=0, token=token, controls=controls))
        yield preview


def _invitation(address: str, world: World, folder: Path) -> str:
    you, *others = [person.user.global_name or person.name for person in world.people]
    return (
        f"\nYou are {you}; at the top of the page you can be {' or '.join(others)}. Ctrl-C ends the playground.\n"
        f"Messages and images are kept in {folder}. Only warnings are logged; LOG_LEVEL=info shows everything.\n\n"
        f"Open this in a browser on this machine:  {address}\n"
    )
