"""Stand-ins for the image services as one process, with jobs and images made for benchmarks.

The prompt decides how long a job takes (:func:`benchmarks.poll_policies.takes`), so every policy has the same work.
Images are small and of one colour; ``--pictures`` chooses painted ones of about 1.4 MB, or noise. ``--servers`` starts
several stand-ins. The first line of output has their addresses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import sys
import zlib
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import replace
from enum import StrEnum
from itertools import count
from random import Random

from aiohttp import web

from benchmarks.kinds import SUBMITS, prompt_of
from benchmarks.poll_policies import takes
from fakes.services import Fault, Picture, StandIn, flat, painted
from fakes.services.exchange import Exchange
from fakes.services.faults import Act
from fakes.services.pictures import Painter, noise
from fakes.services.rendering import Rendering


class Pictures(StrEnum):
    """The images: tiny, 1.4 MB and as hard to decode as real ones, or noise of 3 MB."""

    SMALL = "small"
    HEAVY = "heavy"
    NOISE = "noise"


ENDLESS, HOUR = "an endless", 3600.0
"""How the prompts of jobs begin that do not end, and the seconds that they take."""
WRONG = 0.2
"""How much faster or slower than usual the workers of the AI Horde are."""
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
        prompt = prompt_of(exchange.call)
        seconds = HOUR if prompt.startswith(ENDLESS) else takes(prompt, low, high, seed)
        exchange.fate = replace(exchange.fate, seconds=seconds)
        return await exchange.proceed()

    return act


def as_estimated(stand_in: StandIn, seed: int) -> Act:
    """Let the AI Horde tell the remaining time as it does: whole seconds, by the usual speed of the worker."""

    async def act(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.proceed()
        told = json.loads(answer.text or "{}")
        request = stand_in.horde.requests.get(exchange.request.match_info["id"])
        made = [each.rendering for each in request.generations if each.rendering is not None] if request else []
        told["wait_time"] = round(max((_left(each, stand_in.services.now(), seed) for each in made), default=0.0))
        return web.json_response(told, status=answer.status)

    return act


def with_preview(size: int, seed: int) -> Act:
    """Let A1111 tell its progress with an unfinished image of about ``size`` bytes, another one each time; 0: none."""
    numbers = count(seed)

    async def act(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.proceed()
        told = json.loads(answer.text or "{}")
        if told.get("live_preview"):
            data = b64encode(preview(size, next(numbers))).decode()
            told["live_preview"] = f"data:image/png;base64,{data}" if size else None
        return web.json_response(told, status=answer.status)

    return act


def preview(size: int, seed: int) -> bytes:
    """A square PNG of noise of about ``size`` bytes."""
    side = max(1, math.isqrt(size // 3))
    return noise(Picture("", "", "", seed, side, side))


def _left(rendering: Rendering, now: float, seed: int) -> float:
    """The estimate of the remaining seconds; never less than 0."""
    usual = (rendering.seconds or 0.0) * Random(f"{seed} {rendering.prompt}").uniform(1 - WRONG, 1 + WRONG)
    return 0.0 if rendering.over else max(0.0, usual - (now - rendering.started))


async def serve(chosen: argparse.Namespace) -> None:
    """Listen until SIGTERM."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with AsyncExitStack() as exits:
        urls = [(await exits.enter_async_context(stand_in(chosen, each))).url for each in range(chosen.servers)]
        sys.stdout.write(f"{' '.join(urls)}\n")
        sys.stdout.flush()
        await over.wait()


def stand_in(chosen: argparse.Namespace, number: int) -> StandIn:
    """A stand-in that is not started. ``number`` makes the seeds of several different."""
    made = StandIn(
        seed=chosen.seed + number,
        latency=(chosen.latency, chosen.latency),
        rate=chosen.rate,
        painter=painter(chosen.pictures, chosen.seed),
    )
    low, high = chosen.seconds
    made.misbehave(*(Fault(route, as_foretold(low, high, chosen.seed), times=None) for route in SUBMITS))
    made.misbehave(Fault("horde.check", as_estimated(made, chosen.seed), times=None))
    made.misbehave(Fault("a1111.task", with_preview(chosen.preview, chosen.seed), times=None))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.services", description=__doc__)
    parser.add_argument("--seconds", type=float, nargs=2, default=(8.0, 13.0))
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--pictures", type=Pictures, choices=list(Pictures), default=Pictures.SMALL)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--preview", type=int, default=0, metavar="BYTES", help="the size of A1111's live previews")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
