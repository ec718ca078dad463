"""The image services' stand-in as a process, with jobs and images made for benchmarks.

The prompt decides how long a job takes (:func:`benchmarks.poll_policies.takes`), so every policy has the same work.
Images are small and of one colour; ``--pictures`` chooses painted ones of about 1.4 MB, or noise.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import zlib
from dataclasses import replace
from enum import StrEnum
from random import Random

from aiohttp import web

from benchmarks.poll_policies import takes
from fakes.services import Fault, Picture, StandIn, flat, painted
from fakes.services.exchange import Exchange
from fakes.services.faults import Act
from fakes.services.pictures import Painter, noise


class Pictures(StrEnum):
    """The images: tiny, 1.4 MB and as hard to decode as real ones, or noise of 3 MB."""

    SMALL = "small"
    HEAVY = "heavy"
    NOISE = "noise"


HEAVY = 1_400_000
_END = 12
"""Bytes of the last chunk of a PNG."""


def heavy(seed: int) -> Painter:
    """A painter that paints one image of realistic size and adds the seed to each copy."""
    once = painted(Picture("a lighthouse in a storm, oil painting", "", "", seed, 1024, 1024))
    # A painted image may be smaller; it is padded with noise in a chunk that decoders ignore.
    plain = once[:-_END] + _chunk(b"noIs", Random(seed).randbytes(max(0, HEAVY - len(once))))

    def paint(picture: Picture) -> bytes:
        return plain + _chunk(b"siGn", f"{picture.prompt} {picture.seed}".encode()) + once[-_END:]

    return paint


def painter(pictures: Pictures, seed: int) -> Painter:
    """The painter of this kind of images."""
    if pictures is Pictures.HEAVY:
        return heavy(seed)
    return noise if pictures is Pictures.NOISE else flat


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def as_foretold(low: float, high: float, seed: int) -> Act:
    """Let the prompt decide how long a job takes."""

    async def act(exchange: Exchange) -> web.StreamResponse:
        prompt = exchange.form.get("prompts[0][text]", "")
        exchange.fate = replace(exchange.fate, seconds=takes(prompt, low, high, seed))
        return await exchange.proceed()

    return act


async def serve(chosen: argparse.Namespace) -> None:
    """Listen until SIGTERM."""
    stand_in = StandIn(
        seed=chosen.seed,
        latency=(chosen.latency, chosen.latency),
        rate=chosen.rate,
        painter=painter(chosen.pictures, chosen.seed),
    )
    low, high = chosen.seconds
    stand_in.misbehave(Fault("ai-client.entry", as_foretold(low, high, chosen.seed), times=None))
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await stand_in.start()
    try:
        sys.stdout.write(f"{stand_in.url}\n")
        sys.stdout.flush()
        await over.wait()
    finally:
        await stand_in.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.services", description=__doc__)
    parser.add_argument("--seconds", type=float, nargs=2, default=(8.0, 13.0))
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--pictures", type=Pictures, choices=list(Pictures), default=Pictures.SMALL)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
