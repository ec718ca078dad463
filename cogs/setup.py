"""/setup: the first settings of a server in one panel. Also registers the buttons of the welcome card."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.ui.client import Easel, Interaction
from bot.ui.server_buttons import ServerButtons, server_item


class Setup(commands.Cog):
    """The panel. It checks who may set up the server, because server admins can show the command to everybody."""

    def __init__(self, client: Easel, buttons: ServerButtons) -> None:
        self._client = client
        self._buttons = buttons
        self._item = server_item(buttons.handlers)

    async def cog_load(self) -> None:
        self._client.add_dynamic_items(self._item)

    async def cog_unload(self) -> None:
        self._client.remove_dynamic_items(self._item)

    @app_commands.command(name="setup", description=locale_str("Set up this server step by step (Manage Server)"))
    @app_commands.guild_only()
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.default_permissions(manage_guild=True)
    async def setup(self, interaction: Interaction) -> None:
        await self._buttons.open_setup(interaction)
