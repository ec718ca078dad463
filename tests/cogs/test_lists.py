"""Commands that show lists, with and without the permission to use them."""

from __future__ import annotations

from tests.cogs.conftest import Studio, told


async def test_all_commands_except_imagine_answer_privately(studio: Studio) -> None:
    for name in ("credits", "engines", "help", "usage report", "quota show", "server show", "server log"):
        assert told(await studio.admin.slash(studio.channel, name)).private
