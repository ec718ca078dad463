"""The commands that answer a question, asked by those who may and by those who may not."""

from __future__ import annotations

from tests.cogs.conftest import Studio, told


async def test_all_commands_except_imagine_answer_privately(studio: Studio) -> None:
    for name in ("credits", "engines", "help", "usage report", "quota show", "server show", "server log"):
        assert told(await studio.admin.slash(studio.channel, name)).private
