"""/engines: what each engine can do, its options and its prices."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.engines import NO_ENGINES, find_engine
from bot.domain.features import NAME_AT_MOST
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.ui.autocomplete import calmly, matching
from bot.ui.cards.engines import engine_card, engines_card
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of, tell


class Engines(commands.Cog):
    """Lists the engines."""

    def __init__(self, service: JobService) -> None:
        self._service = service

    @app_commands.command(name="engines", description=locale_str("The engines: what each can do, and what it costs"))
    @app_commands.describe(engine=locale_str("One of them, with everything it takes"))
    async def show(self, interaction: Interaction, engine: Range[str, 1, NAME_AT_MOST] | None = None) -> None:
        service = self._service
        default = service.engine_by_default(origin_of(interaction))
        retired = service.has_retired
        if not service.all_engines:
            raise UserError(NO_ENGINES())
        if engine is None:
            card = engines_card(service.all_engines.values(), service.price_of, default=default, retired=retired)
        else:
            found = find_engine(engine, service.all_engines)
            card = engine_card(found, service.price_of, default=default, retired=retired)
        await tell(interaction, card)

    @show.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return matching(((engine.name, engine.id) for engine in self._service.all_engines.values()), current)
