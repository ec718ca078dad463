"""The loopback Discord in a separate process."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp

from fakes.discord.bot_process import REPOSITORY


async def test_it_serves_until_its_input_ends() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fakes.discord",
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def told() -> Any:
        assert process.stdout is not None
        return json.loads(await process.stdout.readline())

    try:
        where = await told()
        headers = {"Authorization": f"Bot {where['DISCORD_TOKEN']}"}
        url = f"{where['DISCORD_API_URL']}/users/@me"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert (await answer.json())["bot"] is True
        process.stdin.write(b'{"user": "ada", "slash": "imagine"}\n')
        assert "no command" in (await told())["refused"]
        process.stdin.close()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
