"""The loopback Discord by itself: ``python -m fakes.discord [--port N] [--openapi FILE]``.

It prints the bot's settings, then one line of JSON for each message that is posted or edited. Each line of
JSON on its standard input is something that a user does, in the channel #pictures or, with ``"dm": true``, in direct
messages:

    {"user": "ada", "slash": "imagine", "options": {"prompt": "a fox"}}
    {"user": "ada", "press": "Cancel", "message": 1234}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fakes.discord.constants import Json
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel, Message
from fakes.discord.schema import read_schema
from fakes.discord.seen import look_at


def tell(**what: object) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(what, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def carry_out(discord: Discord, channel: Channel, order: Json) -> None:
    """Carry out a user's action. Raises AssertionError or KeyError if it is impossible."""
    person = discord.user(order["user"])
    where = person.dm if order.get("dm") else channel
    if "slash" in order:
        await person.slash(where, order["slash"], **order.get("options", {}))
    else:
        known = {one.id: one for one in discord.world.everything_said()}
        await person.press(known[int(order["message"])], order["press"])


async def follow(discord: Discord) -> None:
    """Report each message each time it changes."""
    told: dict[Message, int] = {}

    def news() -> list[Message]:
        return [one for one in discord.world.everything_said() if told.get(one) != len(one.history)]

    while True:
        for message in await discord.until(news, "news"):
            seen = look_at(message)
            told[message] = len(message.history)
            tell(message=seen.id, text=seen.text, buttons=seen.labels, pictures=[one.url for one in seen.pictures])


async def serve(port: int, openapi: Path | None) -> None:
    """Serve until standard input ends."""
    discord = await Discord(schema=None if openapi is None else read_schema(openapi)).start(port)
    discord.world.changes.patience = float("inf")
    channel = discord.guild("Studio").channel("pictures")
    tell(DISCORD_API_URL=discord.url, DISCORD_TOKEN=discord.token)
    following = asyncio.create_task(follow(discord))
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                await carry_out(discord, channel, json.loads(line))
            except (AssertionError, LookupError, ValueError) as error:
                tell(refused=f"{type(error).__name__}: {error}")
    finally:
        following.cancel()
        await discord.stop()
        for violation in discord.violations:
            tell(violation=str(violation))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m fakes.discord", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--openapi", type=Path, metavar="FILE", help="check requests against Discord's OpenAPI file")
    chosen = parser.parse_args(words)
    asyncio.run(serve(chosen.port, chosen.openapi))


if __name__ == "__main__":
    main()
