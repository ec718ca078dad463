"""Run the stand-in as a process: ``python -m fakes.services --port 8100``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from fakes.services import a1111, ai_horde, comfyui, openai_images
from fakes.services.pictures import flat, painted
from fakes.services.server import StandIn

REMEMBERED = 100_000
"""The number of calls and bills to keep, so that the process can run for months."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fakes.services",
        description="A stand-in for the image services: it speaks their contracts, charges as they do, and paints.",
    )
    parser.add_argument("--port", type=int, default=8100, help="where to listen on 127.0.0.1; 0: any free port")
    parser.add_argument(
        "--seconds",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        default=(8.0, 13.0),
        help="how long a picture takes (8 13)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the times and of the seeds that are not given (1)")
    parser.add_argument(
        "--latency", type=float, nargs=2, metavar=("LOW", "HIGH"), default=(0.0, 0.0), help="seconds any answer takes"
    )
    parser.add_argument("--rate", type=float, help="API requests a second, above which it answers 429")
    parser.add_argument("--flat", action="store_true", help="pictures of one colour, which cost no time to paint")
    chosen = parser.parse_args(words)
    for name in ("seconds", "latency"):
        low, high = getattr(chosen, name)
        if not 0 <= low <= high:
            parser.error(f"--{name}: LOW must not be below 0 or above HIGH")
    if chosen.rate is not None and chosen.rate <= 0:
        parser.error("--rate must be above 0")
    return chosen


async def serve(chosen: argparse.Namespace) -> None:
    """Listen until the process is interrupted."""
    stand_in = StandIn(
        seconds=tuple(chosen.seconds),
        seed=chosen.seed,
        latency=tuple(chosen.latency),
        rate=chosen.rate,
        painter=flat if chosen.flat else painted,
        remember=REMEMBERED,
    )
    try:
        await stand_in.start(port=chosen.port)
    except OSError as error:
        raise SystemExit(f"cannot listen on port {chosen.port}: {error.strerror}") from error
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    told = (
        f"AI_CLIENT_URL={stand_in.url}/api/v1",
        f"AITHRIVING_URL={stand_in.url}",
        f"A1111_URL={stand_in.url}{a1111.PREFIX}",
        f"COMFYUI_URL={stand_in.url}{comfyui.PREFIX}",
        f"OPENAI_URL={stand_in.url}{openai_images.PREFIX}",
        f"AI_HORDE_URL={stand_in.url}{ai_horde.PREFIX}",
        f"AI_HORDE_IMAGE_HOSTS={urlsplit(stand_in.url).netloc}",
        "Any text is taken as a key. POST orders to /_control, GET it to see calls and bills.",
    )
    sys.stdout.write("\n".join(told) + "\n")
    sys.stdout.flush()
    try:
        await over.wait()
    finally:
        await stand_in.stop()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
