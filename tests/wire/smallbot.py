"""A small bot on the real discord.py, for the tests of the loopback Discord."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from typing import Any, Self

import discord
from discord import app_commands, ui
from discord.ext import commands

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8) + (512).to_bytes(4) + (256).to_bytes(4)


def picture(number: int, size: int = 60_000) -> bytes:
    """Bytes that begin like a PNG of 512x256 and differ by number."""
    return PNG + bytes([number]) * size


class Again(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"small:again:(?P<number>\d+)"):
    """A button that works after a restart."""

    def __init__(self, number: int) -> None:
        super().__init__(ui.Button(label="Again", custom_id=f"small:again:{number}"))
        self.number = number

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["number"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        if not self.number:
            await interaction.response.edit_message(view=card("again at once"))
            return
        await interaction.response.defer()
        await interaction.edit_original_response(view=card(f"again {self.number}"), attachments=[])


class Rename(ui.Modal, title="Rename"):
    name: ui.Label[Self] = ui.Label(text="New name", component=ui.TextInput(max_length=40))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        assert isinstance(self.name.component, ui.TextInput)
        await interaction.response.send_message(f"now it is {self.name.component.value}", ephemeral=True)


class Card(ui.LayoutView):
    def __init__(self) -> None:
        super().__init__(timeout=None)


def card(text: str, files: int = 0) -> Card:
    """A card with a text, a gallery of ``files`` images and the button."""
    view = Card()
    box: ui.Container[Card] = ui.Container(ui.TextDisplay(text), accent_colour=0x336699)
    if files:
        gallery: ui.MediaGallery[Card] = ui.MediaGallery()
        for number in range(files):
            gallery.add_item(media=f"attachment://{number}.png", description=f"picture {number}")
        box.add_item(gallery)
        row: ui.ActionRow[Card] = ui.ActionRow()
        row.add_item(Again(files))
        box.add_item(row)
    view.add_item(box)
    return view


def pictures(count: int) -> list[discord.File]:
    return [discord.File(io.BytesIO(picture(number)), f"{number}.png") for number in range(count)]


class SmallBot(commands.AutoShardedBot):
    def __init__(self) -> None:
        super().__init__(command_prefix="\0", intents=discord.Intents(guilds=True), guild_ready_timeout=0.0)
        self.errors: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[str] = []
        self.on_dm: Callable[[], None] | None = None

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Again)
        offered: list[app_commands.Command[Any, ..., Any] | app_commands.ContextMenu]
        offered = [paint, secret, later, whisper, ask, pick, rename_this]
        for command in offered:
            self.tree.add_command(command)
        self.tree.error(self.on_tree_error)
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Skip the wait of discord.py before each IDENTIFY except the first."""

    async def on_tree_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError) -> None:
        self.errors.put_nowait(getattr(error, "original", error))

    async def on_socket_event_type(self, name: str) -> None:
        self.heard.append(name)


@app_commands.command(description="Paints pictures")
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def paint(interaction: discord.Interaction[Any], prompt: str, count: app_commands.Range[int, 1, 10] = 2) -> None:
    await interaction.response.defer()
    await interaction.edit_original_response(view=card(f"painting {prompt}"))
    await interaction.edit_original_response(view=card(f"painted {prompt}", count), attachments=pictures(count))


@app_commands.command(description="Says something to one user alone")
async def secret(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message(view=card("between us"), ephemeral=True)


@app_commands.command(description="Answers by follow-ups")
async def later(interaction: discord.Interaction[Any], private: bool = False) -> None:
    await interaction.response.defer(ephemeral=private)
    await interaction.followup.send("first")
    await interaction.followup.send(view=card("second", 1), files=pictures(1))


@app_commands.command(description="Writes a direct message")
async def whisper(interaction: discord.Interaction[Any], to: discord.User) -> None:
    await interaction.response.defer(ephemeral=True)
    try:
        await to.send(view=card("psst", 1), files=pictures(1))
    except discord.Forbidden as error:
        await interaction.edit_original_response(content=f"refused with {error.code}")
    else:
        await interaction.edit_original_response(content="sent")


@app_commands.command(description="Asks for a name")
@app_commands.default_permissions(manage_guild=True)
async def ask(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_modal(Rename())


@app_commands.command(description="Picks a colour")
async def pick(interaction: discord.Interaction[Any], colour: str) -> None:
    await interaction.response.send_message(f"picked {colour}", allowed_mentions=discord.AllowedMentions.none())


@pick.autocomplete("colour")
async def colours(interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=one, value=one) for one in ("red", "green", "blue") if one.startswith(current)]


@app_commands.context_menu(name="Use this")
async def rename_this(interaction: discord.Interaction[Any], message: discord.Message) -> None:
    await interaction.response.send_message(f"used {message.id}", ephemeral=True)
