"""A bot on discord.py that only defers, to measure the library on its own: ``python -m benchmarks.baseline_bot``."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from benchmarks.answer_times import note_answers
from benchmarks.loop_stalls import note_stalls
from bot import config


@app_commands.command(description="Defers")
async def imagine(interaction: discord.Interaction[Any], prompt: str, engine: str = "", images: int = 1) -> None:
    await interaction.response.defer()


class Bare(commands.AutoShardedBot):
    def __init__(self, gateway: str) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents(guilds=True),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
        )
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)

    async def setup_hook(self) -> None:
        self.tree.add_command(imagine)
        await self.tree.sync()


async def run(stalls: Path, gateway: str) -> None:
    settings = config.load(env_file=None)
    assert settings.discord_token is not None
    Route.BASE = settings.discord_api_url
    async with Bare(gateway) as bot:
        watching = asyncio.create_task(note_stalls(stalls))
        try:
            await bot.start(settings.discord_token)
        finally:
            watching.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline_bot", description=__doc__)
    parser.add_argument("--stalls", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--gateway", required=True)
    chosen = parser.parse_args()
    note_answers(chosen.answers)
    asyncio.run(run(chosen.stalls, chosen.gateway))


if __name__ == "__main__":
    main()
