"""/setup: the first settings of a server in one panel."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.ui.client import Interaction
from bot.ui.setup_panel import SetupPanel


class Setup(commands.Cog):
    """The panel. It checks who may set up the server, because server admins can show the command to everybody."""

    def __init__(self, panel: SetupPanel) -> None:
        self._panel = panel

    @app_commands.command(name="setup", description=locale_str("Set up this server step by step (Manage Server)"))
    @app_commands.guild_only()
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.default_permissions(manage_guild=True)
    async def setup(self, interaction: Interaction) -> None:
        await self._panel.open(interaction)
